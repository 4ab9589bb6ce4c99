from __future__ import annotations

import json
from datetime import UTC, date, datetime

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import watchglass as wg
from watchglass.capture import drops
from watchglass.errors import BadInput

DATA = {
    "key": ["a", "b", "c"],
    "p": [1, 0, 1],
    "s": [0.75, 0.25, None],
    "ts": [datetime(2026, 3, 1), datetime(2026, 3, 1, 12, 0, 0, 5), datetime(2026, 3, 2)],
    "ink": [0.5, None, 2.0],
    "new": [True, False, True],
    "word": ["x", "y", None],
    "site": ["k", "l", "k"],
}
FRAME = pl.DataFrame(DATA, schema_overrides={"site": pl.Categorical})
HELD = {
    "polars": FRAME,
    "pyarrow": FRAME.to_arrow(),
    "pyarrow batch": FRAME.to_arrow().to_batches()[0],
    "pandas": FRAME.to_pandas(),
    "pandas objects": FRAME.to_pandas().astype({"word": object, "site": object}),
    "dict of lists": DATA,
    "dict of arrays": {name: np.array(values) if None not in values else values for name, values in DATA.items()},
    "dict of series": {name: FRAME[name] for name in DATA},
    "list of dicts": FRAME.to_dicts(),
    "structured": np.array(
        list(zip(*DATA.values(), strict=True)),
        dtype=[
            ("key", object),
            ("p", "i8"),
            ("s", object),
            ("ts", "M8[ns]"),
            ("ink", object),
            ("new", "?"),
            ("word", object),
            ("site", object),
        ],
    ),
}
COLUMNAR = ("polars", "pyarrow", "pyarrow batch", "pandas", "pandas objects")
EXPECTED = [
    ("a", 1_772_323_200_000_000, "1", 0.75, {"ink": 0.5, "new": True, "word": "x"}, {"site": "k"}),
    ("b", 1_772_366_400_000_005, "0", 0.25, {"ink": None, "new": False, "word": "y"}, {"site": "l"}),
    ("c", 1_772_409_600_000_000, "1", None, {"ink": 2.0, "new": True, "word": None}, {"site": "k"}),
]


def log(frame, **change):
    named = {"version": "3", "prediction": "p", "score": "s", "id": "key", "time": "ts", "tags": ["site"], **change}
    return wg.log_predictions("fraud", frame, **named)


def parquet(logs):
    return sorted((logs.root / "log" / "rows").glob("*.parquet"))


def rows(logs):
    """Read a segment of either kind as another process would."""
    found = []
    for path in parquet(logs):
        about = json.loads(path.with_name(path.name + ".json").read_bytes())
        names = about["columns"]
        query = duckdb.sql(
            f"SET TimeZone = 'UTC'; SELECT *, epoch_us({names['time']}::TIMESTAMP) AS us FROM read_parquet('{path}')"
        )
        for row in query.pl().to_dicts():
            features, tags = ({name: row[name] for name in about[role]} for role in ("features", "tags"))
            plain = row[names["id"]], row["us"], str(row[names["prediction"]]), row[names["score"]]
            found.append((*plain, features, tags))
    lines = logs.rows("prediction")
    return found + [
        (row["id"], row["time"], str(row["prediction"]), row.get("score"), row["features"], row["tags"])
        for row in lines
    ]


