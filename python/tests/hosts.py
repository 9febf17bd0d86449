"""Hosts of a cluster for tests of faults: each has a name, a state directory and processes of its own.

Where the system lets us, a host is a namespace of processes with a name, so that killing its first one ends all at
once, and the store lies on a network file system (as the program sees it): a loop through FUSE by `bindfs`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from conftest import HERE, alive, children, free_port, wait_until

import vox

PROGRAM = """\
load f = "f.mha"
let bright = f >. 0.97
let alike(r) = crossCorrelation(r, f, f, f >. 0.2, min(f), max(f), 40)
print "name" "$case at $level"
print "bright" volume(bright)
print "mean" avg(f, bright)
print "alike2" volume(alike(2) >. $level)
print "alike3" volume(alike(3) >. $level)
print "alike4" volume(alike(4) >. $level)
save "alike.nii.gz" alike(2) >. $level
"""
"""Some tenths of a second a case: nodes of different cost, of which the last takes half."""

# What workers run. Files in $FAULTS say what goes wrong: `gate` (nobody begins), `poison` (which case aborts
# its process), `version-HOST` (what it claims to be), `limit` (KiB of data). Every start is written down.
WRAPPER = """\
#!/bin/sh
if [ "$1" = --version ] && [ -e "$FAULTS/version-$VOX_TEST_HOST" ]; then exec cat "$FAULTS/version-$VOX_TEST_HOST"; fi
if [ "$1" != worker ]; then exec {binary} "$@"; fi
echo "$(date +%s.%N) $VOX_TEST_HOST $(sed -n 's/^NSpid:[[:space:]]*//p' /proc/self/status)" >> "$FAULTS/starts"
while [ -e "$FAULTS/gate" ]; do sleep 0.05; done
if [ -e "$FAULTS/limit" ]; then ulimit -d "$(cat "$FAULTS/limit")"; fi
if [ -e "$FAULTS/poison" ]; then exec {python} -S {poison} {binary} "$(cat "$FAULTS/poison")"; fi
exec {binary} "$@"
"""

# Does what comes before the poisoned case, and dies there.
POISON = """\
import json, os, subprocess, sys
data = b""
while not data.endswith(b"\\n"):
    data += os.read(0, 65536)
group = json.loads(data)
names = [case["id"] for case in group["cases"]]
is_deadly = sys.argv[2] in names
if is_deadly:
    group["cases"] = group["cases"][: names.index(sys.argv[2])]
