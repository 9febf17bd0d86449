"""What a run gave: goals by name, and in a cohort cases by name."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from vox import show
from vox.errors import GoalError, Mistake
from vox.program import AnyStore
from vox.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Counts:
    """What a run had to do."""

    computed: int
    """Nodes that ran for the first time."""
    redone: int
    """Nodes that were known, but whose value was not kept."""
    reused: int
    """Nodes that the store answered."""
    failed: int
    """Nodes that an operator refused, and what hangs on them."""
    seconds: float
    saved_seconds: float
    """What the reused nodes had cost."""

    @staticmethod
    def of(told: Mapping[str, Any]) -> Counts:
        """Read counts as the program tells them."""
        return Counts(**{name: told.get(name, 0) for name in Counts.__dataclass_fields__})


class Where:
    """Where the values of a run are: its store, opened when one is asked for, and the folder of its files."""

    def __init__(self, store: AnyStore, output: Union[str, os.PathLike[str], None] = None, hold: object = None):
        self._place = store
        self._output = Path(output).absolute() if output is not None else Path.cwd()
        self._hold = hold
        self._store: Optional[Store] = None

    def store(self) -> Store:
        """Return the store."""
        if self._store is None:
            self._store = self._place if isinstance(self._place, Store) else Store(self._place)
            self._store._hold = self._hold
        return self._store

    def file(self, case: Optional[str], path: str) -> str:
        """Return where a file of a case is."""
        return str(self._output / (case or "") / path)


class Goal:
    """Something that a program prints or saves."""

    def __init__(self, told: Mapping[str, Any], where: Where, case: Optional[str] = None):
        self._told = told
        self._where = where
        self.is_saved: bool = "save" in told
        """Is it saved (else printed)?"""
        self.label: str = told["save"] if self.is_saved else told["print"]
        """The name it is printed under, or the file that the program names."""
        self.node: Optional[str] = told.get("node")
        """What it computes; None for a constant."""
        self.path: Optional[str] = where.file(case, told["path"]) if "path" in told else None
        """The file, where the run had an `output`; this run wrote it if `is_written`."""
        self.is_written: bool = bool(told.get("written"))
        self.error: Optional[str] = told.get("error")
        """Why it has no value."""

    @property
    def value(self) -> Any:
        """The value; of a saved goal that which was saved, such as an `Image`.

        Raises GoalError when an operator refused, and MissingError when the store let the value go.
        """
        if self.error is not None:
            raise GoalError(f"`{self.label}`: {self.error}")
        if self.is_saved:
            if self.node is None:
                return None
            return self._where.store().value(self.node)
        told = self._told["value"]
        # JSON has no NaN and no infinity, and of an image it tells the grid only.
        if self.node is not None and not isinstance(told, (bool, float, int, str)):
            return self._where.store().value(self.node)
        return _number(told)

    def __repr__(self) -> str:
        state = f"error {self.error!r}" if self.error else "saved" if self.is_saved else repr(self._told["value"])
        return f"vox.Goal({self.label!r}, {state})"


class Result(Mapping[str, Any]):
    """What one case gave: ``result["dice"]`` is what is printed or saved under that name."""

    def __init__(self, told: Mapping[str, Any], where: Where):
        self.case: Optional[str] = told.get("case")
        """The case's name in a cohort."""
        self.goals: list[Goal] = [Goal(goal, where, self.case) for goal in told.get("goals", ())]
        """All goals, in the order of the program."""
        self.counts = Counts.of(told.get("counts", {}))
        self.problem: Optional[str] = _problem(told)
        """Why the case could not be run at all."""

    @property
    def errors(self) -> dict[str, str]:
        """Why goals have no value, by their names; empty when all is well."""
        return {goal.label: goal.error for goal in self.goals if goal.error is not None}

    @property
    def printed(self) -> dict[str, Any]:
        """What is printed, by its name; None where there is no value."""
        return {goal.label: None if goal.error is not None else goal.value for goal in self.goals if not goal.is_saved}

    def __getitem__(self, label: str) -> Any:
        for goal in self.goals:
            if goal.label == label:
                return goal.value
        if self.problem is not None:
            raise GoalError(self.problem)
        raise KeyError(label)

    def __contains__(self, label: object) -> bool:
        return any(goal.label == label for goal in self.goals)

    def __iter__(self) -> Iterator[str]:
        return (goal.label for goal in self.goals)

    def __len__(self) -> int:
        return len(self.goals)

    def __repr__(self) -> str:
        case = f"case {self.case!r}, " if self.case else ""
        return f"vox.Result({case}{', '.join(repr(goal) for goal in self.goals)})"

    def _repr_html_(self) -> str:
        rows = [(goal.label, _shown(goal)) for goal in self.goals]
        return show.table_html(("goal", "value"), rows, _caption(self.counts))


