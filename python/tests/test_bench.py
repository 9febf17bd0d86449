"""The bench of a cluster runs; what it measures is for an idle machine to say."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import HERE

pytest.importorskip("distributed")


def test_it_measures_what_it_says(vox_binary, tmp_path):
    words = [HERE.parent.parent / "scripts" / "cluster-bench", "--vox", vox_binary, "--aims", "no", "--dir", tmp_path]
    sizes = ["--cases", "24", "--slots", "4", "--seconds", "0.02", "--rerun-cases", "8", "--pair-cases", "2"]
    said = subprocess.run(
        [sys.executable, *map(str, words), *sizes, "--pair-size", "24"],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    figures = {told["figure"]: told for told in map(json.loads, said.stdout.splitlines())}
    assert figures["overhead of a case"]["cases"] == 24
    assert figures["overhead of a case"]["wall_s"] > figures["overhead of a case"]["ideal_s"]
    assert 0 < figures["peak memory of the driver"]["value"] < 100
    assert figures["files that a rerun writes into the store"]["value"] == 0
    assert figures["two workers against --engine local"]["local_s"] > 0
    assert said.stderr.splitlines()[0].split() == ["figure", "value", "unit", "aim"]
