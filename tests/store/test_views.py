"""The documented views: names, order and types of every column stay as they are, and the worked joins run."""

from __future__ import annotations

import re

import pytest

from tests.store.bench import BEGIN, DAY, label, prediction
from watchglass.store.asking.joins import JOINS
from watchglass.store.asking.views import DOCUMENTED

PROMISED = {
    "predictions": "id VARCHAR, time TIMESTAMP, model VARCHAR, version VARCHAR, environment VARCHAR, prediction VARCHAR, prediction_number DOUBLE, score DOUBLE, scores VARCHAR, latency DOUBLE, run VARCHAR, trace VARCHAR, weight BIGINT, error VARCHAR, tags JSON, features JSON",
    "labels": "id VARCHAR, time TIMESTAMP, model VARCHAR, environment VARCHAR, label VARCHAR",
    "label_history": "id VARCHAR, time TIMESTAMP, model VARCHAR, environment VARCHAR, label VARCHAR",
    "feedback": "id VARCHAR, time TIMESTAMP, model VARCHAR, environment VARCHAR, event VARCHAR",
    "metrics": "time TIMESTAMP, name VARCHAR, value DOUBLE, step BIGINT, labels VARCHAR, run VARCHAR, trace VARCHAR",
    "logs": "time TIMESTAMP, level VARCHAR, logger VARCHAR, message VARCHAR, tags VARCHAR, run VARCHAR, trace VARCHAR",
    "runs": "id VARCHAR, component VARCHAR, version VARCHAR, parent VARCHAR, trace VARCHAR, started TIMESTAMP, ended TIMESTAMP, status VARCHAR, error VARCHAR, params VARCHAR, metrics VARCHAR, code VARCHAR, host VARCHAR, pid BIGINT, notes VARCHAR, environment VARCHAR, resources VARCHAR, left_out VARCHAR, tests VARCHAR, links VARCHAR",
    "artifacts": "name VARCHAR, version VARCHAR, kind VARCHAR, rows BIGINT, columns VARCHAR, bytes BIGINT, path VARCHAR, preview VARCHAR, time TIMESTAMP, kept VARCHAR, policy VARCHAR, profile VARCHAR, quarantined TIMESTAMP",
    "reads": "run VARCHAR, name VARCHAR, version VARCHAR, rule VARCHAR, time TIMESTAMP",
    "writes": "run VARCHAR, name VARCHAR, version VARCHAR, rule VARCHAR, time TIMESTAMP",
    "run_links": "run VARCHAR, upstream VARCHAR, time TIMESTAMP",
    "environments": "id VARCHAR, record VARCHAR, time TIMESTAMP",
    "sources": "id VARCHAR, text VARCHAR, name VARCHAR, time TIMESTAMP",
    "flags": "name VARCHAR, version VARCHAR, time TIMESTAMP, who VARCHAR, note VARCHAR, removed TIMESTAMP, removed_by VARCHAR",
    "subject_tags": "name VARCHAR, version VARCHAR, tag VARCHAR, run VARCHAR, time TIMESTAMP",
    "quarantines": "name VARCHAR, version VARCHAR, time TIMESTAMP, run VARCHAR, released TIMESTAMP, released_by VARCHAR, reason VARCHAR",
    "retractions": "tag VARCHAR, time TIMESTAMP, block_after TIMESTAMP, who VARCHAR",
    "components": "name VARCHAR, description VARCHAR, owner VARCHAR, tags VARCHAR, time TIMESTAMP",
    "models": "name VARCHAR, task VARCHAR, slices VARCHAR, window VARCHAR, label_delay VARCHAR, false_alerts_per_year DOUBLE, reference BIGINT, time TIMESTAMP, feedback VARCHAR",
    "model_versions": "model VARCHAR, version VARCHAR, artifact VARCHAR, artifact_version VARCHAR, run VARCHAR, time TIMESTAMP",
    "deployments": "model VARCHAR, version VARCHAR, environment VARCHAR, time TIMESTAMP, run VARCHAR",
    "columns": "model VARCHAR, role VARCHAR, name VARCHAR, type VARCHAR, purpose VARCHAR, unit VARCHAR, whole BOOLEAN, declared BOOLEAN, since TIMESTAMP",
    "column_changes": "model VARCHAR, role VARCHAR, name VARCHAR, change VARCHAR, before VARCHAR, after VARCHAR, rows BIGINT, time TIMESTAMP",
    "verdicts": "id BIGINT, model VARCHAR, environment VARCHAR, kind VARCHAR, window TIMESTAMP, judged TIMESTAMP, status VARCHAR, evidence DOUBLE, strip DOUBLE",
    "incidents": "id BIGINT, model VARCHAR, environment VARCHAR, kind VARCHAR, severity VARCHAR, state VARCHAR, onset TIMESTAMP, raised TIMESTAMP, closed TIMESTAMP",
    "rejected": "id BIGINT, segment VARCHAR, line BIGINT, reason VARCHAR, raw VARCHAR, rows BIGINT, model VARCHAR, role VARCHAR, name VARCHAR, time TIMESTAMP",
    "drops": "writer VARCHAR, reason VARCHAR, rows BIGINT, time TIMESTAMP",
    "repeats": "model VARCHAR, environment VARCHAR, id VARCHAR, rows BIGINT",
    "late_labels": "model VARCHAR, environment VARCHAR, rows BIGINT",
    "audit": "id BIGINT, time TIMESTAMP, action VARCHAR, who VARCHAR, record VARCHAR",
    "questions": "name VARCHAR, sql VARCHAR, model VARCHAR, description VARCHAR, time TIMESTAMP",
}