class Cohort(Mapping[str, Result]):
    """What a cohort gave: ``cohort["case-1"]["dice"]``."""

    def __init__(self, told: Mapping[str, Any], where: Where):
        results = [Result(case, where) for case in told.get("cases", ())]
        self._results = {str(result.case): result for result in results}
        self.counts = Counts.of(told.get("counts", {}))

    @property
    def failed(self) -> dict[str, dict[str, str]]:
        """The errors of each case that has some, by its goals; under "" why it could not be run at all."""
        told = {}
        for case, result in self._results.items():
            errors = dict(result.errors)
            if result.problem is not None:
                errors[""] = result.problem
            if errors:
                told[case] = errors
        return told

    def columns(self) -> list[str]:
        """Return the names of what is printed, in the order of the program."""
        names: dict[str, None] = {}
        for result in self._results.values():
            names.update((goal.label, None) for goal in result.goals if not goal.is_saved)
        return list(names)

    def rows(self) -> list[dict[str, Any]]:
        """Return a dict for each case: `case`, and what it prints; None where there is no value."""
        return [{"case": case, **result.printed} for case, result in self._results.items()]

    def table(self) -> pa.Table:
        """Return a table with a row for each case, sorted by its name: `case`, and what is printed."""
        return table(self.rows(), ["case", *self.columns()])

    def __getitem__(self, case: str) -> Result:
        return self._results[case]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"vox.Cohort({len(self)} cases, {len(self.failed)} with errors)"

    def _repr_html_(self) -> str:
        columns = self.columns()
        rows = []
        for case, result in self._results.items():
            goals = {goal.label: goal for goal in result.goals}
            if result.problem is not None and columns:
                rows.append((case, f"⚠ {result.problem}", *("" for _ in columns[1:])))
            else:
                rows.append((case, *(_shown(goals.get(name)) for name in columns)))
        return show.table_html(("case", *columns), rows, _caption(self.counts))


def table(rows: list[dict[str, Any]], columns: list[str]) -> pa.Table:
    """Return rows as a table, sorted by `case`; a column that is always empty has doubles."""
    import pyarrow as pa

    rows = sorted(rows, key=lambda row: str(row["case"]))
    arrays = []
    for name in columns:
        array = pa.array([row.get(name) for row in rows])
        empty = pa.types.is_null(array.type)
        arrays.append(array.cast(pa.string() if name == "case" else pa.float64()) if empty else array)
    return pa.table(arrays, names=columns)


def _problem(told: Mapping[str, Any]) -> Optional[str]:
    error = told.get("error")
    if error is None:
        return None
    mistakes = [Mistake.of(found) for found in error.get("mistakes") or [error]]
    return "\n".join(str(mistake) for mistake in mistakes if mistake.severity == "error")


def _number(told: Any) -> Any:
    """Return a value of a constant: JSON's null is a number that it does not have."""
    return math.nan if told is None else told


def _shown(goal: Optional[Goal]) -> Any:
    if goal is None:
        return ""
    if goal.error is not None:
        return f"⚠ {goal.error}"
    if goal.is_saved:
        return goal.path if goal.is_written else "in the store"
    return goal._told["value"]


def _caption(counts: Counts) -> str:
    return (
        f"{counts.computed} computed, {counts.redone} redone, {counts.reused} reused, {counts.failed} failed "
        f"in {counts.seconds:.3f} s"
    )
