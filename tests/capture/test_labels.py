"""Labels one by one and as whole data sets, from whatever holds them; retractions; feedback; rules of feedback."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather

import watchglass as wg
from watchglass.capture import datasets, drops, recorder
from watchglass.capture.feedback import Rule, rule_of
from watchglass.errors import BadInput, MissingLibrary

ROWS = [
    {"tx": "a", "y": 1, "ts": "2026-03-01T10:00:00+00:00"},
    {"tx": "b", "y": 0, "ts": "2026-03-01T11:00:00+00:00"},
    {"tx": "c", "y": None, "ts": "2026-03-02"},
]
SAID = [("a", "1", "2026-03-01T10"), ("b", "0", "2026-03-01T11")]
NAMES = {"id": "tx", "label": "y", "time": "ts"}


def told(folder):
    """The label history of a store: (id, label, time to the hour)."""
    recorder.close()
    with wg.open(folder) as store:
        rows = store.sql("SELECT id, label, time FROM label_history ORDER BY time, id").rows()
    return [(row["id"], row["label"], row["time"].isoformat()[:13]) for row in rows]


@pytest.fixture
def unwarned(monkeypatch, caplog):
    """Nobody was warned of anything yet."""
    monkeypatch.setattr(drops, "_warned", {})
    return caplog


@pytest.fixture
def folder(logs):
    return logs.root


def csv_of(path, rows=ROWS, separator=","):
    lines = [["tx", "y", "ts", "note"], *([r["tx"], "" if r["y"] is None else str(r["y"]), r["ts"], "x"] for r in rows)]
    path.write_text("\n".join(separator.join(line) for line in lines) + "\n", encoding="utf-8-sig")
    return path


def files(folder):
    frame = pl.DataFrame(ROWS)
    frame.write_parquet(folder / "labels.parquet")
    frame.write_csv(folder / "labels.tsv", separator="\t")
    feather.write_feather(frame.to_arrow(), str(folder / "labels.arrow"))
    csv_of(folder / "labels.csv")
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (folder / "labels.jsonl").write_text(lines + "\n")
    (folder / "labels.json").write_text(json.dumps(ROWS, indent=1))
    (folder / "labels.csv.gz").write_bytes(gzip.compress((folder / "labels.csv").read_bytes()))
    return sorted(path.name for path in folder.glob("labels.*"))


KINDS = ["labels.arrow", "labels.csv", "labels.csv.gz", "labels.json", "labels.jsonl", "labels.parquet", "labels.tsv"]


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_every_kind_gives_the_same_labels(folder, tmp_path, name):
    made = tmp_path / "files"
    made.mkdir()
    assert files(made) == KINDS
    found = wg.log_labels("fraud", made / name, **NAMES)
    assert (found, found.missing) == (2, 1)
    assert told(folder) == SAID


HELD = {
    "generator": lambda: (row for row in ROWS),
    "tuple of dicts": lambda: tuple(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "pandas": lambda: pd.DataFrame(ROWS),
    "pyarrow": lambda: pa.Table.from_pylist(ROWS),
    "dict of columns": lambda: {name: [row[name] for row in ROWS] for name in ("tx", "y", "ts")},
}


@pytest.mark.parametrize("held", HELD)
def test_whatever_holds_them_gives_the_same_labels(folder, held):
    found = wg.log_labels("fraud", HELD[held](), **NAMES)
    assert (found, found.missing) == (2, 1)
    assert [(ident, float(label), time) for ident, label, time in told(folder)] == [
        (ident, float(label), time) for ident, label, time in SAID
    ]


def test_the_answer_of_a_query_is_taken_as_it_is(folder):
    wg.log_labels("fraud", ROWS, **NAMES)
    recorder.close()
    with wg.open(folder) as store:
        answer = store.sql("SELECT id, label, time + INTERVAL 1 DAY AS time FROM labels")
        assert wg.log_labels("fraud", answer, time="time", environment="shadow") == 2
        recorder.close()
        rows = store.sql("SELECT id, label, environment, time FROM labels ORDER BY time").rows()
    assert [(row["id"], row["environment"]) for row in rows] == [(i, e) for e in ("live", "shadow") for i in "ab"]


def test_an_empty_data_set_records_nothing_and_says_so(logs, unwarned):
    assert wg.log_labels("fraud", iter(()), **NAMES) == 0
    assert logs.rows() == []
    assert "has no rows: nothing is recorded" in unwarned.text


def test_a_row_without_a_label_takes_back_when_asked_to(folder):
    wg.log_labels("fraud", [{"tx": "c", "y": 1, "ts": "2026-03-01"}], **NAMES)
    found = wg.log_labels("fraud", pl.DataFrame(ROWS), **NAMES, retract_missing=True)
    assert (found, found.missing) == (3, 1)
    assert told(folder) == [("c", "1", "2026-03-01T00"), *SAID, ("c", None, "2026-03-02T00")]
    with wg.open(folder) as store:
        assert [row["id"] for row in store.sql("SELECT id FROM labels ORDER BY id")] == ["a", "b"]
        store.compact()
        assert [row["id"] for row in store.sql("SELECT id FROM labels ORDER BY id")] == ["a", "b"]
        assert len(store.sql("SELECT id FROM label_history")) == 4


@pytest.mark.parametrize("missing", [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT])
def test_a_label_that_is_none_is_not_recorded_for_it_would_take_back(logs, unwarned, missing):
    wg.log_label("fraud", "a", missing)
    wg.log_label("fraud", "b", 0)
    assert [row["id"] for row in logs.rows("label")] == ["b"]
    assert "retract_label takes one back" in unwarned.text


def test_a_nan_in_a_column_says_nothing_whoever_writes_the_file(folder):
    times = [datetime(2026, 3, 1, tzinfo=UTC)] * 3
    frame = pd.DataFrame({"id": ["a", "b", "c"], "label": [1.0, float("nan"), 0.0], "time": times})
    found = wg.log_labels("fraud", frame, time="time")
    assert (found, found.missing) == (2, 1)
    assert [label for _, label, _ in told(folder)] == ["1.0", "0.0"]


def test_a_retraction_is_a_label_of_null_with_a_time_of_its_own(logs):
    wg.log_label("fraud", "a", 1, time="2026-03-01")
    wg.retract_label("fraud", "a", time="2026-03-02", environment="shadow")
    wg.retract_label("fraud", "a")
    first, second, third = logs.rows("label")
    assert (first["label"], second["label"], third["label"]) == (1, None, None)
    assert (second["environment"], third["environment"]) == ("shadow", "live")
    assert third["time"] > second["time"] > first["time"]
    with pytest.raises(BadInput, match="id cannot be ''"):
        wg.retract_label("fraud", "")


def test_a_label_after_a_retraction_counts_again(folder):
    for day, label in enumerate((1, None, 0), start=1):
        time = datetime(2026, 3, day, tzinfo=UTC)
        if label is None:
            wg.retract_label("fraud", "a", time=time)
        else:
            wg.log_label("fraud", "a", label, time=time)
    recorder.close()
    with wg.open(folder) as store:
        assert [row["label"] for row in store.sql("SELECT label FROM labels")] == ["0"]
        store.compact()
        assert [row["label"] for row in store.sql("SELECT label FROM labels")] == ["0"]
        assert [row["label"] for row in store.sql("SELECT label FROM label_history ORDER BY time")] == ["1", None, "0"]


def test_a_large_data_set_goes_in_parts_and_a_bad_row_says_what_is_recorded(folder, monkeypatch):
    monkeypatch.setattr(datasets, "ROWS", 2)
    rows = ({"id": f"r{n}", "label": n} if n < 5 else ["no dict"] for n in range(7))
    with pytest.raises(BadInput, match=r"row 6 of the data cannot be a list.* The 4 labels before it are recorded"):
        wg.log_labels("fraud", rows)
    assert [ident for ident, _, _ in told(folder)] == ["r0", "r1", "r2", "r3"]


def test_a_column_that_only_later_rows_have_is_found_and_one_that_none_has_is_not(folder, monkeypatch):
    monkeypatch.setattr(datasets, "ROWS", 2)
    rows = [{"id": "a", "label": 1}, {"id": "b"}, {"id": "c"}, {"id": "d", "label": 2}]
    found = wg.log_labels("fraud", iter(rows))
    assert (found, found.missing) == (2, 2)
    with pytest.raises(BadInput, match=r"label names a column 'lable'.* Did you mean 'label'|It has: id"):
        wg.log_labels("fraud", iter(rows), label="lable")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "id,label\nx,1\ny,2,3\n", "line 3 of .* more cells"),
        ("a.csv", b"id,label\n\xff\xfe,1\n", "cannot be read"),
        ("a.csv", "tx,label\nx,1\n", "id names a column 'id'"),
        ("a.csv", "id,label\n,1\n", "id column 'id' holds nothing in 1 of 1 rows"),
        ("a.jsonl", '{"id": "x", "label": 1}\n{"id"\n', "line 2 of .* is not JSON"),
        ("a.jsonl", "[1]", "row 1 of .* cannot be a int"),
        ("a.json", '[{"id": "x"', "is not JSON"),
        ("a.csv.gz", "id,label\nx,1\n", "cannot be read"),
        ("a.parquet", "no Parquet", "cannot be read"),
        ("a.xlsx", "", "no known kind"),
        ("a", "", "no known kind"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(tmp_path, name, text, why):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInput, match=why):
        wg.log_labels("fraud", str(path))


def test_a_file_that_is_not_there_or_lacks_a_column_is_told(tmp_path):
    with pytest.raises(BadInput, match="there is no file"):
        wg.log_labels("fraud", tmp_path / "none.csv")
    for write in (lambda frame, path: frame.write_parquet(path), lambda frame, path: frame.write_ipc(path)):
        path = tmp_path / f"t.{'arrow' if (tmp_path / 't.parquet').exists() else 'parquet'}"
        write(pl.DataFrame({"id": ["a"]}), path)
        with pytest.raises(BadInput, match="has no column 'label'. It has: id"):
            wg.log_labels("fraud", path)


def test_a_number_in_the_time_column_of_a_text_file_is_epoch_seconds_and_eight_digits_are_a_day(folder, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,label,ts\na,1,1772323200.5\nb,1,20260302\n")
    wg.log_labels("fraud", path, time="ts")
    assert told(folder) == [("a", "1", "2026-03-01T00"), ("b", "1", "2026-03-02T00")]


def test_parquet_without_a_library_for_it_names_the_command_that_needs_none(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"id": ["a"], "label": [1]}).write_parquet(path)
    monkeypatch.setattr(datasets, "find_spec", lambda _: None)
    monkeypatch.setattr(datasets.sys, "modules", {})
    monkeypatch.setitem(datasets.sys.modules, "pyarrow", None)
    with pytest.raises(MissingLibrary, match="watchglass log labels"):
        wg.log_labels("fraud", path)


def test_parquet_is_read_by_polars_where_pyarrow_is_not(folder, tmp_path, monkeypatch):
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame(ROWS).write_ipc(tmp_path / "a.arrow")
    monkeypatch.setattr(datasets, "_with_pyarrow", None)
    monkeypatch.setattr(datasets, "sorted", lambda *_, **__: ["polars"], raising=False)
    for name in ("a.parquet", "a.arrow"):
        assert wg.log_labels("fraud", tmp_path / name, **NAMES) == 2
    assert told(folder) == sorted(2 * SAID, key=lambda row: row[2])


def test_feedback_is_an_event_of_its_own(logs):
    wg.log_feedback("ads", "a", event="click", time="2026-03-01", environment="shadow")
    wg.log_feedback("ads", 7, event="buy")
    first, second = logs.rows("feedback")
    assert first == {
        "kind": "feedback",
        "model": "ads",
        "id": "a",
        "event": "click",
        "time": 1772323200000000,
        "environment": "shadow",
    }
    assert (second["id"], second["event"], second["environment"]) == ("7", "buy", "live")
    with pytest.raises(BadInput, match="event cannot be ''"):
        wg.log_feedback("ads", "a", event="")


def test_feedback_is_asked_for_like_everything_else(folder):
    wg.log_feedback("ads", "a", event="click", time="2026-03-01")
    recorder.close()
    query = "SELECT id, time, model, environment, event FROM feedback"
    with wg.open(folder) as store:
        tail = store.sql(query).rows()
        store.compact()
        assert store.sql(query).rows() == tail
        assert len(tail) == 1
        assert store.sql(query, model="ads").rows() == tail


@pytest.mark.parametrize(
    ("rule", "means"),
    [
        ({"event": "click", "within": "30m"}, Rule("click", 1_800_000_000, "1", "0")),
        ({"event": "x", "within": timedelta(hours=1.5)}, Rule("x", 5_400_000_000, "1", "0")),
        ({"event": "x", "within": "0.5 s", "positive": True, "negative": False}, Rule("x", 500_000, "true", "false")),
        ({"event": "x", "within": "7d", "positive": "yes", "negative": "no"}, Rule("x", 604_800_000_000, "yes", "no")),
    ],
)
def test_a_rule_of_feedback_goes_with_the_model(logs, rule, means):
    wg.log_model("ads", version="1", feedback=rule)
    (event,) = logs.graph("model")
    assert rule_of(event["feedback"]) == means


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("click", "a rule such as"),
        ({"event": "click"}, "'within' wrongly or not at all"),
        ({"event": "click", "within": "30m", "after": 1}, "'after' wrongly or not at all"),
        ({"event": "", "within": "30m"}, "the event of feedback cannot be ''"),
        ({"event": "click", "within": "30"}, "within of feedback cannot be '30'"),
        ({"event": "click", "within": "0s"}, "within of feedback cannot be '0s'"),
        ({"event": "click", "within": "367d"}, "within of feedback cannot be '367d'"),
        ({"event": "click", "within": 30}, "within of feedback cannot be 30"),
        ({"event": "click", "within": timedelta(-1)}, "within of feedback cannot be '-86400s'"),
        ({"event": "click", "within": "30m", "positive": None}, "positive of feedback cannot be None"),
        ({"event": "click", "within": "30m", "negative": Decimal(1)}, "negative of feedback cannot be Decimal"),
        ({"event": "click", "within": "30m", "positive": "click", "negative": "none"}, "must sort last"),
        ({"event": "click", "within": "30m", "positive": 0, "negative": 0}, "must sort last"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_with_what_would_do(rule, why):
    with pytest.raises(BadInput, match=why):
        wg.log_model("ads", version="1", feedback=rule)