@pytest.mark.parametrize("held", HELD)
def test_a_frame_is_one_segment_that_says_the_same_whatever_held_it(logs, held):
    assert log(HELD[held]) == 3
    assert rows(logs) == EXPECTED
    columnar = parquet(logs)
    assert len(columnar) == (held in COLUMNAR)
    assert [path.name for path in (logs.root / "log" / "rows").iterdir() if path.suffix == ".tmp"] == []
    told = {(role, name): kind for event in logs.graph("schema") for role, name, kind in event["columns"]}
    assert told == {
        ("feature", "ink"): "number",
        ("feature", "new"): "boolean",
        ("feature", "word"): "text",
        ("tag", "site"): "text",
    }
    if columnar:
        about = json.loads(columnar[0].with_name(columnar[0].name + ".json").read_bytes())
        del about["written"]
        assert about == {
            "kind": "predictions",
            "model": "fraud",
            "version": "3",
            "environment": "live",
            "columns": {"prediction": "p", "score": "s", "id": "key", "time": "ts"},
            "features": ["ink", "new", "word"],
            "tags": ["site"],
            "types": {"ink": "number", "new": "boolean", "word": "text"},
            "time_type": "datetime",
        }
        assert {"ts", "site"} <= set(pl.read_parquet(columnar[0]).columns)
        assert pl.read_parquet(columnar[0]).schema["site"] == pl.String
        assert all(logs.sealed(path) for path in columnar)
    else:
        assert all(logs.sealed(path) for path in logs.segments("rows"))


@pytest.mark.parametrize("held", HELD)
def test_labels_too(logs, held):
    assert wg.log_labels("fraud", HELD[held], id="key", label="p", time="ts") == 3
    if held in COLUMNAR:
        (path,) = parquet(logs)
        about = json.loads(path.with_name(path.name + ".json").read_bytes())
        assert about["kind"] == "labels"
        assert about["columns"] == {"id": "key", "label": "p", "time": "ts"}
        assert pl.read_parquet(path).select("key", "p", "ts").rows() == FRAME.select("key", "p", "ts").rows()
    else:
        assert [(row["id"], row["label"], row["time"]) for row in logs.rows("label")] == [
            (key, int(p), us) for key, us, p, *_ in EXPECTED
        ]
    assert logs.graph("schema") == []


def test_features_and_rows_without_ids(logs):
    with wg.run("score") as run:
        log(FRAME, features=["ink"], tags=[], score=None, id=None, version=None)
        log(DATA, features=["ink"], tags=[], score=None, id=None)
    (path,) = parquet(logs)
    about = json.loads(path.with_name(path.name + ".json").read_bytes())
    assert pl.read_parquet(path).columns == ["p", "ts", "ink"]
    assert about["columns"] == {"prediction": "p", "score": None, "id": None, "time": "ts"}
    assert about["run"] == run.id
    (segment,) = logs.segments("rows")
    assert [row["id"] for row in logs.rows()] == [f"{segment.name.partition('.')[0]}:{number}" for number in range(3)]
    assert {row["run"] for row in logs.rows()} == {run.id}


TIMES = {
    "date": ([date(2026, 3, 1)] * 3, "date", 1_772_323_200_000_000),
    "text": (["2026-03-01T01:00:00+01:00"] * 3, "text", 1_772_323_200_000_000),
    "text without offset": (["2026-03-01 00:00:00"] * 3, "text", 1_772_323_200_000_000),
    "epoch": ([1_772_323_200] * 3, "epoch_s", 1_772_323_200_000_000),
    "epoch with parts": ([1_772_323_200.5] * 3, "epoch_s", 1_772_323_200_500_000),
    "aware": ([datetime(2026, 3, 1, tzinfo=UTC)] * 3, "datetime", 1_772_323_200_000_000),
}


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("to", [pl.DataFrame, pd.DataFrame, pa.table, dict], ids=lambda to: to.__module__)
def test_times_of_every_sort(logs, name, to):
    values, sort, micros = TIMES[name]
    assert log(to({**{key: DATA[key] for key in ("key", "p", "s", "site")}, "ts": values})) == 3
    if parquet(logs):
        (path,) = parquet(logs)
        assert json.loads(path.with_name(path.name + ".json").read_bytes())["time_type"] == sort
        assert logs.rows() == []
    else:
        assert {row["time"] for row in logs.rows()} == {micros}


