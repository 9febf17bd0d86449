"""Tables of what programs print, as Delta tables (delta-rs) that DuckDB asks.

A table is a view: it can be made again from the store at will (`Delta.rebuild`), and never is the record.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import operator
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, Union

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
from deltalake import DeltaTable, write_deltalake

from vox.errors import StoreError
from vox.program import AnyStore, Cases, Inputs, Program, Settings
from vox.result import Cohort, Result, table
from vox.running import table as run_table

BATCH = 1000
"""Rows that travel together: a commit costs about 70 ms however many rows it has."""

Rows = Union[pa.Table, Cohort]
Condition = tuple[str, str, Any]
"""A column, one of ``= < <= > >=``, and a value."""


def delta(path: Union[str, os.PathLike[str]]) -> Delta:
    """Return the Delta table in a folder; it is made by the first row."""
    return Delta(path)


@dataclass(frozen=True)
class Pushdown:
    """What a query had to read."""

    files: int
    """Data files that were opened."""
    of_files: int
    """Data files of the table."""
    row_groups: int
    """Row groups of the opened files that were decoded; the others' statistics exclude them."""
    bytes: int
    """Bytes that were read."""
    of_bytes: int
    """Bytes of all data files."""
    profile: str
    """DuckDB's own account: filters and columns stand at the scan."""


class Delta:
    """A Delta table with a row for each case.

    One process writes at a time. `add` gathers rows into batches; `flush`, or leaving the ``with`` block, writes them.
    A row takes the place of that of its case, and one that is there already changes nothing and commits nothing,
    so that repeating a run is harmless.
    """

    def __init__(self, path: Union[str, os.PathLike[str]]):
        self.path = Path(path).absolute()
        """The table's folder."""
        self._waiting: dict[str, dict[str, Any]] = {}
        self._columns: dict[str, None] = {"case": None}

    # -- writing ------------------------------------------------------------------------------------------

    def add(self, result: Result) -> None:
        """Take in a case; fits ``on_case=`` of `vox.distributed.run`."""
        if result.case is None:
            raise ValueError("a row needs the name of a case: run a cohort")
        row = {"case": result.case, **result.printed}
        self._columns.update((name, None) for name in row)
        self._waiting[result.case] = row
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> int:
        """Write what `add` gathered; returns how many rows changed."""
        if not self._waiting:
            return 0
        rows = table(list(self._waiting.values()), list(self._columns))
        changed = self.write(rows)
        self._waiting.clear()
        return changed

    def write(self, rows: Rows) -> int:
        """Write rows, each in the place of that of its case; returns how many changed. One commit, or none.

        When this returns, the rows are on disk.
        """
        rows = rows.table() if isinstance(rows, Cohort) else rows
        with _Writing(self.path):
            known = self._open()
            if known is None:
                write_deltalake(str(self.path), rows)
                self._sync()
                return int(rows.num_rows)
            rows = _fitting(rows, pa.schema(known.schema().to_arrow()))
            rows = self._changed(known, rows)
            if rows.num_rows == 0:
                return 0
            merge = known.merge(rows, "old.case = new.case", source_alias="new", target_alias="old", merge_schema=True)
            merge.when_matched_update_all().when_not_matched_insert_all().execute()
            self._sync()
            return int(rows.num_rows)

    def rebuild(
        self,
        store: AnyStore,
        program: Program,
        *,
        cases: Cases,
        inputs: Optional[Inputs] = None,
        settings: Optional[Settings] = None,
    ) -> int:
        """Make the table again from a store, whatever is there; returns how many rows it has."""
        rows = run_table(store, program, cases=cases, inputs=inputs, settings=settings)
        with _Writing(self.path):
            empty = _empty_entries(self.path)
            if empty:
                # What a power cut left cannot be repaired, and need not be: the log goes.
                for entry in (self.path / "_delta_log").iterdir():
                    entry.unlink()
            write_deltalake(str(self.path), rows, mode="overwrite", schema_mode="overwrite")
            self._sync()
        return int(rows.num_rows)

    def compact(self) -> None:
        """Put small files together, and remove those that no version of the last week needs."""
        with _Writing(self.path):
            known = self._open()
            if known is not None:
                known.optimize.compact()
                known.vacuum(dry_run=False)
                self._sync()

    # -- asking -------------------------------------------------------------------------------------------

    def read(self) -> pa.Table:
        """Return all rows, sorted by case."""
        return self.query('select * from results order by "case"')

    def query(
        self, sql: str, where: Sequence[Condition] = (), parameters: Optional[Mapping[str, Any]] = None
    ) -> pa.Table:
        """Ask the table, which is called `results`, by DuckDB.

        The query's own filters and columns go down to the scan: row groups whose statistics exclude them, and
        columns that are not asked for, are not read. `where` is a list of conditions such as
        ``("dice", ">", 0.9)`` that all rows must fulfil; files whose statistics in the Delta log exclude them are
        not opened at all. NaN fulfils none.
        """
        with self._connect(where) as (connection, _):
            answer = connection.execute(sql, parameters) if parameters else connection.execute(sql)
            # DuckDB 1 says it in one way, DuckDB 2 in another.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                found: pa.Table = (getattr(answer, "to_arrow_table", None) or answer.fetch_arrow_table)()
        return found

    def pushdown(self, sql: str, where: Sequence[Condition] = ()) -> Pushdown:
        """Ask as `query` does, and say what was read."""
        with self._connect(where) as (connection, files):
            profile = connection.execute(f"explain (analyze, format json) {sql}").fetchall()[0][1]
            # Only the words for people have the row groups.
            words = str(connection.execute(f"explain analyze {sql}").fetchall()[0][1])
        scanned = re.search(r"Row Groups Scanned[^0-9]+(\d+)", words)
        read = re.search(r"total_bytes_read[^0-9]+(\d+)", profile)
        every = [self.path / path for path in self._dataset().files]
        return Pushdown(
            files=len(files),
            of_files=len(every),
            # DuckDB tells them where a filter could leave some out.
            row_groups=int(scanned[1]) if scanned else sum(_row_groups(path) for path in files),
            bytes=int(read[1]) if read else 0,
            of_bytes=sum(path.stat().st_size for path in every),
            profile=words,
        )

    @contextlib.contextmanager
    def _connect(self, where: Sequence[Condition]) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
        """Open DuckDB with a view of the files that may hold such rows."""
        dataset = self._dataset()
        files = dataset.files
        clauses = [_clause(condition, dataset.schema) for condition in where]
        if where:
            fragments = dataset.get_fragments(functools.reduce(operator.and_, [_expression(part) for part in where]))
            files = [fragment.path for fragment in fragments]
        paths = [str(self.path / path) for path in files]
        with duckdb.connect() as connection:
            # It has all columns, also those that none of the files has.
            connection.register("nothing", dataset.schema.empty_table())
            source = "select * from nothing"
            if paths:
                listed = ", ".join(_literal(path) for path in paths)
                rows = f"select * from read_parquet([{listed}], union_by_name = true)"
                source = f"select * from ({source} union all by name {rows})"
            filters = f" where {' and '.join(clauses)}" if clauses else ""
            connection.execute(f"create view results as {source}{filters}")
            yield connection, paths

    def __enter__(self) -> Delta:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        # Also after an error: what is known is known.
        self.flush()

    def __repr__(self) -> str:
        return f"vox.tables.delta({str(self.path)!r})"

    # -- within -------------------------------------------------------------------------------------------

    def _open(self) -> Optional[DeltaTable]:
        if not DeltaTable.is_deltatable(str(self.path)):
            return None
        empty = _empty_entries(self.path)
        if empty:
            # delta-rs opens such a table without a word, and without the rows of that commit.
            raise StoreError(f"`{empty[0]}` is empty, as a power cut leaves it: make the table again with `rebuild`")
        return DeltaTable(str(self.path))

    def _dataset(self) -> pa.dataset.Dataset:
        known = self._open()
        if known is None:
            raise StoreError(f"there is no table in `{self.path}` yet")
        return known.to_pyarrow_dataset()

    def _changed(self, known: DeltaTable, rows: pa.Table) -> pa.Table:
        """Return the rows that the table does not have as they are."""
        cases = pa.dataset.field("case").isin(rows.column("case").combine_chunks())
        there = known.to_pyarrow_dataset().to_table(filter=cases).to_pylist()
        old = {row["case"]: row for row in there}
        keep = [
            repr({**row}) != repr({name: old.get(row["case"], {}).get(name) for name in row})
            for row in rows.to_pylist()
        ]
        return rows.filter(pa.array(keep, pa.bool_()))

    def _sync(self) -> None:
        """Put the last commit on disk: delta-rs syncs nothing."""
        log = self.path / "_delta_log"
        entry = max(log.glob("[0-9]*.json"))
        for line in entry.read_text().splitlines():
            added = json.loads(line).get("add")
            if added:
                _fsync(self.path / added["path"])
        for path in (self.path, entry, log):
            _fsync(path)


