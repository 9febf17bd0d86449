"""What the tests share: the program, a small cohort, and clusters of real processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STUB = HERE / "stub_vox"


def binary():
    """The program under test: $VOX_BINARY, else what cargo built last."""
    named = os.environ.get("VOX_BINARY")
    root = HERE.parent.parent
    built = [root / "target" / kind / "vox" for kind in ("release", "debug")]
    return named or next((str(path) for path in built if path.exists()), None)


if binary():
    os.environ["VOX_BINARY"] = binary()


@pytest.fixture(scope="session")
def vox_binary():
    if not binary():
        pytest.skip("no vox is built: cargo build, or let $VOX_BINARY name one")
    return binary()


@pytest.fixture(scope="session")
def heads(vox_binary, tmp_path_factory):
    """Three computed heads and the program over them: what `vox demo` writes."""
    root = tmp_path_factory.mktemp("demo")
    subprocess.run([vox_binary, "demo"], cwd=root, check=True, capture_output=True)
    return root / "vox-demo"


def wait_until(what, seconds=10.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def alive(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def children(pid):
    """All descendants of a process, as the system has them now."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            child = int(path.parent.name)
            found += [child, *children(child)]
    return found


class Cluster:
    """A scheduler and workers, each a process."""

    def __init__(self, folder, environment=None):
        self.folder = folder
        self.environment = {
            **os.environ,
            "VOX_BINARY": str(STUB),
            "STUB_LOG": str(folder / "ran"),
            # Workers have the program only, and not this package.
            "PYTHONPATH": "",
            "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False",
            "DASK_DISTRIBUTED__DIAGNOSTICS__CUDF": "False",
            **(environment or {}),
        }
        self.port = free_port()
        self.scheduler = None
        self.workers = []
        self.start_scheduler()

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self):
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"
        )

    def worker(self, *options, nanny=False, **environment):
        options = ["--nthreads", "1", "--no-dashboard", "--memory-limit", "0", *options]
        options += ["--nanny" if nanny else "--no-nanny", "--local-directory", str(self.folder)]
        worker = self._start("dask_worker", self.address, *options, **environment)
        self.workers.append(worker)
        return worker

    def ran(self):
        path = self.folder / "ran"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def close(self):
        for process in [*self.workers, self.scheduler]:
            for pid in [process.pid, *children(process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()

    def _start(self, module, *arguments, **environment):
        with open(self.folder / f"{module}-{len(self.workers)}.log", "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    clusters = []

    def make(**environment):
        clusters.append(Cluster(tmp_path, environment))
        return clusters[-1]

    yield make
    for one in clusters:
        one.close()


class Driver:
    """Stands for `vox run --engine dask`: asks groups of an engine process, and hears what it tells."""

    def __init__(self, scheduler, *options, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vox.engine.dask", "--scheduler", scheduler, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), "VOX_BINARY": str(STUB), **(environment or {})},
        )
        self.told = []
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def ask(self, **op):
        self.process.stdin.write(json.dumps(op) + "\n")
        self.process.stdin.flush()

    def run(self, *cases, store=None, vox="0.1.0", **more):
        """Ask for a group of stub cases; returns its key."""
        cases = [{"id": f"{at}:{what}", "dir": None, "input": {}} for at, what in enumerate(cases)]
        name = hashlib.sha256(json.dumps([cases, more.pop("salt", "")]).encode()).hexdigest()
        group = {"format": 1, "group": name, "attempt": 0, "vox": vox, "store": store, "cases": cases}
        self.ask(op="run", group=group, key=f"vox-{name}", **{"needs": {}, "near": [], **more})
        return f"vox-{name}"

    def wait(self, key, *events, seconds=20.0):
        """Wait for an event of a key; returns it."""
        seen = 0
        end = time.monotonic() + seconds
        while True:
            for told in self.told[seen:]:
                if told.get("key") == key and told["event"] in events:
                    return told
            seen = len(self.told)
            left = end - time.monotonic()
            assert left > 0, f"no {events} of {key}: {self.told}"
            try:
                told = self._lines.get(timeout=left)
            except queue.Empty:
                continue
            assert told is not None, f"the engine ended: {self.told}"
            self.told.append(told)

    def slots(self):
        """The slots that were told last."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.told.append(self._lines.get_nowait())
        return next((told["count"] for told in reversed(self.told) if told["event"] == "slots"), None)

    def end(self, key, **wait):
        return self.wait(key, "exit", "lost", "refused", **wait)

    def events(self, key):
        return [told for told in self.told if told.get("key") == key]

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


@pytest.fixture
def driver():
    drivers = []

    def make(*arguments, **more):
        drivers.append(Driver(*arguments, **more))
        return drivers[-1]

    yield make
    for one in drivers:
        one.close()
