"""Runs of the program: values, images, mistakes, cohorts, and what is left when it is stopped."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import alive, wait_until

import vox
from vox import store as stores


@pytest.fixture
def store(vox_binary, tmp_path):
    return tmp_path / "store"


@pytest.fixture
def one(heads):
    folder = heads / "cases" / "case-1"
    return {"flair": folder / "case-1_flair.nii.gz", "seg": folder / "case-1_seg.nii.gz"}


TEXT = """
load f = "f.nii.gz"
print "max" max(f)
print "inf" max(f) ./. 0
print "nan" 0 ./. 0
print "list" range(0, 3)
print "truth" max(f) .>. 3
save "bright.nii.gz" intensity(f) >. 100
save "same.mha" intensity(f)
save "list.json" range(0, 3)
"""


def test_goals_are_python_values(heads, one, store):
    nibabel = pytest.importorskip("nibabel")
    found = vox.run(TEXT, {"f": one["flair"]}, store=store)
    voxels = np.asarray(nibabel.load(one["flair"]).dataobj)
    assert found["max"] == voxels.max()
    assert found["inf"] == math.inf
    assert math.isnan(found["nan"])
    assert found["list"] == found["list.json"] == [0.0, 1.0, 2.0]
    assert found["truth"] is True
    np.testing.assert_array_equal(found["bright.nii.gz"].array, voxels > 100)
    np.testing.assert_array_equal(found["same.mha"].array, voxels)
    assert found["same.mha"].kind == "f32"
    assert not found.errors
    assert not list(heads.glob("**/bright.nii.gz")), "nothing is written without output="
    again = vox.run(TEXT, {"f": one["flair"]}, store=store)
    assert again.counts.computed == again.counts.redone == 0
    assert again["bright.nii.gz"] == found["bright.nii.gz"]


def test_an_image_in_memory_is_an_input(one):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.ReadImage(str(one["flair"]))
    text = 'load f = "f.mha"\nsave "f.nii.gz" f'
    for value in (image, vox.Image.from_sitk(image)):
        found = vox.run(text, {"f": value}, store=False)["f.nii.gz"]
        np.testing.assert_array_equal(found.array, sitk.GetArrayFromImage(image).T)
        assert found.spacing == image.GetSpacing()


def test_settings_change_what_they_name(heads, one, store):
    program = heads / "lesion.imgql"
    plain = vox.run(program, one, store=store)
    other = vox.run(program, one, {"hot": 0.9, "warm": 0.86}, store=store)
    assert plain["dice_core"] != other["dice_core"]
    assert other.counts.reused > 0


def test_files_are_written_where_they_are_wanted(heads, one, store, tmp_path):
    found = vox.run(str(heads / "lesion.imgql"), one, store=store, output=tmp_path / "out")
    goal = next(goal for goal in found.goals if goal.label == "lesion.nii.gz")
    nibabel = pytest.importorskip("nibabel")
    written = nibabel.load(goal.path)
    np.testing.assert_array_equal(np.asarray(written.dataobj) > 0, found["lesion.nii.gz"].array)
    np.testing.assert_allclose(written.affine, found["lesion.nii.gz"].nibabel().affine)


def test_mistakes_are_exceptions_with_codes_and_places(store):
    text = 'print "é" volum(3) + frob(4)'
    with pytest.raises(vox.ProgramError) as caught:
        vox.run(text, store=store)
    mistakes = caught.value.mistakes
    assert [mistake.code for mistake in mistakes] == ["E0201", "E0201"]
    assert caught.value.code == "E0201"
    start, end = mistakes[0].places[0].bytes
    assert text.encode()[start:end].startswith(b"volum")
    assert mistakes[0].places[0].start == (1, 11)
    assert "volume" in mistakes[0].help
    assert [mistake.code for mistake in vox.check(text)] == ["E0201", "E0201"]
    assert vox.check('print "three" 3') == []
    with pytest.raises(vox.InputError, match=r"none\.nii"):
        vox.run('load f = "none.nii"\nprint "m" max(f)', store=store)
    with pytest.raises(vox.UsageError):
        vox.run('print "a" 3', {"no": "such"}, store=store, options=["--threads", "none"])


def test_a_refusal_is_an_error_of_its_goals(heads, store, tmp_path):
    cases = tmp_path / "cases"
    shutil.copytree(heads / "cases", cases)
    (cases / "case-2" / "case-2_flair.nii.gz").write_bytes(b"no image")
    cohort = vox.run(heads / "lesion.imgql", cases=cases, store=store)
    assert list(cohort.failed) == ["case-2"]
    with pytest.raises(vox.GoalError, match="dice"):
        cohort["case-2"]["dice"]
    table = pytest.importorskip("pyarrow") and cohort.table()
    assert table.column("case").to_pylist() == ["case-1", "case-2", "case-3"]
    assert table.column("dice").to_pylist()[1] is None
    assert table.column("dice").to_pylist()[0] == cohort["case-1"]["dice"]
    assert "case-2" in cohort._repr_html_()
    assert "⚠" in cohort._repr_html_()


def test_a_case_that_cannot_be_run_is_not_forgotten(heads, store, tmp_path):
    cases = tmp_path / "cases"
    shutil.copytree(heads / "cases", cases)
    (cases / "case-2" / "case-2_seg.nii.gz").unlink()
    told = vox.run('load s = "s.nii.gz"\nsave "s.nii.gz" s', {"s": cases / "case-1/case-1_seg.nii.gz"}, store=store)
    small = vox.Image.of(told["s.nii.gz"].array[:9]).nibabel()
    pytest.importorskip("nibabel").save(small, cases / "case-3" / "case-3_seg.nii.gz")
    cohort = vox.run(heads / "lesion.imgql", cases=cases, store=store)
    assert list(cohort) == ["case-1", "case-2", "case-3"]
    assert list(cohort.failed) == ["case-2", "case-3"]
    assert "`seg` is missing" in cohort.failed["case-2"][""]
    assert "E0250" in cohort["case-3"].problem
    with pytest.raises(vox.GoalError, match="missing"):
        cohort["case-2"]["dice"]
    assert [row.get("dice") for row in cohort.rows()][1:] == [None, None]
    assert "missing" in cohort._repr_html_()
    (cases / "case-1" / "case-1_seg.nii.gz").unlink()
    with pytest.raises(vox.ProgramError):
        vox.run('load f = "f.nii.gz"\nprint "a" volum(f)', {"f": "{case}_flair.nii.gz"}, cases=cases, store=store)


def test_a_cohort_of_named_inputs_is_that_of_its_folder(heads, store):
    pytest.importorskip("pyarrow")
    cases = {
        f"head-{at}": {
            "flair": heads / f"cases/case-{at}/case-{at}_flair.nii.gz",
            "seg": heads / f"cases/case-{at}/case-{at}_seg.nii.gz",
        }
        for at in (1, 2)
    }
    told = []
    by_folder = vox.table(store, heads / "lesion.imgql", cases=heads / "cases")
    cohort = vox.run(heads / "lesion.imgql", cases=cases, store=store, on_event=told.append)
    assert cohort.counts.computed == 0, "the same content is the same result"
    assert cohort.table().column("dice").to_pylist() == by_folder.column("dice").to_pylist()[:2]
    assert {event["case"] for event in told} == {"head-1", "head-2"}
    with pytest.raises(ValueError, match="name of a case"):
        vox.run(heads / "lesion.imgql", cases={"../a": {}}, store=store)


def test_values_are_loaded_by_node_and_by_digest(heads, one, store):
    found = vox.run(heads / "lesion.imgql", one, store=store)
    there = vox.Store(store)
    dice, lesion = found.goals[3], found.goals[5]
    receipt = there.receipt(dice.node)
    assert (receipt.op, receipt.version) == ("vox1.div", 1)
    assert vox.load(dice.node, store) == vox.load(receipt.out, store) == found["dice"]
    image = there.receipt(lesion.node).args[0].id
    blob = there.receipt(image).out
    assert vox.load(image, there) == vox.load(blob, there) == found["lesion.nii.gz"]
    assert dice.node in there
    assert blob in there
    assert "0" * 64 not in there
    assert blob in set(there.objects())
    with pytest.raises(vox.MissingError):
        vox.load("0" * 64, there)
    with pytest.raises(ValueError, match="no digest"):
        there.get("abc")


def test_the_log_is_read_with_and_without_an_index(heads, one, store, monkeypatch):
    found = vox.run(heads / "lesion.imgql", one, store=store)
    nodes = [goal.node for goal in found.goals]
    asked = vox.Store(store)
    with_index = [asked.receipt(node) for node in nodes]
    assert not asked._log._seen, "the index knew"
    shutil.rmtree(store / "local")
    (store / "vox-store.toml").unlink()
    assert [vox.Store(store).receipt(node) for node in nodes] == with_index


def test_damage_is_seen(heads, one, store):
    found = vox.run(heads / "lesion.imgql", one, store=store)
    there = vox.Store(store)
    image = there.receipt(found.goals[5].node).args[0].id
    blob = there.receipt(image).out
    path = store / "objects" / blob[:2] / blob[2:]
    data = bytearray(path.read_bytes())
    path.chmod(0o644)
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(vox.StoreError, match="damaged"):
        vox.load(blob, there).array  # noqa: B018
    path.unlink()
    with pytest.raises(vox.MissingError, match="removed"):
        there.value(image)


def test_a_conflict_is_settled_by_this_hosts_own_record(monkeypatch, tmp_path):
    from vox.log import Log, Run

    def run(writer, seq, out, settles=False):
        return Run(writer, seq, 0, settles, {"st": 0, "out": out, "node": b"n"})

    log = Log(tmp_path)
    monkeypatch.setattr(log, "_own", lambda: {"me"})
    for runs, stands in [
        ([run("you", 1, b"b"), run("me", 1, b"a")], b"a"),
        ([run("me", 1, b"a"), run("me", 2, b"b", True)], b"b"),
        ([run("you", 1, b"b"), run("you", 2, b"b")], b"b"),
    ]:
        log._runs = {b"n": runs}
        assert log.standing(b"n").receipt["out"] == stands
    log._runs = {b"n": [run("you", 1, b"a"), run("they", 1, b"b")]}
    with pytest.raises(vox.StoreError, match="differ"):
        log.standing(b"n")


def test_ctrl_c_ends_the_program(heads, store, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import vox, os\n"
        "def tell(event):\n"
        "    print(event['event'], flush=True)\n"
        "text = 'load f = \"f.nii.gz\"\\nn = 400\\n' + ''.join(\n"
        "    f'print \"v{i}\" volume(distgeq({i}.5, intensity(f) >. {i}) <. 3)\\n' for i in range(200))\n"
        f"image = {str(heads / 'cases/case-1/case-1_flair.nii.gz')!r}\n"
        f"vox.run(text, {{'f': image}}, store={str(store)!r}, on_event=tell)\n"
    )
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    assert process.stdout.readline()
    from conftest import children

    (child,) = children(process.pid)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=20)[1]
    wait_until(lambda: not alive(child), 5)
    assert process.returncode != 0, error


def test_the_program_ends_with_a_python_that_is_killed(heads, store, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import vox, sys\ndef tell(event): print(event, flush=True)\n"
            "vox.run(sys.stdin.read(), {'f': sys.argv[1]}, store=sys.argv[2], on_event=tell)",
            str(heads / "cases/case-1/case-1_flair.nii.gz"),
            str(store),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = [f'print "v{at}" volume(distgeq({at}.5, intensity(f) >. {at}) <. 3)' for at in range(200)]
    process.stdin.write('load f = "f.nii.gz"\n' + "\n".join(lines))
    process.stdin.close()
    assert process.stdout.readline()
    from conftest import children

    (child,) = children(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not alive(child), 6)


def test_the_binary_is_named_or_found(monkeypatch, tmp_path):
    from vox import binary

    monkeypatch.setenv("VOX_BINARY", str(tmp_path / "none"))
    with pytest.raises(vox.NoBinaryError):
        binary.find()
    monkeypatch.delenv("VOX_BINARY")
    there = tmp_path / "vox"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binary.sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    monkeypatch.setattr(binary.sys, "executable", str(tmp_path / "python" / "python3"))
    assert binary.find() == str(there)


def test_runs_may_go_on_in_threads(heads, one, store):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(vox.run(heads / "lesion.imgql", one, store=store)["dice"]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 3


def test_what_a_log_of_many_writers_holds_is_one_store(heads, one, tmp_path):
    """Copies of `objects/` merge, as rsync makes them."""
    first, second, both = tmp_path / "a", tmp_path / "b", tmp_path / "both"
    dice = vox.run(heads / "lesion.imgql", one, store=first)
    other = vox.run(heads / "lesion.imgql", one, {"hot": 0.9}, store=second)
    for source in (first, second):
        shutil.copytree(source / "objects", both / "objects", dirs_exist_ok=True)
    there = stores.Store(both)
    assert there.value(dice.goals[0].node) == dice["dice_core"]
    assert there.value(other.goals[0].node) == other["dice_core"]