class _Writing:
    """The right to write a table; another process is refused rather than made to fail later."""

    def __init__(self, path: Path):
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = -1

    def __enter__(self) -> None:
        self._file = os.open(self._path / ".vox-writer", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise StoreError(f"another process writes the table `{self._path}`: one writer at a time") from None

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""What conditions may compare with."""


def _expression(condition: Condition) -> Any:
    """Return a condition as Delta's statistics are asked."""
    name, word, value = condition
    return OPERATORS[word](pa.dataset.field(name), value)


def _clause(condition: Condition, schema: pa.Schema) -> str:
    """Return a condition as SQL; to DuckDB NaN is greater than all numbers, to us it is not."""
    name, word, value = condition
    if word not in OPERATORS or name not in schema.names:
        raise ValueError(f"`{name} {word}`: a column of {schema.names}, and one of {' '.join(OPERATORS)}")
    quoted = '"' + name.replace('"', '""') + '"'
    clause = f"{quoted} {word} {_literal(value)}"
    return f"{clause} and not isnan({quoted})" if pa.types.is_floating(schema.field(name).type) else clause


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def _fitting(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with the types that the table has; columns that it has not stay as they are."""
    for at, name in enumerate(rows.column_names):
        if name in schema.names and rows.schema.field(name).type != schema.field(name).type:
            rows = rows.set_column(at, name, rows.column(name).cast(schema.field(name).type))
    return rows


def _empty_entries(path: Path) -> list[Path]:
    return [entry for entry in sorted((path / "_delta_log").glob("[0-9]*.json")) if entry.stat().st_size == 0]


def _row_groups(path: str) -> int:
    return int(pyarrow.parquet.ParquetFile(path).metadata.num_row_groups)


def _fsync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
