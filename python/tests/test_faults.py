"""Faults on a cluster: real processes of Dask and of the program, one fault each, and always the same result."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import alive, children, wait_until

pytest.importorskip("distributed")

from hosts import HAS_NAMESPACES, Grid, may


@pytest.fixture(scope="module")
def grid(vox_binary, tmp_path_factory):
    said = subprocess.run([vox_binary, "run", "--help"], capture_output=True, text=True, check=True)
    if "--engine" not in said.stdout:
        pytest.skip("this vox has no --engine")
    grid = Grid(tmp_path_factory.mktemp("grid"), vox_binary)
    yield grid
    grid.close()


@pytest.fixture(scope="module")
def cohort(grid):
    return grid.cohort()


@pytest.fixture(scope="module")
def local(grid, cohort):
    return grid.local(cohort)


@pytest.fixture
def whole(grid):
    """The cluster with everything there."""
    grid.forget()
    grid.mend()
    return grid


names = iter(range(1000))


def name():
    return f"far{next(names)}"


def nothing_is_left(grid, seconds=1.0):
    wait_until(lambda: not grid.processes(), seconds)


def is_local(run, local):
    """The one check after each fault: nobody can tell from what is there that it happened."""
    nothing_is_left(run.grid)
    assert run.said == local.said, run.words
    assert run.table == local.table
    assert run.saved == local.saved
    assert run.receipts == local.receipts
    verified = run.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr


def kill_worker(host):
    os.kill(host.worker, signal.SIGKILL)


def end_worker(host):
    os.kill(host.worker, signal.SIGTERM)


def end_nanny(host):
    os.kill(host.nanny, signal.SIGTERM)


def kill_nanny(host):
    os.kill(host.nanny, signal.SIGKILL)


def kill_host(host):
    host.signal(signal.SIGKILL)


def kill_child(host):
    for pid in host.groups:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("fault", [kill_worker, end_worker, end_nanny, kill_nanny, kill_host, kill_child])
def test_what_is_killed_changes_no_result(whole, cohort, local, fault):
    run = whole.run(cohort, name=name())
    run.wait(1)
    host = next(host for host in whole.hosts.values() if host.is_busy())
    fault(host)
    assert run.process.poll() is None, "it came too late to be one"
    assert run.end().code == 0, run.words
    is_local(run, local)


def test_a_host_that_hangs_is_left_behind(whole, cohort, local):
    run = whole.run(cohort, "--group", "1", name=name())
    run.wait(4)
    host = whole.hosts["h1"]
    wait_until(host.is_busy, 20)
    host.signal(signal.SIGSTOP)
    try:
        # Dask itself would wait for five minutes.
        assert run.end(60).code == 0, run.words
    finally:
        host.signal(signal.SIGCONT)
    is_local(run, local)


def test_the_scheduler_may_die(whole, cohort, local):
    run = whole.run(cohort, name=name())
    run.wait(1)
    whole.scheduler.kill()
    whole.scheduler.wait()
    for host in whole.hosts.values():
        wait_until(lambda host=host: not host.is_busy(), 10)
        host.kill()
    whole.mend()
    assert run.end().code == 0, run.words
    is_local(run, local)


def test_the_run_may_die(whole, cohort, local):
    first = whole.run(cohort, name=name())
    first.wait(2)
    engine = children(first.process.pid)
    first.process.kill()
    wait_until(lambda: not any(alive(pid) for pid in engine), 5)
    nothing_is_left(whole, 2)
    told = first.done()
    run = whole.run(cohort, "--json", name=first.name).end()
    assert run.code == 0, run.words
    cases = json.loads(run.said)["cases"]
    hits = [case["case"] for case in cases if case["counts"]["computed"] == 0]
    assert len(hits) >= told, "what was told is in the store"
    again = whole.run(cohort, name=first.name).end()
    is_local(again, local)


def test_ctrl_c_leaves_nothing(whole, cohort, local):
    run = whole.run(cohort, name=name())
    run.wait(1)
    wait_until(whole.processes)
    run.process.send_signal(signal.SIGINT)
    nothing_is_left(whole, 2)
    assert run.end(5).code == 130
    again = whole.run(cohort, name=run.name).end()
    assert again.code == 0, again.words
    is_local(again, local)


def test_a_case_that_aborts_is_named_and_the_rest_finish(whole, cohort, local):
    (whole.faults / "poison").write_text("c05")
    run = whole.run(cohort, "--group", "4", name=name()).end()
    nothing_is_left(whole)
    assert run.code == 1
    assert "case c05 failed" in run.words
    assert "lost" in run.words
    assert "aborted" in run.words
    assert sum(line.startswith("vox: case ") for line in run.words.splitlines()) == 1
    kept = [line for line in local.said.splitlines() if not line.startswith("c05\t")]
    assert [line for line in run.said.splitlines() if not line.startswith("c05\t")] == kept
    assert {path: data for path, data in local.saved.items() if not path.startswith("c05")} == run.saved
    (whole.faults / "poison").unlink()
    again = whole.run(cohort, name=run.name).end()
    assert again.code == 0, again.words
    is_local(again, local)


def test_a_refused_case_is_a_result(whole):
    cohort = whole.cohort(5, zero=[2])
    local = whole.local(cohort)
    assert local.code == 1
    run = whole.run(cohort, "--group", "1", name=name()).end()
    assert run.code == 1, run.words
    assert len(whole.starts()) == 5, "nothing is tried again"
    is_local(run, local)


def test_a_late_worker_is_soon_busy(whole, cohort, local):
    for host in whole.hosts.values():
        host.kill()
    wait_until(lambda: whole.workers() == [], 20)
    run = whole.run(cohort, "--group", "1", name=name())
    time.sleep(2)
    whole.host("h0")
    wait_until(lambda: whole.workers() == ["h0"], 30)
    there = time.time()
    wait_until(whole.starts, 20)
    assert whole.starts()[0][0] - there < 5
    whole.host("h1")
    assert run.end().code == 0, run.words
    assert {host for _, host in whole.starts()} == {"h0", "h1"}
    is_local(run, local)


def test_nobody_has_a_gpu(whole, cohort):
    run = whole.run(cohort, "--needs", "GPU=1", name=name()).end(30)
    assert time.monotonic() - run.began < 10
    assert run.code != 0
    assert "GPU=1" in run.words
    assert "dask worker" in run.words
    assert whole.starts() == []


def test_the_host_with_a_gpu_is_found(whole, cohort, local):
    whole.host("gpu", "--resources", "GPU=1")
    wait_until(lambda: "gpu" in whole.workers(), 30)
    run = whole.run(cohort, "--needs", "GPU=1", name=name()).end()
    assert run.code == 0, run.words
    assert {host for _, host in whole.starts()} == {"gpu"}
    is_local(run, local)


def test_another_version_is_refused_before_the_first_case(whole, cohort):
    (whole.faults / "version-h2").write_text("vox 0.0.9\n")
    run = whole.run(cohort, name=name()).end(30)
    assert run.code == 5, run.words
    assert "0.0.9" in run.words
    assert ("h2" if HAS_NAMESPACES else os.uname().nodename) in run.words
    assert whole.starts() == []


@pytest.mark.skipif(not HAS_NAMESPACES, reason="the system does not let a host have folders of its own")
def test_another_store_is_refused_before_the_first_case(whole, cohort):
    run_name = name()
    store = whole.shared / f"{cohort.name}-{run_name}"
    other = whole.root / "other"
    for path in (store, other):
        words = [whole.binary, "run", whole.program('print "a" 1'), "--store", path]
        subprocess.run(words, env=whole.environment, check=True, capture_output=True)
    host = whole.hosts["h3"]
    enter = ["nsenter", "--target", str(host.nanny), "--mount", "mount", "--bind", other, store]
    if not shutil.which("nsenter") or subprocess.run(enter, capture_output=True).returncode:
        pytest.skip("the system does not let a host have folders of its own")
    run = whole.run(cohort, name=run_name).end(30)
    host.kill()
    assert run.code == 5, run.words
    assert "h3" in run.words
    assert whole.starts() == []


def test_two_users_run_each_group_once(whole, cohort, local):
    def waiters(dask_scheduler):
        return [len(task.who_wants) for task in dask_scheduler.tasks.values()]

    (whole.faults / "gate").touch()
    one = whole.run(cohort, "--group", "2", name=name())
    wait_until(lambda: whole.starts(), 30)
    two = whole.run(cohort, "--group", "2", name=name(), store=one.store)
    wait_until(lambda: whole.ask(waiters) == [2] * 7, 30)
    (whole.faults / "gate").unlink()
    assert one.end().code == two.end().code == 0, one.words + two.words
    assert len(whole.starts()) == 7
    is_local(one, local)
    assert two.said == local.said


def test_a_case_that_needs_too_much_memory_fails_alone(whole):
    cohort = whole.cohort(4, program='load f = "f.mha"\nprint "v" volume(f >. 0.5)')
    local = whole.local(cohort)
    (cohort / "c99").mkdir()
    with open(cohort / "c99" / "f.mha", "wb") as file:
        size = 640
        file.write(b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n")
        file.write(b"DimSize = %d %d %d\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n" % (size, size, size))
        file.truncate(file.tell() + size**3)
    (whole.faults / "limit").write_text("300000")
    run = whole.run(cohort, "--group", "1", "--memory", "64M", name=name()).end()
    nothing_is_left(whole)
    assert run.code == 1, run.words
    assert run.said == local.said
    assert "case c99 failed" in run.words
    assert "memory" in run.words
    assert "goes out again" not in run.words, "it would need as much elsewhere"
    assert local.receipts <= run.receipts
    assert run.verify().returncode == 0


@pytest.mark.parametrize("kib", [16, 400])
def test_a_host_whose_disk_is_full_is_left_out(whole, cohort, local, tmp_path, kib):
    if not (
        whole.is_mounted and HAS_NAMESPACES and may("unshare", "--mount", "mount", "-t", "tmpfs", "none", tmp_path)
    ):
        pytest.skip("the system does not let a host have a disk of its own")
    whole.hosts.pop("h0").kill()
    state = whole.root / "state" / "full"
    whole.host("full", prepare=f"mount -t tmpfs -o size={kib}k,mode=0755 none {state}")
    wait_until(lambda: "full" in whole.workers(), 30)
    wait_until(lambda: "h0" not in whole.workers(), 30)
    run = whole.run(cohort, "--group", "1", name=name()).end()
    assert run.code == 0, run.words
    assert "full" in {host for _, host in whole.starts()}
    is_local(run, local)
