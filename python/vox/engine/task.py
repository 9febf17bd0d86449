"""What runs on a Dask worker: one group of cases, as a child process with a lifeline.

This file is sent to the workers by value: they need the program ``vox``, not this package, and never an older
version of this file.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO, Any, Optional

TOPIC = "vox"
"""The topic of all events: the scheduler keeps each topic for ever, so there is one, and drivers pick their keys."""
TOLD_FIRST = 0.1
"""Seconds: events of that long travel together at first."""
TOLD_EACH = 1.0
"""And this long after a while: what costs the scheduler is the number of messages, not their size."""
READ_EACH = 0.1
"""Seconds between two looks at what has to be done, when the child says nothing."""
LOOKED_EACH = 0.2
"""Seconds between two looks at whether the task is still wanted."""
GRACE = 0.5
"""Seconds for a child to stop by itself; with the looks it is gone within one second."""
LAST_WORDS = 4000
"""Characters of stderr that are told when a child was lost."""


def find() -> Optional[str]:
    """Return the path of the program on this host: by $VOX_BINARY, beside this Python, or on the path."""
    named = os.environ.get("VOX_BINARY")
    if named:
        return named if os.access(named, os.X_OK) else None
    beside = os.path.join(os.path.dirname(sys.executable), "vox")
    return beside if os.access(beside, os.X_OK) else shutil.which("vox")


def work(group: str, key: str) -> dict[str, Any]:
    """Run a group and return its exit code and all its events; they are told while they happen, too."""
    from distributed import get_worker

    worker = get_worker()
    host = socket.gethostname()
    binary = find()
    if binary is None:
        return {"refused": f"there is no program `vox` on {host}: install it there", "host": host}
    environment = {name: value for name, value in os.environ.items() if name != "VOX_PARENT"}
    try:
        child = _start([binary, "worker", "--group", "-"], environment)
    except OSError as error:
        return {"refused": f"`{binary}` on {host} does not start: {error}", "host": host}
    events: list[dict[str, Any]] = []
    told = 0
    # Told with all events: another execution of this key begins to count anew.
    execution = f"{host}-{os.getpid()}-{child.pid}-{time.time_ns()}"

    def tell(**more: Any) -> None:
        nonlocal told
        if told < len(events) or more:
            fresh = {"key": key, "execution": execution, "first": told, "events": events[told:], **more}
            told = len(events)
            with contextlib.suppress(Exception):  # What is not told now comes with the result.
                worker.log_event(TOPIC, fresh)

    def take(line: bytes) -> None:
        event = _event(line)
        if event is not None:
            events.append(event)

    wanted, words = _attend(child, group.encode() + b"\n", take, tell, lambda: _wanted(worker, key))
    code = child.returncode
    result: dict[str, Any] = {"execution": execution, "events": events, "host": host, "name": str(worker.name)}
    result["code"] = 128 - code if code < 0 else code
    if not wanted:
        result["cancelled"] = True
    if result["code"] != 0:
        result["words"] = words
    # With it the driver need not fetch the result, which costs the scheduler more than all else.
    tell(end={name: value for name, value in result.items() if name not in ("events", "execution")})
    return result


def single(arguments: list[str], text: Optional[str], key: str) -> dict[str, Any]:
    """Run one case by ``vox run`` and return what it told, as a small dict."""
    from distributed import get_worker

    worker = get_worker()
    binary = find()
    if binary is None:
        raise RuntimeError(f"there is no program `vox` on {socket.gethostname()}: install it there")
    folder = None
    if text is not None:
        # Not through stdin, which stays open as the lifeline does.
        folder = tempfile.mkdtemp(prefix="vox-")
        arguments = [*arguments[:-1], os.path.join(folder, "program.imgql")]
        with open(arguments[-1], "w", encoding="utf-8") as file:
            file.write(text)
    try:
        child = _start([binary, *arguments], {**os.environ, "VOX_PARENT": str(os.getpid())})
        lines: list[bytes] = []
        wanted, words = _attend(child, b"", lines.append, lambda: None, lambda: _wanted(worker, key))
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    answer: dict[str, Any] = {}
    for line in lines:
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
    if not wanted or "goals" not in answer:
        raise RuntimeError(f"vox ended with {child.returncode}: {words.strip()}")
    goals = answer["goals"]

    def label(goal: dict[str, Any]) -> str:
        return str(goal["print"] if "print" in goal else goal["save"])

    return {
        "values": {label(goal): goal["value"] for goal in goals if "value" in goal},
        "nodes": {label(goal): goal["node"] for goal in goals if "node" in goal},
        "errors": {label(goal): goal["error"] for goal in goals if "error" in goal},
        "counts": answer["counts"],
        "host": socket.gethostname(),
    }


def _start(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # Ctrl-C in a terminal is for the driver: what it means comes through the lifeline.
        start_new_session=True,
    )


def _attend(
    child: subprocess.Popen[bytes],
    feed: bytes,
    take: Callable[[bytes], None],
    tell: Callable[[], None],
    wanted: Callable[[], bool],
) -> tuple[bool, str]:
    """Stay with a child until it ends or is not wanted any more; returns which, and its last words."""
    lines: queue.Queue[Optional[bytes]] = queue.Queue()
    words: list[str] = []
    threads = [
        threading.Thread(target=_feed, args=(child, feed), daemon=True),
        threading.Thread(target=_read, args=(child.stdout, lines), daemon=True),
        threading.Thread(target=_hear, args=(child.stderr, words), daemon=True),
    ]
    for thread in threads:
        thread.start()
    is_wanted = True
    try:
        next_tell = next_look = 0.0
        pause = TOLD_FIRST
        while True:
            try:
                line = lines.get(timeout=READ_EACH)
                if line is None:
                    break
                take(line)
            except queue.Empty:
                pass
            now = time.monotonic()
            if now >= next_tell:
                tell()
                next_tell = now + pause
                pause = min(TOLD_EACH, 1.5 * pause)
            if now >= next_look:
                next_look = now + LOOKED_EACH
                if not wanted():
                    is_wanted = False
                    break
        if is_wanted:
            child.wait()
    finally:
        _end(child)
        for thread in threads:
            thread.join(1)
    return is_wanted, "".join(words)[-LAST_WORDS:]


def probe(store: Optional[str]) -> dict[str, Any]:
    """Tell what a worker has: host, version, and the id of the store at a path.

    Builds of one version whose operators differ are told apart by ``vox worker`` itself, before its first case.
    """
    host = socket.gethostname()
    binary = find()
    if binary is None:
        return {"host": host, "problem": "has no program `vox`: install it there, or let $VOX_BINARY name it"}
    try:
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=8, stdin=subprocess.DEVNULL
        )
        words = said.stdout.split()
    except (OSError, subprocess.SubprocessError) as error:
        return {"host": host, "problem": f"cannot run `{binary}`: {error}"}
    if said.returncode or len(words) < 2:
        return {"host": host, "problem": f"cannot run `{binary} --version`: {said.stderr.strip()}"}
    found: dict[str, Any] = {"host": host, "vox": words[1], "pid": os.getpid()}
    if store is not None:
        with contextlib.suppress(OSError), open(os.path.join(store, "vox-store.toml"), encoding="utf-8") as file:
            for line in file:
                name, _, value = line.partition("=")
                if name.strip() == "id":
                    found["store"] = value.strip().strip('"')
    return found


def _wanted(worker: Any, key: str) -> bool:
    """Say whether anybody still waits for a task, and the worker itself goes on."""
    if getattr(worker.status, "name", "running") in ("closing", "closed", "failed", "closing_gracefully"):
        return False
    task = worker.state.tasks.get(key)
    return task is not None and task.state not in ("cancelled", "released", "forgotten")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child that still runs: asked first, so that it seals what it has."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            assert child.stdin is not None
            child.stdin.close()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    elif child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()


def _feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    """Write what the child reads, and leave stdin open: its end would stop the child."""
    with contextlib.suppress(OSError, ValueError):
        assert child.stdin is not None
        child.stdin.write(data)
        child.stdin.flush()


def _read(stdout: IO[bytes], lines: queue.Queue[Optional[bytes]]) -> None:
    for line in stdout:
        lines.put(line)
    lines.put(None)


def _hear(stderr: IO[bytes], words: list[str]) -> None:
    for line in stderr:
        words.append(line.decode("utf-8", "replace"))
        del words[:-100]


def _event(line: bytes) -> Optional[dict[str, Any]]:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
