from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import watchglass as wg
from watchglass.errors import BadInput
from watchglass.store.tabular.counted import count_tables

ROWS = {
    "n": [float(i % 17) for i in range(400)],
    "c": ["ab"[i % 2] for i in range(400)],
    "b": [i % 3 == 0 for i in range(400)],
    "gap": [None if i % 5 == 0 else i % 7 for i in range(400)],
}


def counts(table):
    found = count_tables((table, table))
    sides = {pair.name: (pair.kind, [each for each in (pair.numbers, pair.values) if each][0]) for pair in found.pairs}  # noqa: PD011, RUF015 - no frame
    return found.rows, [
        (name, kind, side.reference.counts.tolist(), side.reference.missing.sum())
        for name, (kind, side) in sides.items()
    ]


@pytest.mark.parametrize(
    "made",
    [
        pl.DataFrame,
        lambda rows: pl.DataFrame(rows).lazy(),
        pd.DataFrame,
        pa.table,
        lambda rows: [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)],
    ],
    ids=["polars", "lazy", "pandas", "arrow", "dicts"],
)
def test_frames_of_all_libraries_are_counted_alike(made):
    assert counts(made(ROWS)) == counts(ROWS)


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "jsonl", "arrow"])
def test_files_of_all_kinds_are_counted_as_the_frame_is(tmp_path, ending):
    frame, path = pl.DataFrame(ROWS), tmp_path / f"rows.{ending}"
    if ending == "parquet":
        frame.write_parquet(path)
    elif ending == "csv":
        frame.write_csv(path)
    elif ending == "csv.gz":
        frame.to_pandas().to_csv(path, index=False, compression="gzip")
    elif ending == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_ipc(path)
    assert counts(path) == counts(ROWS)


def test_a_pattern_and_a_folder_are_all_their_files_even_where_one_lacks_a_column(tmp_path):
    frame = pl.DataFrame(ROWS)
    frame[:150].write_parquet(tmp_path / "a.parquet")
    frame[150:].drop("gap").write_parquet(tmp_path / "b.parquet")
    for table in (tmp_path, str(tmp_path / "*.parquet")):
        rows, found = counts(table)
        assert rows == (400, 400)
        assert {name: sum(counted) for name, _, counted, _ in found} == {"n": 400, "c": 400, "b": 400, "gap": 120}


