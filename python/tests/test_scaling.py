"""The model of docs/scaling.md: its paper and its simulation agree, and say what one expects."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model():
    loader = SourceFileLoader("scaling_model", str(ROOT / "scripts" / "scaling-model"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module
    loader.exec_module(module)
    module.k = {name: value for name, (value, _, _) in module.CONSTANTS.items()}
    return module


def test_the_same_seed_gives_the_same_figures(model):
    setup = model.Setup(cases=20_000, workers=50, seconds=1.0)
    once = model.simulate(setup, model.k, seed=7)
    assert once == model.simulate(setup, model.k, seed=7)
    assert once != model.simulate(setup, model.k, seed=8)


@pytest.mark.parametrize(("workers", "seconds"), [(20, 10.0), (200, 10.0), (200, 2.0)])
def test_where_nothing_is_scarce_the_simulation_is_the_paper(model, workers, seconds):
    setup = model.Setup(cases=100_000, workers=workers, seconds=seconds)
    rate, loads = model.paper(setup, model.k)
    assert max(loads.values()) < 0.5
    found, busy, behind = model.simulate(setup, model.k, rounds=60)
    assert found == pytest.approx(rate, rel=0.1)
    assert rate <= workers / seconds
    for part, load in loads.items():
        assert busy[part] == pytest.approx(load, rel=0.3, abs=0.01), part
    assert behind < 10


def test_what_is_scarce_on_paper_is_busy_in_the_simulation_and_holds_the_rest_up(model):
    setup = model.Setup(cases=1_000_000, workers=3000, seconds=10.0)
    rate, loads = model.paper(setup, model.k)
    scarce = max(loads, key=loads.get)
    assert loads[scarce] > 1
    found, busy, _ = model.simulate(setup, model.k)
    assert max(busy, key=busy.get) == scarce
    assert found < rate / loads[scarce] * 1.3
    assert model.limit(scarce, setup, model.k) < 3000


def test_more_work_a_case_saturates_with_fewer_workers(model):
    setup = model.Setup()
    for part, name in [
        ("scheduler", "task_ms"),
        ("driver", "hit_ms"),
        ("file server, changes", "file_us"),
        ("file server, lookups", "lookup_us"),
        ("file server, listings", "entry_bytes"),
    ]:
        limit = model.limit(part, setup, model.k)
        assert model.limit(part, setup, {**model.k, name: 2 * model.k[name]}) < limit
        # At the limit it has all that it can do.
        assert model.paper(replace(setup, workers=limit), model.k)[1][part] == pytest.approx(1, rel=0.05)


def test_stores_of_their_own_leave_the_file_server_to_the_inputs(model):
    loads = model.paper(model.Setup(own=True), model.k)[1]
    assert loads["file server, changes"] == loads["file server, listings"] == 0
    assert loads["file server, lookups"] > 0


def test_the_document_has_the_figures_of_the_script(model):
    text = (ROOT / "docs" / "scaling.md").read_text()
    for part in ("file server, listings", "scheduler", "driver's loop"):
        for seconds in (1.0, 10.0, 60.0):
            limit = model.limit(part, replace(model.AS_IS, seconds=seconds), model.k)
            assert f"{limit:,}" in text, (part, seconds)
