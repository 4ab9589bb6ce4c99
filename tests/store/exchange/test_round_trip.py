"""What is exported and imported into an empty store is the same, whatever the format: every row, type and missing value."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest

import watchglass as wg
from tests.store.bench import promised
from watchglass.capture import recorder
from watchglass.errors import BadInput, MissingLibrary, UnknownName
from watchglass.reading import Store
from watchglass.store.exchange.manifest import read
from watchglass.store.exchange.tables import FORMATS, TABLES

if TYPE_CHECKING:
    from pathlib import Path

VIEWS = (
    "label_history",
    "labels",
    "feedback",
    "metrics",
    "logs",
    "runs",
    "reads",
    "writes",
    "artifacts",
    "run_links",
    "environments",
    "sources",
    "quarantines",
    "flags",
    "subject_tags",
    "retractions",
    "components",
    "models",
    "model_versions",
    "deployments",
)
ODD = ["", "ünïcode \u2028 🔭", 'line\nbreak, "quoted"\r\n', "\\N", "NULL", " blank ", "'", "nan"]
JUDGED = {"rejected", "monitors", "verdicts", "incidents"}  # test_judgements.py has these
TOUCHED = {
    "writes": [
        {
            "name": "out",
            "version": "1",
            "time": 6,
            "artifact": {"kind": "text", "policy": "full", "kept": "f", "quarantined": 9},
        }
    ]
}


def recorded(root):
    """Record what is hard to write into files: odd texts, missing values, many models, an odd name, all kinds of rows."""
    wg.init(root)
    wg.log_model("m", version="1", task="binary", slices=["site"], label_delay="3d")
    with wg.run("train", params={"lr": 0.1, "odd": ODD, "big": 2**62}) as run:
        run.read({"a": 1}, name="in")
        run.write("content", name="out")
        run.metric("auc", 0.5, step=1)
        run.note('a "note"\n')
        wg.log_prediction(
            "m", id="a", version="1", features={"x": 1e300, "whole": 3, "j": {"a": [1, None]}, "b": True}, prediction=1
        )
    for number, text in enumerate(ODD):
        wg.log_prediction(
            "m",
            id=f"odd{number}",
            time=1_780_272_000 + number * 1e-6,
            features={"s": text, "x": [None, 0.1, -0.0, 5e-324][number % 4]},
            prediction=text,
            score={"1": 0.3, text: 0.7},
            tags={"site": text},
            latency=0.25,
            error=ValueError(text),
            environment="shadow" if number % 2 else "live",
        )
        wg.log_label("m", f"odd{number}", text, environment="shadow" if number % 2 else "live")
        wg.log_label("m", f"odd{number}", "later")
    wg.retract_label("m", "odd0")
    wg.log_prediction("a/b ..", id="other", features={"x": "a text here"}, prediction=2)
    wg.log_prediction("bare", id="bare")
    frame = {"p": [1, 0], "x": [math.nan, math.inf], "t": [1.7e9, 1.7e9 + 1e-6], "s": ["\u2028", None]}
    wg.log_predictions("m", pl.DataFrame(frame), prediction="p", time="t", version="2")
    wg.log_metric("depth", 3, labels={"of": ODD[2]}, step=2**52)
    wg.log_metric("depth", math.nan)
    wg.log_feedback("m", "a", event="click")
    wg.deploy("m", version="1")
    log = wg.LogHandler()
    import logging

    log.handle(logging.LogRecord("logger", 30, "", 0, ODD[2], None, None))
    wg.flush()
    graph = [
        {"kind": "run", "id": "r", "component": "c", "started": 5, "upstream": ["q"], "left_out": [ODD[2]], "environment": "e", **TOUCHED},
        {"kind": "environment", "id": "e", "record": {"python": ODD[2]}, "time": 1},
        {"kind": "source", "id": "s", "text": ODD[2], "name": "f", "time": 2},
        {"kind": "release", "name": "out", "version": "2", "marked": [8], "time": 9, "reason": ODD[2]},
        {"kind": "flag", "name": "out", "version": "1", "time": 3, "note": ODD[2]},
        {"kind": "unflag", "name": "out", "version": "1", "flagged": [3], "time": 4, "who": "ana"},
        {"kind": "subject_tag", "name": "out", "tag": ODD[1], "time": 5},
        {"kind": "retraction", "tag": ODD[1], "time": 6, "block_after": 7},
    ]  # fmt: skip
    lines = b"".join(json.dumps(event).encode() + b"\n" for event in graph)
    (root / "log" / "graph" / promised("graph", 1)).write_bytes(lines)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("recorded") / "store"
    recorded(root)
    recorder.close()
    with Store(root) as opened:
        opened.compact()
        yield opened


def content(store, query, model=None):
    """Give what a question is answered, in an order of its own, values and their types told apart."""
    return sorted(repr(sorted(row.items())) for row in store.sql(query, model).rows())


def assert_the_same(one, other):
    for model in ("m", "a/b ..", "bare"):
        query = "SELECT * FROM predictions"
        assert content(other, query, model) == content(one, query, model)
    for view in VIEWS:
        assert content(other, f"SELECT * FROM {view}") == content(one, f"SELECT * FROM {view}"), view


@pytest.mark.parametrize("form", FORMATS)
def test_every_view_gives_the_same_after_export_and_import(store, tmp_path, form):
    done = store.export(tmp_path / "out", format=form)
    assert (done.rows, done.tables["predictions"], done.tables["labels"]) == (sum(done.tables.values()), 13, 17)
    assert set(TABLES) - set(done.tables) == {"questions", "settings", *JUDGED}
    with Store(tmp_path / "new", create=True) as other:
        told = []
        taken = other.import_(tmp_path / "out", progress=lambda done, total: told.append((done, total)))
        assert (taken.rows, taken.rejected, taken.already) == (done.rows, 0, 0)
        assert told[-1] == (done.rows, done.rows)
        assert_the_same(store, other)
        again = other.import_(tmp_path / "out")
        assert (again.files, again.rows, again.already) == (0, 0, taken.files)
        assert_the_same(store, other)
        other.compact()
        store.compact()
        for one in ("m", "bare"):
            assert other.label_coverage(one) == store.label_coverage(one)
        assert [audit.action for audit in other.audits().audits] == ["import"]
        assert other.doctor().sound


def test_what_lies_in_the_log_alone_is_exported_too(tmp_path):
    wg.init(tmp_path / "store")
    wg.log_prediction("m", id="fresh", features={"x": 1.5}, prediction=1)
    wg.log_label("m", "fresh", 1)
    with Store(tmp_path / "store") as store:
        store.export(tmp_path / "out")
    found = duckdb.sql(
        f"SELECT id, features.x AS x FROM read_parquet('{tmp_path}/out/predictions/m/*.parquet')"
    ).fetchall()
    assert found == [("fresh", 1.5)]


def test_rows_are_chosen_by_table_model_environment_and_time(store, tmp_path):
    done = store.export(tmp_path / "a", ["predictions"], model="m", environment="shadow")
    assert done.tables == {"predictions": 4}
    done = store.export(
        tmp_path / "b", ["predictions", "models"], model="m", start=1_780_272_000, end="2026-06-01T00:00:00.000003Z"
    )
    assert done.tables == {"predictions": 3, "models": 1}
    manifest = read(tmp_path / "b")
    assert manifest.filters["model"] == "m"
    assert manifest.counts == done.tables


def test_an_export_goes_where_nothing_is_and_into_no_unknown_format(store, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"holds something already \('note.txt'\)"):
        store.export(tmp_path / "full")
    with pytest.raises(BadInput, match="parquet, csv, jsonl, delta would do"):
        store.export(tmp_path / "x", format="xml")
    with pytest.raises(BadInput, match="Did you mean 'predictions'"):
        store.export(tmp_path / "x", ["prediction"])
    with pytest.raises(BadInput, match="must come before end"):
        store.export(tmp_path / "x", start=2, end=1)
    with pytest.raises(UnknownName):
        store.export(tmp_path / "x", model="n")
    assert not (tmp_path / "x").exists()


def test_delta_without_its_library_names_what_installs_it(store, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'watchglass\[delta\]'"):
        store.export(tmp_path / "out", format="delta")
    assert not (tmp_path / "out").exists()


def test_a_delta_table_of_an_export_is_one_to_others(store, tmp_path):
    import deltalake

    store.export(tmp_path / "out", ["predictions"], model="m", format="delta")
    table = deltalake.DeltaTable(str(tmp_path / "out" / "predictions" / "m"))
    assert len(table.file_uris()) >= 1
    assert {"id", "time", "features", "tags"} <= {field.name for field in table.schema().fields}


def test_half_an_export_and_a_changed_one_are_refused(store, tmp_path):
    store.export(tmp_path / "out", ["models", "predictions"], format="csv")
    (path,) = (tmp_path / "out" / "predictions" / "bare").glob("*.csv")
    path.write_bytes(path.read_bytes().replace(b"bare", b"bear"))
    with Store(tmp_path / "new", create=True) as other:
        with pytest.raises(BadInput, match="is not what was exported"):
            other.import_(tmp_path / "out", table="predictions")
        path.unlink()
        with pytest.raises(BadInput, match="is gone, though the manifest lists it"):
            other.import_(tmp_path / "out", table="predictions")
        (tmp_path / "out" / "manifest.json").unlink()
        with pytest.raises(BadInput, match="no whole export"):
            other.import_(tmp_path / "out")
        with pytest.raises(BadInput, match="which needs its model"):
            other.import_(tmp_path / "out", time="t")


def test_a_manifest_that_leads_outside_is_refused(store, tmp_path):
    store.export(tmp_path / "out", ["models"])
    path = tmp_path / "out" / "manifest.json"
    told = json.loads(path.read_text())
    told["files"][0]["path"] = "../../etc/passwd"
    path.write_text(json.dumps(told))
    with Store(tmp_path / "new", create=True) as other, pytest.raises(BadInput, match="which no export does"):
        other.import_(tmp_path / "out")
    path.write_text(json.dumps({**told, "version": 99}))
    with Store(tmp_path / "new", create=True) as other, pytest.raises(BadInput, match="pip install --upgrade"):
        other.import_(tmp_path / "out")


def resummed(root: Path, path: Path, data: bytes):
    """Change a file of an export as someone does who knows its manifest."""
    from watchglass.store.parquet import sum_of

    path.write_bytes(data)
    told = json.loads((root / "manifest.json").read_text())
    for entry in told["files"]:
        if entry["path"] == str(path.relative_to(root)):
            entry |= {"bytes": len(data), "sum": sum_of(path)}
    (root / "manifest.json").write_text(json.dumps(told))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_broken_row_costs_only_itself_and_is_counted(store, tmp_path, form):
    store.export(tmp_path / "out", ["predictions"], model="bare", format=form)
    (path,) = (tmp_path / "out" / "predictions" / "bare").iterdir()
    text = path.read_text()
    line = text.splitlines()[-1]
    no_id = line.replace('"bare"', '""', 1)
    no_time = line.replace("2026-", "someday-").replace('"bare"', '"x"', 1)
    odd_weight = line.replace('"bare"', '"odd"', 1).replace(
        '"1"' if form == "csv" else '"weight":1', '"heavy"' if form == "csv" else '"weight":"heavy"'
    )
    broken = '"only one\n' if form == "csv" else '{"broken\n'
    body = text + f"{no_id}\n{no_time}\n{odd_weight}\n" + ("one,two\n" if form == "csv" else broken)
    resummed(tmp_path / "out", path, body.encode())
    with Store(tmp_path / "new", create=True) as other:
        taken = other.import_(tmp_path / "out")
        assert (taken.rows, taken.rejected) == (2, 4)
        assert [row["id"] for row in other.sql("SELECT id FROM predictions ORDER BY id").rows()] == ["bare", "odd"]
        reasons = sorted(str(row["reason"]) for row in other.sql("SELECT reason FROM rejected").rows())
        assert any("weight: value is not a BIGINT" in reason for reason in reasons)
        assert len(reasons) == 4


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_that_lacks_a_column_of_today_is_taken_in_without_it(store, tmp_path, form, monkeypatch):
    """As one of an older package does; this package writes it with the table as it was then."""
    from dataclasses import replace

    from watchglass.store.exchange.tables import KINDS

    older = replace(KINDS["runs"], columns=tuple(column for column in KINDS["runs"].columns if column[0] != "left_out"))
    with monkeypatch.context() as then:
        then.setitem(KINDS, "runs", older)
        store.export(tmp_path / "out", tables=["runs"], format=form)
    with Store(tmp_path / "new", create=True) as other:
        taken = other.import_(tmp_path / "out")
        assert taken.rejected == 0
        query = "SELECT id, component, environment, left_out FROM runs"
        expected = [{**row, "left_out": None} for row in store.sql(query).rows()]
        assert content(other, query) == sorted(repr(sorted(row.items())) for row in expected)
