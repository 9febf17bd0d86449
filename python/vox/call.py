"""Runs the program and reads what it tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Optional

from vox import binary
from vox.errors import KINDS, CrashError, Mistake, VoxError

Event = dict[str, Any]
"""Something that happened in a run: an object with ``event`` and, in a cohort, ``case``."""


@dataclass
class Called:
    """What the program said before it ended."""

    code: int
    """The exit code; below 0 the signal that ended it."""
    told: list[dict[str, Any]] = field(default_factory=list)
    """The objects on stdout, but for those that were handed on as events."""
    mistakes: list[Mistake] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """Lines for people."""

    def error(self) -> VoxError:
        """Return the exception that the exit code means."""
        if self.code < 0:
            name = signal.Signals(-self.code).name
            return CrashError(f"vox was ended by {name}", self.mistakes, self.code)
        kind = KINDS.get(self.code, VoxError)
        wrong = [mistake for mistake in self.mistakes if mistake.severity == "error"]
        said = [str(mistake) for mistake in wrong] or self.words or [f"vox ended with {self.code}"]
        return kind("\n".join(said), self.mistakes, self.code)


def call(
    arguments: Sequence[str],
    text: Optional[str] = None,
    on_event: Optional[Callable[[Event], None]] = None,
    cwd: Optional[str] = None,
) -> Called:
    """Run the program; `text` goes to its stdin. Ctrl-C stops it, and what it has computed is kept."""
    child = subprocess.Popen(
        [binary.find(), *arguments],
        stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        cwd=cwd,
        # It ends with this process, however this process ends.
        env={**os.environ, "VOX_PARENT": str(os.getpid())},
    )
    assert child.stdout is not None
    assert child.stderr is not None
    called = Called(code=0)
    threads = [threading.Thread(target=_hear, args=(child.stderr, called), daemon=True)]
    if child.stdin is not None:
        threads.append(threading.Thread(target=_feed, args=(child.stdin, text), daemon=True))
    for thread in threads:
        thread.start()
    try:
        for line in child.stdout:
            told = _object(line)
            if told is None:
                called.words.append(line.rstrip("\n"))
            elif "event" in told and told["event"] != "end":
                if on_event is not None:
                    on_event(told)
            elif "message" in told and "severity" in told:
                called.mistakes.append(Mistake.of(told))
            else:
                called.told.append(told)
        called.code = child.wait()
    except BaseException:
        _stop(child)
        raise
    finally:
        for thread in threads:
            thread.join()
        child.stdout.close()
        child.stderr.close()
    return called


def _feed(stdin: IO[str], text: Optional[str]) -> None:
    try:
        stdin.write(text or "")
        stdin.close()
    except BrokenPipeError:
        pass  # It ended before it read all; its exit code says why.


def _hear(stderr: IO[str], called: Called) -> None:
    """Take in what is said to people."""
    for line in stderr:
        told = _object(line)
        if told is not None and "message" in told:
            called.mistakes.append(Mistake.of(told))
        elif line.strip():
            called.words.append(line.rstrip("\n"))


def _object(line: str) -> Optional[dict[str, Any]]:
    if not line.startswith("{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _stop(child: subprocess.Popen[str]) -> None:
    """End it: what is under way is sealed first, for at most five seconds."""
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