def test_texts_that_only_python_reads_as_times_go_line_by_line(logs):
    assert log(FRAME.with_columns(ts=pl.lit("20260301T000000"))) == 3
    assert parquet(logs) == []
    assert {row["time"] for row in logs.rows()} == {1_772_323_200_000_000}


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("odd", [[1], [2], [3]]),
        pl.Series("odd", [{"a": 1}] * 3),
        pl.Series("odd", [datetime(2026, 1, 1)] * 3),
        pl.Series("odd", [object()] * 3, dtype=pl.Object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_columns_that_parquet_would_tell_otherwise_go_line_by_line(logs, column):
    assert log(FRAME.with_columns(column)) == 3
    assert parquet(logs) == []
    assert all(row["features"]["odd"] is not None for row in logs.rows())


def test_a_pandas_column_of_mixed_objects(logs):
    assert log(FRAME.to_pandas().assign(odd=[1, "a", None])) == 3
    assert [row["features"]["odd"] for row in logs.rows()] == [1, "a", None]
    assert log(FRAME.to_pandas().assign(grade=pd.Series([1, None, 2], dtype="category")), id=None) == 3
    assert pl.read_parquet(parquet(logs)[0])["grade"].to_list() == [1, None, 2]


def test_integer_names_are_texts(logs):
    frame = pd.DataFrame({0: [1.5], "p": [1], "ts": ["2026-03-01"]})
    assert log(frame, score=None, id=None, tags=[]) == 1
    assert pl.read_parquet(parquet(logs)[0])["0"].to_list() == [1.5]


@pytest.mark.parametrize(
    "frame", [FRAME, FRAME.to_pandas(), FRAME.to_arrow(), DATA], ids=lambda frame: type(frame).__module__
)
def test_a_row_without_a_label_says_nothing(logs, frame):
    assert wg.log_labels("fraud", frame, id="key", label="word", time="ts") == 2
    assert [(row["id"], row["label"]) for row in logs.rows("label")] == [("a", "x"), ("b", "y")]


def test_labels_without_times_become_known_now(logs):
    assert wg.log_labels("fraud", FRAME, id="key", label="p") == 3
    (time,) = {row["time"] for row in logs.rows("label")}
    assert time > EXPECTED[0][1]


@pytest.mark.parametrize(
    "empty", [FRAME[:0], FRAME[:0].to_pandas(), {name: [] for name in DATA}], ids=lambda frame: type(frame).__module__
)
def test_an_empty_frame_is_nothing_and_says_so(logs, empty, caplog):
    drops._warned.pop("empty frame", None)
    assert log(empty) == 0
    assert not logs.root.exists()
    assert "has no rows" in caplog.text


@pytest.mark.parametrize("held", HELD)
def test_a_column_that_is_not_there_is_named_with_the_nearest(logs, held):
    with pytest.raises(BadInput, match=r"prediction names a column 'pp', .* Did you mean 'p'\? It has: key, p, s"):
        log(HELD[held], prediction="pp")
    with pytest.raises(BadInput, match=r"tags names a column 'sites'.*'site'"):
        log(HELD[held], tags=["sites"])
    with pytest.raises(BadInput, match="time names a column 'when'"):
        log(HELD[held], time="when")
    assert not logs.root.exists()


@pytest.mark.parametrize(
    ("frame", "change", "says"),
    [
        (FRAME, {"time": "word"}, "time column 'word' holds nothing in 1 of 3 rows"),
        (FRAME, {"id": "ink"}, "id column 'ink' holds nothing in 1 of 3 rows"),
        (FRAME, {"time": "key"}, "a time in column 'key' cannot be"),
        (DATA, {"time": "key"}, "a time in column 'key' cannot be '[abc]'"),
        (FRAME, {"time": "new"}, "a time in column 'new' cannot be True"),
        (FRAME.with_columns(ts=pl.lit(1_772_323_200_000)), {}, "milliseconds"),
        (FRAME, {"tags": "site"}, "a list of columns"),
        (FRAME.lazy(), {}, "collect"),
        (42, {}, "a table cannot be a builtins.int"),
        ([1, 2], {}, "a table cannot be"),
        (np.zeros((3, 2)), {}, "a table cannot be"),
        ({"a": [1], "b": [1, 2]}, {}, "equally long"),
        ({"a": 5}, {}, "a list or an array"),
        (pd.DataFrame([[1, 2]], columns=["p", "p"]), {}, "more than one column 'p'"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, (str, dict)) else type(value).__name__,
)
def test_wrong_use_is_told_and_writes_nothing(logs, frame, change, says):
    with pytest.raises(BadInput, match=says):
        log(frame, **change)
    assert not list(logs.root.rglob("*.parquet*"))
    assert not list(logs.root.rglob("*.tmp"))
    assert logs.rows() == []


@pytest.mark.parametrize("held", ["polars", "pyarrow", "pandas", "dict of lists"])
def test_what_the_disk_refuses_is_counted_and_leaves_nothing(tmp_path, lost, held):
    (tmp_path / "file").write_text("not a folder")
    wg.init(tmp_path / "file" / "store")
    assert log(HELD[held]) == 0
    assert lost()["ENOTDIR"] == 3 + 1  # rows, and the columns announced before them


@pytest.mark.parametrize("held", ["polars", "pyarrow", "pandas", "dict of lists"])
def test_a_disk_that_fills_while_a_batch_is_written_leaves_nothing(python, tmp_path, held):
    script = f"""
import resource
import polars as pl, watchglass as wg
import pyarrow.parquet, pandas
from watchglass.capture import recorder
frame = pl.DataFrame({{"p": range(50_000), "ts": range(50_000)}})
held = {{"polars": frame, "pyarrow": frame.to_arrow(), "pandas": frame.to_pandas(), "dict of lists": frame.to_dict(as_series=False)}}[{held!r}]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
print(wg.log_predictions("m", held, prediction="p", time="ts"), sum(recorder.dropped().values()))
"""
    assert python(script).stdout.split() == ["0", "50000"]
    assert list((tmp_path / "store").rglob("*.parquet*")) + list((tmp_path / "store").rglob("*.tmp")) == []


def test_pandas_without_pyarrow_goes_line_by_line(python, remote):
    script = """
import sys
sys.modules["pyarrow"] = None
import pandas as pd, watchglass as wg
frame = pd.DataFrame({"p": [1, 0], "ts": pd.to_datetime(["2026-03-01", "2026-03-02"]), "x": [0.5, None], "c": pd.Series(["u", "v"], dtype="category")})
print(wg.log_predictions("m", frame, version="1", prediction="p", time="ts"))
"""
    assert python(script).stdout.strip() == "2"
    assert [row["features"] for row in remote.rows("prediction")] == [{"x": 0.5, "c": "u"}, {"x": None, "c": "v"}]
    assert [row["time"] for row in remote.rows("prediction")] == [1_772_323_200_000_000, 1_772_409_600_000_000]


def test_a_batch_is_durable_before_the_call_returns_and_ordered_with_its_announcement(python, remote):
    script = """
import os
synced = []
fsync = os.fsync
os.fsync = lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))[1]
import polars as pl, watchglass as wg
wg.log_predictions("m", pl.DataFrame({"p": [1], "ts": [0], "x": [1.5]}), prediction="p", time="ts")
print(*[name.rpartition(".")[2] if "." in name else "folder" for name in synced])
"""
    assert python(script).stdout.split() == [
        "tmp",
        "tmp",
        *["folder"] * 4,
    ]  # the files, the new names, the folders above once
    assert len(remote.graph("schema")) == 1


def test_what_an_engine_cannot_write_goes_line_by_line(logs):
    frame = FRAME.to_pandas().assign(big=pd.Series([2**70, 1, 2], dtype=object))
    assert log(frame) == 3
    assert parquet(logs) == []
    assert list((logs.root / "log" / "rows").glob("*.tmp")) == []
    assert [row["features"]["big"] for row in logs.rows()] == [2**70, 1, 2]