def test_many_small_row_groups_and_one_large_give_the_same_counts(tmp_path):
    frame = pl.DataFrame(ROWS)
    frame.write_parquet(tmp_path / "small.parquet", row_group_size=7)
    frame.write_parquet(tmp_path / "large.parquet")
    assert counts(tmp_path / "small.parquet") == counts(tmp_path / "large.parquet")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("nowhere.parquet", "there is no file"),
        ("*.pq", "no file matches"),
        ("empty.csv", "0 bytes"),
        ("odd.xyz", "files of one kind would do"),
        ("broken.parquet", "cannot be read"),
        (3, "a table cannot be a builtins.int"),
        ({"a": [1], "b": [1, 2]}, "must be equally long"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_would_do(tmp_path, monkeypatch, table, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "odd.xyz").write_text("?")
    (tmp_path / "broken.parquet").write_text("PAR1 no")
    with pytest.raises(BadInput, match=said):
        wg.compare(table, ROWS)


def test_a_column_or_a_time_that_is_not_there_is_named():
    with pytest.raises(BadInput, match="Did you mean 'gap'"):
        wg.compare(ROWS, ROWS, columns=["gaps"])
    with pytest.raises(BadInput, match="has no column 'when'"):
        wg.compare(ROWS, ROWS, time="when")
    with pytest.raises(BadInput, match="no value of column 'c'"):
        wg.compare(ROWS, ROWS, time="c")


def test_blocks_are_days_where_there_are_enough_else_hours_else_rows():
    days = {"at": [datetime(2026, 4, 1 + i % 28) for i in range(400)], "n": ROWS["n"]}
    hours = {"at": [datetime(2026, 4, 1, i % 24) for i in range(400)], "n": ROWS["n"]}
    one = {"at": [datetime(2026, 4, 1)] * 400, "n": ROWS["n"]}
    told = [wg.compare(each, each, time="at").blocks for each in (days, hours, one)]
    assert [(blocks.unit, blocks.reference) for blocks in told] == [("days", 28), ("hours", 24), ("rows", 8)]


def test_rows_without_a_time_are_a_block_of_their_own_and_told():
    table = {"at": [None if i < 10 else f"2026-04-{1 + i % 28:02d}" for i in range(400)], "n": ROWS["n"]}
    found = wg.compare(table, table, time="at")
    assert found.blocks.untimed == (10, 10)
    assert "20 rows without a readable time" in found.parted
    assert found["n"].reference.rows == 400


def test_times_of_a_usual_name_are_taken_without_being_asked_for():
    table = {"timestamp": [datetime(2026, 4, 1 + i % 28) for i in range(400)], "n": ROWS["n"]}
    found = wg.compare(table, table)
    assert (found.blocks.unit, found.blocks.time, [column.name for column in found.columns]) == ("days", "timestamp", ["n"])  # fmt: skip


def test_odd_columns_get_a_plain_answer():
    rng = np.random.default_rng(0)
    n = 300
    same = {"constant": [5] * n, "nothing": [None] * n, "vector": [[1.0, 2.0]] * n, "x": rng.normal(size=n).tolist()}
    one = {**same, "type": list(range(n)), "lost": [1] * n, "fills": [None] * n, "few": [1.0] * 3 + [None] * (n - 3)}
    other = {**same, "type": ["a"] * n, "came": [1] * n, "fills": [1.5] * n, "few": [2.0] * 3 + [None] * (n - 3)}
    infinite = [float("inf")] * 30 + [float("-inf")] * 10 + rng.normal(size=n - 40).tolist()
    found = wg.compare({**one, "inf": infinite}, {**other, "inf": infinite})
    said = {column.name: (column.found, column.sentence.replace("\u00a0", " ")) for column in found.columns}
    assert said["type"] == ("retyped", "it is a number (INTEGER) in the reference table and a text (VARCHAR) in the current one")  # fmt: skip
    assert said["lost"] == ("gone", "the current table has no such column")
    assert said["came"] == ("new", "the reference table has no such column")
    assert said["nothing"] == ("unknown", "neither table has a value in it")
    assert said["vector"][0] == "unknown"
    assert "take its parts out" in said["vector"][1]
    assert said["constant"] == ("steady", "the same in all rows of both tables")
    assert said["fills"][0] == "moved"
    assert "missing in 0 % of the rows, 100 % in the reference" in said["fills"][1]
    assert said["few"][0] == "steady"
    assert "3 rows only" in said["few"][1]
    assert said["inf"][0] == "steady"
    assert (found["inf"].reference.infinite, found["inf"].current.infinite) == (40, 40)
    assert {column.name for column in found.changed} == {"type", "lost", "fills"}
    json.loads(found.to_json())


def test_empty_tables_are_compared_with_the_reason_why_not():
    empty = pl.DataFrame(ROWS).clear()
    for tables, name in (((empty, ROWS), "reference"), ((ROWS, empty), "current"), ((empty, empty), "reference")):
        found = wg.compare(*tables)
        assert {column.found for column in found.columns} == {"unknown"}
        assert all(column.sentence == f"the {name} table has no rows" for column in found.columns)
        assert found.sentence.startswith("No column could be compared.")


def test_a_text_of_many_values_is_compared_by_length_and_commonest_values():
    rng = np.random.default_rng(0)
    one = {"text": [f"row {i}" + "x" * int(rng.integers(0, 20)) for i in range(3000)]}
    other = {"text": [f"row {i}" + "x" * int(rng.integers(0, 40)) for i in range(3000)]}
    found = wg.compare(one, other)["text"]
    assert (found.kind, found.found, found.unit) == ("text", "moved", "sd")
    assert "its length" in found.sentence
    assert wg.compare(one, one)["text"].found == "steady"


@pytest.mark.parametrize("name", ["v", "tick", "n0", "t0", "filename", "rowid", "a b\"c'd;", "ключ"])
def test_a_column_may_have_any_name(tmp_path, name):
    table = pl.DataFrame({name: [float(i % 7) for i in range(200)], "z": ["a", "b"] * 100})
    table.write_parquet(tmp_path / "rows.parquet")
    found = wg.compare(tmp_path / "rows.parquet", table)
    assert {column.name: (column.found, column.reference.rows) for column in found.columns} == {
        name: ("steady", 200),
        "z": ("steady", 200),
    }


def test_a_name_that_the_engine_keeps_is_refused_by_name(tmp_path):
    pl.DataFrame({"file_row_number": [1]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(BadInput, match="'file_row_number'.* rename it"):
        wg.compare(tmp_path / "rows.parquet", ROWS)


def test_folders_named_for_a_columns_value_and_names_in_another_case_are_the_column(tmp_path):
    for place, name in enumerate(("Amount", "amount")):
        folder = tmp_path / f"site={place}"
        folder.mkdir()
        pl.DataFrame({name: [float(i % 9) for i in range(100)]}).write_parquet(folder / "rows.parquet")
    found = wg.compare(tmp_path, tmp_path)
    assert {column.name: (column.reference.rows, column.reference.missing) for column in found.columns} == {
        "Amount": (200, 0.0),
        "site": (200, 0.0),
    }


def test_values_at_the_ends_of_what_numbers_can_be_are_compared_without_a_warning():
    table = {
        "huge": [1e308 * (-1) ** i for i in range(300)],
        "tiny": [5e-324 * (i % 30) for i in range(300)],
        "far": [datetime(9999, 12, 31)] * 300,
        "ids": [f"{i:08x}" for i in range(300)],
    }
    found = wg.compare(table, table)
    assert {column.found for column in found.columns} == {"steady"}
    assert found["ids"].sentence == "no value is common enough to be compared"
    assert "<svg" in found.html()
    json.loads(found.to_json())
