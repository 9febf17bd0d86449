"""Delta tables: repeated writes, one writer, pushdown, what a power cut leaves."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("deltalake")
duckdb = pytest.importorskip("duckdb")

import pyarrow.parquet  # noqa: E402

import vox  # noqa: E402
from vox import tables  # noqa: E402
from vox.result import Result, Where  # noqa: E402


def rows(*pairs):
    return pa.table({"case": [case for case, _ in pairs], "dice": [dice for _, dice in pairs]})


def versions(table):
    return len(list((table.path / "_delta_log").glob("*.json")))


def test_writing_again_changes_nothing_and_commits_nothing(tmp_path):
    table = tables.delta(tmp_path / "t")
    assert table.write(rows(("a", 0.5), ("b", None), ("c", float("nan")))) == 3
    assert versions(table) == 1
    assert table.write(rows(("a", 0.5), ("b", None), ("c", float("nan")))) == 0
    assert versions(table) == 1
    assert table.write(rows(("a", 0.75), ("b", None), ("d", 1.0))) == 2
    assert table.read().select(["case", "dice"]).slice(0, 2).to_pylist() == [
        {"case": "a", "dice": 0.75},
        {"case": "b", "dice": None},
    ]
    assert table.read().num_rows == 4


def test_a_new_column_joins_and_old_rows_have_nothing_there(tmp_path):
    table = tables.delta(tmp_path / "t")
    table.write(rows(("a", 0.5)))
    table.write(pa.table({"case": ["b"], "dice": [0.25], "volume": [3.0]}))
    assert table.read().to_pylist() == [
        {"case": "a", "dice": 0.5, "volume": None},
        {"case": "b", "dice": 0.25, "volume": 3.0},
    ]


def test_cases_are_gathered_into_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BATCH", 10)
    told = [{"case": f"c{at:02}", "goals": [{"print": "dice", "value": at / 10, "node": "0" * 64}]} for at in range(25)]
    with tables.delta(tmp_path / "t") as table:
        for result in told:
            table.add(Result(result, Where(None)))
    assert versions(table) == 3
    assert table.query("select count(*) as n from results").to_pylist() == [{"n": 25}]


def test_a_second_writer_is_refused(tmp_path):
    table = tables.delta(tmp_path / "t")
    with tables._Writing(table.path):
        script = "import sys, pyarrow, vox.tables as t\nt.delta(sys.argv[1]).write(pyarrow.table({'case': ['x']}))"
        ended = subprocess.run(
            [sys.executable, "-c", script, table.path],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert "one writer at a time" in ended.stderr
    table.write(rows(("a", 1.0)))


def test_queries_read_only_the_files_and_columns_they_need(tmp_path):
    table = tables.delta(tmp_path / "t")
    for part in range(8):
        cases = [f"{part}-{at:03}" for at in range(500)]
        table.write(
            pa.table(
                {"case": cases, "dice": [part + at / 1000 for at in range(500)], "words": [os.urandom(40).hex()] * 500}
            )
        )
    table.write(pa.table({"case": ["new"], "other": [1.0]}))
    every = table.pushdown("select * from results")
    assert every.files == every.of_files == every.row_groups >= 9
    # The filter alone leaves out row groups, and columns that are not asked for.
    sql = 'select "case" from results where dice > 7.2 and dice < 7.3'
    some = table.pushdown(sql)
    assert (some.files, some.row_groups) == (every.files, 1)
    assert some.bytes < every.bytes
    # A condition leaves out files.
    few = table.pushdown(sql, [("dice", ">", 7.2)])
    assert (few.files, few.row_groups) == (1, 1)
    assert few.bytes < every.bytes / 5
    assert table.query(sql, [("dice", ">", 7.2)]).equals(table.query(sql))
    assert table.query("select count(*) as n from results where dice > $low", parameters={"low": 7.25}).to_pylist() == [
        {"n": 249}
    ]
    assert table.query("select * from results", [("dice", ">", 100.0)]).num_rows == 0
    assert table.query("select other from results", [("case", "=", "0-007")]).to_pylist() == [{"other": None}]
    with pytest.raises(ValueError, match="dies"):
        table.query("select 1", [("dies", ">", 1)])
    before = table.read()
    table.compact()
    assert table.read().equals(before)
    assert table.pushdown("select * from results").of_files == 1


def test_nan_fulfils_no_condition(tmp_path):
    table = tables.delta(tmp_path / "t")
    table.write(rows(("a", 0.5), ("b", float("nan")), ("c", None), ("d", 2.0)))
    assert table.query('select "case" from results', [("dice", ">", 1.0)]).to_pylist() == [{"case": "d"}]


def test_what_a_power_cut_leaves_is_named_and_the_table_made_again(tmp_path, heads):
    store = tmp_path / "store"
    table = tables.delta(tmp_path / "t")
    program, cases = heads / "lesion.imgql", heads / "cases"
    assert table.rebuild(store, program, cases=cases) == 3
    made = table.read()
    assert table.write(vox.run(program, cases=cases, store=store)) == 0, "a table made again is the same"
    table.write(rows(("case-9", 1.0)))
    max((table.path / "_delta_log").glob("*.json")).write_bytes(b"")
    with pytest.raises(vox.StoreError, match="power cut"):
        table.read()
    assert table.rebuild(store, program, cases=cases) == 3
    assert table.read().equals(made)


def test_a_killed_writer_leaves_a_whole_table(tmp_path):
    script = (
        "import sys, pyarrow as pa, vox.tables as t\n"
        "table = t.delta(sys.argv[1])\n"
        "for at in range(1000):\n"
        "    table.write(pa.table({'case': [str(at)], 'dice': [1.0]}))\n"
        "    print(at, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "t"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    acknowledged = [process.stdout.readline() for _ in range(5)]
    process.kill()
    process.communicate()
    table = tables.delta(tmp_path / "t")
    there = {row["case"] for row in table.read().to_pylist()}
    assert {line.strip() for line in acknowledged} <= there
    table.write(rows(("0", 2.0)))


def test_a_parquet_table_of_the_program_is_read_with_pushdown(heads, tmp_path):
    path, store = tmp_path / "t.parquet", tmp_path / "store"
    words = [heads / "lesion.imgql", "--cases", heads / "cases", "-o", tmp_path / "out", "--store", store]
    command = [os.environ["VOX_BINARY"], "run", *words, "--table", path]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode == 2 and "built without Parquet" in ran.stderr:
        pytest.skip("this vox was built without Parquet")
    assert ran.returncode == 0, ran.stderr
    file = pyarrow.parquet.ParquetFile(path)
    assert file.schema_arrow.names[0] == "case"
    assert str(file.schema_arrow.field("case").type) == "string"
    assert str(file.schema_arrow.field("dice").type) == "double"
    assert file.metadata.row_group(0).column(0).statistics.max == "case-3"
    table = vox.table(store, heads / "lesion.imgql", cases=heads / "cases")
    assert pyarrow.parquet.read_table(path).to_pylist() == table.to_pylist()
    least = min(table.column("dice").to_pylist())
    # A filter goes down to the scan: the statistics exclude the only row group.
    assert pyarrow.parquet.read_table(path, filters=[("dice", ">", 2.0)]).num_rows == 0
    with duckdb.connect() as connection:
        asked = f"from read_parquet('{path}') where dice > {least!r}"
        rows = connection.execute(f'select "case", dice {asked} order by all').fetchall()
        assert rows == [(row["case"], row["dice"]) for row in table.to_pylist() if row["dice"] > least]
        plan = connection.execute(f"explain select dice {asked}").fetchall()[0][1]
        assert "Filters" in plan
        assert "dice" in plan
