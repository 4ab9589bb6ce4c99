"""A table of the past goes in whole or not at all, with its columns named or guessed, from a file or a frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest

from watchglass.errors import BadInput, NotEmpty
from watchglass.reading import Store


@pytest.fixture
def table():
    chance = np.random.default_rng(1)
    days, rows = 70, 20
    time = pd.date_range("2026-01-01", periods=days * rows, freq="72min")
    amount = chance.normal(5, 1, days * rows)
    amount[45 * rows :] += 1
    label = chance.integers(0, 2, days * rows)
    return pd.DataFrame(
        {
            "timestamp": time,
            "amount": amount,
            "country": chance.choice(["IT", "FR"], days * rows),
            "prediction": np.where(chance.random(days * rows) < 0.9, label, 1 - label),
            "score": chance.random(days * rows),
            "label": label,
        }
    )


def replay(folder, what, **options):
    with Store(folder, create=True) as store:
        return store, store.replay(what, model="fraud", reference=30, **options)


@pytest.mark.parametrize("kind", ["parquet", "csv", "feather", "pandas", "polars", "arrow"])
def test_files_and_frames_of_every_kind_tell_the_same(tmp_path, table, kind):
    path = tmp_path / f"past.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
    elif kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "feather":
        pyarrow.feather.write_feather(pa.Table.from_pandas(table, preserve_index=False), path)
    what = {"pandas": table, "polars": pl.from_pandas(table), "arrow": pa.Table.from_pandas(table)}.get(kind, path)
    store, done = replay(tmp_path / "store", what)
    assert (done.rows, done.labels, done.windows) == (1400, 1400, 70)
    assert done.options[:10] == (
        "--model",
        "fraud",
        "--time",
        "timestamp",
        "--prediction",
        "prediction",
        "--score",
        "score",
        "--label",
        "label",
    )
    first = done.incidents[0]
    assert (first.kind, first.severity, first.columns[0].name) == ("drift", "notice", "amount")
    assert abs((first.onset - done.first).days - 45) <= 1
    assert first.columns[0].effect == pytest.approx(1, abs=0.25)
    row = store.sql(
        "SELECT count(*) AS n, avg((prediction = label)::INT) AS right_ FROM predictions JOIN labels USING (model, environment, id)"
    ).rows()[0]
    assert row["n"] == 1400
    assert row["right_"] == pytest.approx(0.9, abs=0.03)


def test_the_command_that_is_printed_replays_the_same(tmp_path, table):
    _, one = replay(tmp_path / "one", table)
    options = dict(zip(one.options[2::2], one.options[3::2], strict=True))
    _, other = replay(
        tmp_path / "other",
        table,
        time=options["--time"],
        prediction=options["--prediction"],
        score=options["--score"],
        label=options["--label"],
        label_delay=options["--label-delay"],
        features=("amount", "country"),
    )
    assert [(i.title, i.onset) for i in one.incidents] == [(i.title, i.onset) for i in other.incidents]


def test_tags_become_slices_and_labels_come_late(tmp_path, table):
    store, done = replay(tmp_path / "store", table, tags=("country",), label_delay="36h")
    row = store.sql(
        "SELECT min(l.time - p.time) AS low, max(l.time - p.time) AS high FROM predictions p JOIN labels l USING (model, environment, id)"
    ).rows()[0]
    assert row["low"] == row["high"]
    assert row["low"].total_seconds() == 36 * 3600
    assert store.sql("SELECT DISTINCT tags.country AS c FROM predictions ORDER BY c", model="fraud").rows() == [
        {"c": "FR"},
        {"c": "IT"},
    ]
    assert store.models()[0].label_lag_days == pytest.approx(1.5, abs=0.1)
    assert done.windows == 71  # the newest day of labels has not closed


BAD = [
    ({"time": "when"}, "time column 'when' is not in the table. Columns: timestamp"),
    ({"time": "timestmp"}, "Did you mean 'timestamp'"),
    ({"prediction": "p"}, "prediction column 'p' is not in the table"),
    ({"features": ("amount", "nothing")}, "'nothing' is not in the table"),
    ({"label_delay": "soon"}, "label_delay 'soon' is not a length of time: write 3d"),
    ({"window": "1h"}, "window '1h' is not known"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[said[:24] for _, said in BAD])
def test_a_wrong_option_is_named_and_nothing_is_written(tmp_path, table, options, said):
    with Store(tmp_path / "store", create=True) as store:
        with pytest.raises(BadInput, match=said):
            store.replay(table, model="fraud", reference=30, **options)
        assert store.sql("SELECT * FROM models").rows() == []
        assert store.sql("SELECT * FROM predictions").rows() == []


def test_a_table_without_time_rows_or_file_is_refused(tmp_path, table):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "past.xls").write_text("x")
    (tmp_path / "broken.parquet").write_text("no parquet")
    late = table.assign(timestamp=table.timestamp.where(table.index != 3))
    vague = table.assign(timestamp=table.timestamp.astype(str).where(table.index != 3, "some day"))
    cases = [
        (table.drop(columns="timestamp"), "no column of time is named and none can be guessed. Columns: amount"),
        (table[:0], "no rows"),
        (tmp_path / "empty.csv", "is empty"),
        (tmp_path / "empty.cvs", r"there is no file .* Did you mean 'empty.csv'"),
        (tmp_path / "past.xls", "is of no known kind"),
        (tmp_path / "broken.parquet", "cannot be read"),
        (late, "1 rows have no time in column 'timestamp'"),
        (vague, "1 rows have no time in column 'timestamp'"),
    ]
    with Store(tmp_path / "store", create=True) as store:
        for what, said in cases:
            with pytest.raises(BadInput, match=said):
                store.replay(what, model="fraud")
        assert store.sql("SELECT * FROM predictions").rows() == []
        assert store.sql("SELECT * FROM models").rows() == []


def test_a_model_that_has_rows_is_refused_and_keeps_them(tmp_path, table):
    with Store(tmp_path / "store", create=True) as store:
        store.replay(table, model="fraud", reference=30)
        with pytest.raises(NotEmpty, match="model 'fraud' has 1400 predictions in this store"):
            store.replay(table, model="fraud", reference=30)
        store.replay(table, model="other", reference=30)
        assert store.sql("SELECT model, count(*) AS n FROM predictions GROUP BY ALL ORDER BY model").rows() == [
            {"model": "fraud", "n": 1400},
            {"model": "other", "n": 1400},
        ]


def test_a_check_that_is_done_in_parts_finds_what_one_replay_finds(tmp_path, table):
    """What was judged stays: a second check judges nothing again."""
    store, done = replay(tmp_path / "store", table)
    again = store.check(done.last)
    assert (again.windows, again.incidents) == (0, ())
    assert [i.id for i in store.incidents()][::-1] == [i.id for i in done.incidents]


@pytest.mark.parametrize("depth", [1_001, 40_000])
def test_lines_nested_beyond_all_bounds_are_refused_before_duckdb_reads_them(tmp_path, depth):
    path = tmp_path / "past.jsonl"
    path.write_text('{"time":"2026-06-01","x":1}\n{"time":"2026-06-01","x":' + "[" * depth + "]" * depth + "}\n")
    with pytest.raises(BadInput, match="more than 1,000 arrays and objects in each other.*Cut it out"):
        replay(tmp_path / "store", path)