def shape(bench, view, model=None):
    found = bench.ask(f"SELECT column_name AS n, column_type AS t FROM (DESCRIBE SELECT * FROM {view})", model)
    return ", ".join(f"{row['n']} {row['t']}" for row in found)


def a_graph(bench):
    run = {"kind": "run", "version": "v", "trace": "t", "status": "ok", "started": BEGIN, "ended": BEGIN + 5}
    edges = {
        "reads": [{"name": "rows", "version": "d1", "time": BEGIN, "artifact": {"kind": "table", "rows": 7}}],
        "writes": [{"name": "net", "version": "m1", "time": BEGIN + 4}],
    }
    code = {"function": "clean.train", "source_hash": "abc", "commit": "0f"}
    events = [
        {"kind": "component", "name": "train", "owner": "ana", "time": BEGIN},
        {**run, "id": "r1", "component": "train", "code": code, **edges},
        {**run, "id": "r0", "component": "load", "reads": [], "writes": [{"name": "rows", "version": "d1", "time": BEGIN - 9}]},
        {**run, "id": "r2", "component": "serve", "upstream": ["r1"], "environment": "e1"},
        {"kind": "model", "name": "digits", "version": "1", "artifact": {"name": "net", "version": "m1"}, "run": "r1", "time": BEGIN},
        {"kind": "deployment", "model": "digits", "version": "1", "time": BEGIN, "run": "r1"},
        {"kind": "environment", "id": "e1", "record": {"python": "3.11"}, "time": BEGIN},
        {"kind": "source", "id": "abc", "text": "def train(): ...", "name": "clean.train", "time": BEGIN},
        {"kind": "release", "name": "net", "version": "m1", "marked": [BEGIN], "time": BEGIN, "who": "ana", "reason": "looked"},
        {"kind": "flag", "name": "net", "version": "m1", "time": BEGIN, "who": "ana", "note": "wrong"},
        {"kind": "subject_tag", "name": "rows", "version": "d1", "tag": "client 7", "run": "r0", "time": BEGIN},
        {"kind": "retraction", "tag": "client 7", "time": BEGIN, "block_after": BEGIN + DAY, "who": "ana"},
    ]  # fmt: skip
    bench.write("graph", events)


def test_the_views_are_those_that_were_promised():
    said = {
        view.name: ", ".join(f"{column.name} {column.type}" for column in view.columns) for view in DOCUMENTED.values()
    }
    assert said == PROMISED


def test_every_view_has_these_columns_with_rows_in_it_and_without(bench):
    for _ in range(3):
        for view, columns in PROMISED.items():
            assert shape(bench, view) == columns
        bench.model()
        a_graph(bench)
        bench.write("rows", [prediction(1), label(1, "1")])
        bench.compact()
        bench.write("rows", [prediction(2), label(2, "1")])


def test_with_a_model_features_and_tags_are_typed(bench):
    bench.model()
    bench.write("rows", [prediction(1)])
    typed = PROMISED["predictions"].replace("tags JSON", "tags STRUCT(site VARCHAR)")
    for _ in range(2):
        assert shape(bench, "predictions", "digits").replace('"', "") == typed.replace(
            "features JSON", "features STRUCT(ink DOUBLE)"
        )
        bench.compact()


@pytest.mark.parametrize("view", DOCUMENTED.values(), ids=lambda view: view.name)
def test_every_view_and_column_has_one_sentence(view):
    for text in (view.sentence, *(column.sentence for column in view.columns)):
        assert re.search(r"^[A-Z`$a-z].*[.`]$", text), text


@pytest.mark.parametrize("join", JOINS, ids=lambda join: join.sentence)
def test_the_worked_joins_give_rows(bench, join):
    bench.model()
    a_graph(bench)
    bench.write("rows", [prediction(1, run="r2"), label(1, "1"), prediction(2, run="r2"), label(2, "7")])
    for _ in range(2):
        assert bench.ask(join.sql), join.sentence
        bench.compact()


def test_a_prediction_leads_to_the_function_that_made_its_model(bench):
    bench.model()
    a_graph(bench)
    bench.write("rows", [prediction(1)])
    found = bench.ask(JOINS[1].sql)
    assert [(row["id"], row["component"], row["function"], row["source"], row["commit"]) for row in found] == [
        ("p1", "train", "clean.train", "abc", "0f")
    ]


def test_labels_are_the_latest_and_what_was_taken_back_is_not_there(bench):
    bench.model()
    said = [(1, "3", 1), (1, "4", 2), (2, "3", 1), (2, None, 2), (3, None, 1), (3, "9", 2), (4, None, 1), (4, "5", 1)]
    bench.write("rows", [label(number, truth, time=BEGIN + day * DAY) for number, truth, day in said])
    for _ in range(2):
        assert bench.ask("SELECT id, label FROM labels ORDER BY id") == [
            {"id": "p1", "label": "4"}, {"id": "p3", "label": "9"}, {"id": "p4", "label": "5"},
        ]  # fmt: skip
        assert bench.ask("SELECT count(*) AS n, count(label) AS told FROM label_history") == [{"n": 8, "told": 5}]
        bench.compact()