child = subprocess.Popen([sys.argv[1], "worker", "--group", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(json.dumps(group).encode() + b"\\n")
child.stdin.flush()
for line in child.stdout:
    if not (is_deadly and b'"event":"end"' in line):
        os.write(1, line)
code = child.wait()
if is_deadly:
    os.abort()
os._exit(code)
"""


def may(*words):
    """Say whether the system lets us."""
    return shutil.which(words[0]) is not None and subprocess.run(words, capture_output=True).returncode == 0


NAMESPACES = ["unshare", "--pid", "--mount-proc", "--uts", "--fork", "--kill-child"]
HAS_NAMESPACES = may(*NAMESPACES, "true")


class Host:
    """A nanny, its worker, and what they begin."""

    def __init__(self, grid, name, *options, prepare=":", **environment):
        self.grid, self.name = grid, name
        self.state = grid.root / "state" / name
        self.state.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "distributed.cli.dask_worker", grid.address, "--nanny", "--nthreads", "1"]
        words += [
            "--name",
            name,
            "--memory-limit",
            "0",
            "--no-dashboard",
            "--local-directory",
            str(grid.root),
            *options,
        ]
        if HAS_NAMESPACES:
            # The first process of a namespace is its life: not the nanny, which may be killed alone.
            script = f'hostname "$0"; {prepare}; "$@"; exit "$?"'
            words = [*NAMESPACES, "sh", "-c", script, name, *words]
        environment = {"VOX_TEST_HOST": name, "XDG_STATE_HOME": str(self.state), **environment}
        self.process = grid.start(f"host-{name}", words, start_new_session=True, **environment)

    @property
    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def find(self, *parts):
        """The processes whose command lines have these parts."""
        found = []
        for pid in self.pids:
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if all(part in words for part in parts) and not words.startswith(("unshare", "sh -c")):
                    found.append(pid)
        return found

    @property
    def nanny(self):
        return self.find("distributed.cli.dask_worker")[0]

    @property
    def worker(self):
        return self.find("multiprocessing.spawn", "spawn_main")[0]

    @property
    def groups(self):
        return self.find("worker --group")

    def is_busy(self):
        return bool(self.groups)

    def signal(self, number):
        """Send a signal to all of it at once, or as good as."""
        if number == signal.SIGKILL and HAS_NAMESPACES:
            self.process.kill()
            return
        # The nanny first: it would begin its worker anew.
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def is_up(self):
        return self.process.poll() is None


class Grid:
    """A scheduler, hosts, a cohort, and a store that all of them see."""

    def __init__(self, root, binary, count=4):
        self.root = root
        self.count = count
        # A file of its own, so that the processes of this test can be told from others.
        self.binary = root / "vox"
        try:
            os.link(binary, self.binary)
        except OSError:
            shutil.copy(binary, self.binary)
        self.binary = self.binary.resolve()
        (root / "poison.py").write_text(POISON)
        self.wrapper = root / "wrapper"
        self.wrapper.write_text(
            WRAPPER.format(binary=self.binary, python=sys.executable, poison=root / "poison.py"),
        )
        self.wrapper.chmod(0o700)
        self.faults = root / "faults"
        self.faults.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("VOX_", "XDG_"))},
            "VOX_BINARY": str(self.wrapper),
            "FAULTS": str(self.faults),
            "PYTHONPATH": "",
            "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False",
            "DASK_DISTRIBUTED__DIAGNOSTICS__CUDF": "False",
        }
        self.shared, self.is_mounted = root / "shared", False
        self._mount()
        self.hosts = {}
        self.others = []
        self.at = 0
        self.port = free_port()
        self.scheduler = None
        if count:
            self.start_scheduler()

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.port}"

    def _mount(self):
        self.shared.mkdir()
        (self.root / "disk").mkdir()
        if may("bindfs", self.root / "disk", self.shared):
            self.is_mounted = True

    def start(self, name, words, start_new_session=False, **environment):
        with open(self.root / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                [str(word) for word in words],
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.root,
                start_new_session=start_new_session,
            )

    def start_scheduler(self):
        words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", self.port]
        self.scheduler = self.start("scheduler", [*words, "--no-dashboard", "--no-show"])

    def host(self, name, *options, **more):
        self.hosts[name] = Host(self, name, *options, **more)
        return self.hosts[name]

    def forget(self):
        """End what a test that failed has left."""
        for process in self.others:
            process.kill()
            process.wait()
        self.others.clear()

    def mend(self):
        """Start what is not there, end what is too much, and wait until the scheduler has it so."""
        for path in self.faults.iterdir():
            path.unlink()
        if self.scheduler.poll() is not None:
            self.start_scheduler()
        wanted = [f"h{at}" for at in range(self.count)]
        for name in [name for name in self.hosts if name not in wanted]:
            self.hosts.pop(name).kill()

        def is_whole():
            for name in wanted:
                # One that was asked to end may take a while to be gone.
                if name not in self.hosts or not self.hosts[name].is_up():
                    self.host(name)
            return sorted(self.workers()) == wanted

        wait_until(is_whole, 60)

    def ask(self, function):
        """What a function of the scheduler gives."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=30) as client:
            return client.run_on_scheduler(function)

    def workers(self):
        def names(dask_scheduler):
            return [str(worker.name) for worker in dask_scheduler.workers.values()]

        return self.ask(names)

    def starts(self):
        """What began so far: (when, on which host)."""
        path = self.faults / "starts"
        lines = path.read_text().split("\n") if path.exists() else []
        return [(float(line.split()[0]), line.split()[1]) for line in lines if line]

    def processes(self):
        """All processes of the program, wherever they are."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(path / "exe").startswith(str(self.binary)) and alive(int(path.name)):
                    found.append(int(path.name))
        return found

    def cohort(self, count=14, zero=(), cost=(56, 56, 32), program=PROGRAM):
        """Write a cohort and its program; cases in `zero` are of nothing but zeros."""
        self.at += 1
        folder = self.root / f"cohort-{self.at}"
        rng = np.random.default_rng(self.at)
        for at in range(count):
            case = folder / f"c{at:02}"
            case.mkdir(parents=True)
            voxels = np.zeros(cost) if at in zero else rng.random(cost)
            vox.Image.of(voxels.astype("f4")).write_mha(case / "f.mha")
        (folder.parent / f"{folder.name}.imgql").write_text(program)
        return folder

    def program(self, text):
        """Write a program; returns its path."""
        path = self.root / "program.imgql"
        path.write_text(text)
        return path

    def words(self, folder, name, store, *options):
        out = self.root / f"out-{folder.name}-{name}"
        words = [self.binary, "run", f"{folder}.imgql", "--cases", folder, "--store", store]
        words += ["--set", "level=0.3"] if "$level" in Path(f"{folder}.imgql").read_text() else []
        return [*words, "-o", out, "--table", f"{out}.csv", *options]

    def local(self, folder):
        """What a run on this machine gives."""
        return Run(self, folder, "local").end()

    def run(self, folder, *options, name, scheduler=None, **more):
        """Begin a run on the cluster, into a store of that name."""
        words = ["--engine", "dask", "--scheduler", scheduler or self.address]
        return Run(self, folder, name, *words, *options, **more)

    def close(self):
        for host in self.hosts.values():
            host.kill()
        for process in filter(None, [self.scheduler, *self.others]):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.is_mounted:
            unmount = ["fusermount3", "-uz"] if shutil.which("fusermount3") else ["fusermount", "-uz"]
            subprocess.run([*unmount, self.shared], check=False)


class Run:
    """A run of the program, and what it leaves."""

    def __init__(self, grid, folder, name, *options, store=None, **environment):
        self.grid, self.folder, self.name = grid, folder, name
        self.store = store or grid.shared / f"{folder.name}-{name}"
        self.out = grid.root / f"out-{folder.name}-{name}"
        state = grid.root / "state" / f"driver-{name}"
        state.mkdir(parents=True, exist_ok=True)
        environment = {
            "XDG_STATE_HOME": str(state),
            "VOX_PYTHON": sys.executable,
            "PYTHONPATH": str(HERE.parent),
            **environment,
        }
        self.began = time.monotonic()
        self._said = open(grid.root / f"said-{folder.name}-{name}", "w+b")  # noqa: SIM115
        self._words = open(grid.root / f"words-{folder.name}-{name}", "w+b")  # noqa: SIM115
        self.process = subprocess.Popen(
            [str(word) for word in grid.words(folder, name, self.store, *options)],
            env={**grid.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._words,
            cwd=grid.root,
        )
        grid.others.append(self.process)

    def end(self, seconds=120):
        """Wait for its end; returns itself."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it does not end: {self.words}") from None
        return self

    @property
    def code(self):
        return self.process.wait()

    def _text(self, file):
        file.seek(0)
        return file.read().decode()

    @property
    def said(self):
        return self._text(self._said)

    @property
    def words(self):
        return self._text(self._words)

    def done(self):
        """How many cases were told already."""
        return len({line.split("\t")[0] for line in self.said.splitlines()})

    def wait(self, count=1, seconds=60):
        """Wait until so many cases are told."""

        def is_so():
            assert self.process.poll() is None or self.done() >= count, self.words
            return self.done() >= count

        wait_until(is_so, seconds)

    @property
    def table(self):
        return Path(f"{self.out}.csv").read_text()

    @property
    def saved(self):
        files = {path for path in self.out.rglob("*") if path.is_file()}
        return {str(path.relative_to(self.out)): path.read_bytes() for path in files}

    @property
    def receipts(self):
        """All receipts of its store, whoever wrote them: they tell what was computed, and neither where nor when."""
        log = vox.Store(self.store)._log
        log._scan()
        return {repr(plain(run.receipt)) for runs in log._runs.values() for run in runs}

    @property
    def goals(self):
        """The objects of its store."""
        return set(vox.Store(self.store).objects())

    def verify(self):
        words = [self.grid.binary, "verify", "--store", self.store]
        environment = {**self.grid.environment, "XDG_STATE_HOME": str(self.grid.root / "state" / "verify")}
        return subprocess.run(words, capture_output=True, text=True, env=environment)


def plain(item):
    if isinstance(item, (bytes, memoryview)):
        return bytes(item).hex()
    if isinstance(item, list):
        return [plain(part) for part in item]
    if isinstance(item, dict):
        return sorted((name, plain(value)) for name, value in item.items())
    return item
