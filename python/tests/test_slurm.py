"""Workers of Dask that a real Slurm of this machine begins, by dask-jobqueue."""

from __future__ import annotations

import subprocess

import pytest
from conftest import HERE, wait_until
from hosts import Grid

jobqueue = pytest.importorskip("dask_jobqueue")

SLURM = HERE.parent.parent / "scripts" / "slurm-here"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    words = ["bash", SLURM, tmp_path / "slurm"]
    begun = subprocess.run(words, capture_output=True, text=True)
    if begun.returncode == 77:
        pytest.skip(begun.stderr.strip())
    assert begun.returncode == 0, begun.stderr
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm" / "slurm.conf"))
    yield
    subprocess.run([*words, "--stop"], check=True)


def jobs():
    return subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_job_that_is_cancelled_changes_no_result(slurm, vox_binary, tmp_path, monkeypatch):
    root = tmp_path / "grid"
    root.mkdir()
    monkeypatch.chdir(root)
    grid = Grid(root, vox_binary, count=0)
    try:
        cohort = grid.cohort()
        local = grid.local(cohort)
        cluster = jobqueue.SLURMCluster(
            cores=1,
            processes=1,
            memory="1GB",
            walltime="00:10:00",
            queue="short",
            scheduler_options={"dashboard_address": None, "host": "127.0.0.1"},
            job_script_prologue=[f"export VOX_BINARY={grid.wrapper} FAULTS={grid.faults} VOX_TEST_HOST=slurm"],
        )
        with cluster:
            cluster.scale(2)
            run = grid.run(cohort, "--group", "1", name="far", scheduler=cluster.scheduler_address)
            run.wait(2, 90)
            wait_until(lambda: len(cluster.scheduler.workers) == 2, 60)
            job = next(iter(cluster.workers.values())).job_id
            subprocess.run(["scancel", job], check=True)
            assert run.end().code == 0, run.words
            wait_until(lambda: not grid.processes(), 1)
        assert (run.said, run.table, run.saved) == (local.said, local.table, local.saved), run.words
        assert run.receipts == local.receipts
        assert run.verify().returncode == 0
        wait_until(lambda: not jobs(), 20)
    finally:
        grid.close()
