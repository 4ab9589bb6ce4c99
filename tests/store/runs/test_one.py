"""One run with all that is known of it."""

from __future__ import annotations

import pytest

from tests.store.bench import BEGIN, prediction
from watchglass.errors import UnknownName


def test_everything_of_a_run_is_told(line):
    line.write(
        "graph",
        [
            {
                "kind": "environment",
                "id": "e1",
                "record": {"python": "3.11.2", "packages": {"numpy": "2.1"}},
                "time": BEGIN,
            },
            {"kind": "source", "id": "s1", "text": "def train(): ...", "name": "train", "time": BEGIN},
            {
                "kind": "component",
                "name": "train",
                "description": "fits",
                "owner": "ana",
                "tags": ["ml"],
                "time": BEGIN,
            },
        ],
    )
    line.ran("ingest", [], [("rows", "v1")])
    run = line.ran(
        "train",
        [("rows", "v1"), "settings"],
        [("model", "m1")],
        version="1",
        params={"lr": 0.1},
        metrics={"auc": 0.9},
        code={"commit": "c0ffee", "source_hash": "s1"},
        environment="e1",
        resources={"cpu_seconds": 1.5},
        tests=[{"name": "rows", "when": "before", "level": "warn", "ok": False, "message": "few"}],
        left_out=["the profile of rows: too large"],
        links={"traceparent": "00-1"},
        host="h",
        pid=7,
        notes=["a note"],
        trace="t",
    )
    child = line.ran("fit", parent=run)
    line.write(
        "graph",
        [
            {
                "kind": "model",
                "name": "fraud",
                "version": "9",
                "artifact": {"name": "model", "version": "m1"},
                "time": BEGIN,
            }
        ],
    )
    found = line.run(run)
    assert (found.description, found.owner, found.tags) == ("fits", "ana", ("ml",))
    assert (found.params, found.metrics, found.resources) == ({"lr": 0.1}, {"auc": 0.9}, {"cpu_seconds": 1.5})
    assert (found.source, found.code["commit"]) == ("def train(): ...", "c0ffee")
    assert found.environment == {"python": "3.11.2", "packages": {"numpy": "2.1"}}
    assert (found.tests[0]["message"], found.left_out, found.links) == (
        "few",
        ("the profile of rows: too large",),
        {"traceparent": "00-1"},
    )
    assert (found.host, found.pid, found.notes, found.trace, found.seconds) == ("h", 7, ("a note",), "t", 60.0)
    assert {(one.name, one.version, one.rule, one.producer) for one in found.reads} == {
        ("rows", "v1", "content", "ingest-1"),
        ("settings", None, "declared", None),
    }
    assert [(one.name, one.version, one.producer) for one in found.writes] == [("model", "m1", None)]
    assert ([one.id for one in found.children], found.more_children) == ([child], False)
    assert found.models == (("fraud", "9"),)


def test_predictions_of_a_run_are_counted_in_the_log_and_in_files(line):
    line.model()
    run = line.ran("serve", [], [])
    line.write("rows", [prediction(number, run=run) for number in range(3)])
    line.write("rows", [prediction(9, run="another")])
    assert (line.run(run).predictions, line.run(run, predictions=False).predictions) == (3, None)
    line.compact()
    line.write("rows", [prediction(10, run=run)])
    assert line.run(run).predictions == 4


def test_an_unknown_run_is_told_with_the_nearest(line):
    line.ran("train", id="run-2026")
    with pytest.raises(UnknownName, match=r"no run 'run-2025'.*Did you mean 'run-2026'"):
        line.run("run-2025")


def test_of_many_parts_the_first_are_shown_and_the_rest_is_said(line):
    run = line.ran("all", at=0)
    events = [
        {
            "kind": "run",
            "id": f"p{number:03}",
            "component": "part",
            "parent": run,
            "started": BEGIN + number,
            "status": "ok",
        }
        for number in range(201)
    ]
    line.write("graph", events)
    found = line.run(run)
    assert (len(found.children), found.children[0].id, found.more_children) == (200, "p000", True)
