"""Cohorts by a client that is there already; the program itself, on workers of this host."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, alive, children, wait_until

pytest.importorskip("distributed")

import vox
import vox.distributed


@pytest.fixture(scope="module")
def far(vox_binary):
    """Skip where the program has no engines."""
    said = subprocess.run([vox_binary, "run", "--help"], capture_output=True, text=True, check=True)
    if "--engine" not in said.stdout:
        pytest.skip("this vox has no --engine")


@pytest.fixture(scope="module")
def client():
    from distributed import Client

    with Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        yield client


def receipts(store):
    """The receipts of a store, which do not depend on who computed them."""
    log = vox.Store(store)._log
    log._scan()
    return {
        (node.hex(), run.receipt["st"], bytes(run.receipt.get("out", b"")).hex())
        for node, runs in log._runs.items()
        for run in runs
    }


def test_a_cohort_is_that_of_a_local_run(far, client, heads, tmp_path):
    program, cases = heads / "lesion.imgql", heads / "cases"
    told = []
    by_client = vox.distributed.run(client, program, cases, store=tmp_path / "far", on_case=told.append)
    local = vox.run(program, cases=cases, store=tmp_path / "local")
    assert [result.printed for result in by_client.values()] == [result.printed for result in local.values()]
    assert {result.case for result in told} == set(by_client)
    assert told[0].printed == by_client[told[0].case].printed
    assert by_client["case-1"]["lesion.nii.gz"] == local["case-1"]["lesion.nii.gz"]
    assert receipts(tmp_path / "far") == receipts(tmp_path / "local")
    again = vox.distributed.run(client, program, cases, store=tmp_path / "far")
    assert again.counts.computed == 0


def test_the_dask_engine_is_a_local_run_too(far, cluster, heads, tmp_path, vox_binary):
    there = cluster(VOX_BINARY=vox_binary)
    there.worker()
    words = [vox_binary, "run", heads / "lesion.imgql", "--cases", heads / "cases", "--no-save"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "VOX_PYTHON": sys.executable}
    more = ["--engine", "dask", "--scheduler", there.address, "--store", tmp_path / "far"]
    by_dask = subprocess.run([*words, *more], capture_output=True, env=environment, check=True)
    local = subprocess.run([*words, "--store", tmp_path / "local"], capture_output=True, check=True)
    assert by_dask.stdout == local.stdout
    assert receipts(tmp_path / "far") == receipts(tmp_path / "local")


PROGRAM = 'load f = "f.mha"\n' + "\n".join(
    f'print "v{at}" volume(distgeq({at % 5}.5, f >. {0.99 - at / 200}) <. 3)' for at in range(40)
)


def heads_of_noise(count):
    rng = np.random.default_rng(8)
    return {f"n{at}": {"f": vox.Image.of(rng.random((96, 96, 48)).astype("f4"))} for at in range(count)}


def test_ctrl_c_leaves_no_process(far, tmp_path, vox_binary):
    cases = tmp_path / "cases"
    for name, inputs in heads_of_noise(4).items():
        (cases / name).mkdir(parents=True)
        inputs["f"].write_mha(cases / name / "f.mha")
    program = tmp_path / "program.imgql"
    program.write_text(PROGRAM.replace("range(40)", "range(400)"))
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "VOX_PYTHON": sys.executable}
    words = [vox_binary, "run", program, "--cases", cases, "--in", "f=f.mha", "--store", tmp_path / "store", "--events"]
    process = subprocess.Popen(
        [*words, "--engine", "dask", "--scheduler", "local"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )

    def at_work():
        pids = children(process.pid)
        return any(b"worker\0--group" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if alive(pid))

    wait_until(at_work, 30)
    pids = children(process.pid)
    process.send_signal(signal.SIGINT)
    process.wait(10)
    wait_until(lambda: not any(alive(pid) for pid in pids), 2)
    assert process.returncode == 130


def test_a_case_is_one_future_and_one_task(client, heads, tmp_path):
    folder = heads / "cases" / "case-1"
    case = {"flair": folder / "case-1_flair.nii.gz", "seg": folder / "case-1_seg.nii.gz"}
    local = vox.run(heads / "lesion.imgql", case, store=tmp_path / "store")
    one = vox.distributed.submit(client, heads / "lesion.imgql", case, store=tmp_path / "store")
    two = vox.distributed.submit(client, heads / "lesion.imgql", case, store=tmp_path / "store")
    other = vox.distributed.submit(
        client, heads / "lesion.imgql", case, settings={"hot": 0.9}, store=tmp_path / "store"
    )
    assert one.key == two.key != other.key
    found = one.result(timeout=60)
    assert found["values"] == local.printed
    assert found["counts"]["computed"] == 0
    assert vox.load(found["nodes"]["lesion.nii.gz"], tmp_path / "store") == local["lesion.nii.gz"]
    text = 'load f = "f.nii.gz"\nprint "max" max(f)'
    by_text = vox.distributed.submit(client, text, {"f": case["flair"]}, store=tmp_path / "store")
    assert by_text.result(timeout=60)["values"]["max"] > 0
    wrong = vox.distributed.submit(client, 'print "a" volum(3)', {}, store=tmp_path / "store")
    with pytest.raises(RuntimeError, match="volum"):
        wrong.result(timeout=60)
    with pytest.raises(TypeError, match="path"):
        vox.distributed.submit(client, text, {"f": local["lesion.nii.gz"]}, store=tmp_path / "store")


def test_a_cancelled_case_frees_its_worker(client, heads, tmp_path):
    image = heads / "cases" / "case-1" / "case-1_flair.nii.gz"
    lines = [f'print "v{at}" volume(distgeq({at}.5, intensity(f) >. {at}) <. 3)' for at in range(500)]
    text = 'load f = "f.nii.gz"\n' + "\n".join(lines)
    futures = [
        vox.distributed.submit(client, text, {"f": image}, settings=None, store=tmp_path / str(at)) for at in (1, 2)
    ]
    wait_until(lambda: any(client.processing().values()))
    client.cancel(futures)
    assert client.submit(lambda: 3, pure=False).result(timeout=10) == 3


def test_the_example_runs(far, tmp_path):
    script = HERE.parent.parent / "examples" / "cohort.py"
    shutil.copy(script, tmp_path)
    said = subprocess.run(
        [sys.executable, tmp_path / "cohort.py", tmp_path, "--dask"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    assert said.returncode == 0, said.stderr
    assert "dice 0.9609" in said.stdout
    assert "E0201" in said.stdout
    assert said.stdout.count("done:") == 3
