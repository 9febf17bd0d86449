"""Tables of what programs print, as Delta tables (delta-rs) that DuckDB asks.

A table is a view: it can be made again from the store at will (`Delta.rebuild`), and never is the record.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, Union

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
from deltalake import DeltaTable, write_deltalake

from vox.errors import StoreError
from vox.program import AnyStore, Cases, Inputs, Program, Settings
from vox.result import Cohort, Result, table
from vox.running import table as run_table

BATCH = 1000
"""Rows that travel together: a commit costs about 70 ms however many rows it has."""

Rows = Union[pa.Table, Cohort]


def delta(path: Union[str, os.PathLike[str]]) -> Delta:
    """Return the Delta table in a folder; it is made by the first row."""
    return Delta(path)


@dataclass(frozen=True)
class Pushdown:
    """What a query had to read."""

    files: int
    """Data files of which something was read."""
    of_files: int
    """Data files of the table."""
    bytes: int
    """Bytes that were read of them."""
    of_bytes: int
    """Bytes that they have."""
    plan: str
    """DuckDB's plan: filters and columns stand at the scan."""


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

    def query(self, sql: str, parameters: Optional[Mapping[str, Any]] = None) -> pa.Table:
        """Ask the table, which is called `results`, by DuckDB.

        Filters and columns go down to the scan: files whose statistics exclude them are not opened.
        """
        return _ask(self._dataset(None), sql, parameters)

    def pushdown(self, sql: str) -> Pushdown:
        """Ask as `query` does, and say what was read."""
        counter = _Counter(str(self.path))
        dataset = self._dataset(pa.fs.PyFileSystem(counter))
        plan = "\n".join(_ask(dataset, f"explain {sql}", None).column(1).to_pylist())
        counter.read.clear()
        _ask(dataset, sql, None)
        files = [str(path) for path in dataset.files]
        return Pushdown(
            files=sum(1 for count in counter.read.values() if count),
            of_files=len(files),
            bytes=sum(counter.read.values()),
            of_bytes=sum((self.path / path).stat().st_size for path in files),
            plan=plan,
        )

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

    def _dataset(self, filesystem: Optional[pa.fs.FileSystem]) -> pa.dataset.Dataset:
        known = self._open()
        if known is None:
            raise StoreError(f"there is no table in `{self.path}` yet")
        return known.to_pyarrow_dataset(filesystem=filesystem)

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


class _Counter(pa.fs.FileSystemHandler):  # type: ignore[misc, unused-ignore]
    """A file system that counts the bytes that are read of each file."""

    def __init__(self, root: str):
        self._there = pa.fs.SubTreeFileSystem(root, pa.fs.LocalFileSystem())
        self.read: dict[str, int] = {}

    def get_type_name(self) -> str:
        return "counting"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> Any:
        return self._there.get_file_info(paths)

    def get_file_info_selector(self, selector: Any) -> Any:
        return self._there.get_file_info(selector)

    def open_input_file(self, path: str) -> Any:
        return pa.PythonFile(_Counted(self._there.open_input_file(path), self.read, path), mode="r")

    def open_input_stream(self, path: str) -> Any:
        return self.open_input_file(path)

    def _refuse(self, *_: object, **__: object) -> Any:
        raise NotImplementedError("this file system is read only")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse


class _Counted:
    """A file that counts what is read of it."""

    def __init__(self, file: Any, read: dict[str, int], path: str):
        self._file = file
        self._read = read
        self._path = path

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(None if size < 0 else size)
        self._read[self._path] = self._read.get(self._path, 0) + len(data)
        return data

    def seek(self, *place: int) -> int:
        return int(self._file.seek(*place))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()


def _ask(dataset: pa.dataset.Dataset, sql: str, parameters: Optional[Mapping[str, Any]]) -> pa.Table:
    with duckdb.connect() as connection:
        connection.register("results", dataset)
        answer = connection.execute(sql, parameters) if parameters else connection.execute(sql)
        # DuckDB 1 says it in one way, DuckDB 2 in another.
        fetch: Callable[[], pa.Table] = getattr(answer, "to_arrow_table", None) or answer.fetch_arrow_table
        return fetch()


def _fitting(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with the types that the table has; columns that it has not stay as they are."""
    for at, name in enumerate(rows.column_names):
        if name in schema.names and rows.schema.field(name).type != schema.field(name).type:
            rows = rows.set_column(at, name, rows.column(name).cast(schema.field(name).type))
    return rows


def _empty_entries(path: Path) -> list[Path]:
    return [entry for entry in sorted((path / "_delta_log").glob("[0-9]*.json")) if entry.stat().st_size == 0]


def _fsync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
