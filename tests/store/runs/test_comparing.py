"""Two runs side by side: code, parameters, environment, data, metrics."""

from __future__ import annotations

import pytest

from tests.store.bench import BEGIN
from watchglass.errors import BadInput, UnknownName


def told(changes):
    return {one.name: (one.before, one.after) for one in changes}


def environment(ident, **packages):
    record = {"python": "3.11.2", "packages": packages, "host": {"cpus": 2}}
    return {"kind": "environment", "id": ident, "record": record, "time": BEGIN}


@pytest.fixture
def two(line):
    line.write(
        "graph",
        [
            environment("e1", numpy="2.0", scipy="1.14"),
            environment("e2", numpy="2.1", pandas="2.2"),
            {"kind": "source", "id": "s1", "text": "def fit(x):\n    return x\n", "name": "fit", "time": BEGIN},
            {"kind": "source", "id": "s2", "text": "def fit(x):\n    return x + 1\n", "name": "fit", "time": BEGIN},
        ],
    )
    artifact = {"kind": "table", "rows": 10, "columns": ["a", "b"], "profile": {"columns": {"a": {"mean": 1.0}}}}
    other = {"kind": "table", "rows": 12, "columns": ["a", "c"], "profile": {"columns": {"a": {"mean": 1.5}}}}
    first = line.ran(
        "train",
        [{"name": "rows", "version": "v1", "time": BEGIN, "artifact": artifact}, "notes"],
        [("model", "m1")],
        version="1",
        params={"lr": 0.1, "seed": 1},
        metrics={"auc": 0.75},
        code={"commit": "aa", "source_hash": "s1"},
        environment="e1",
    )
    second = line.ran(
        "train",
        [{"name": "rows", "version": "v2", "time": BEGIN, "artifact": other}, "notes"],
        [("model", "m1"), ("report", "r1")],
        version="2",
        params={"lr": 0.2, "seed": 1},
        metrics={"auc": 0.5},
        code={"commit": "bb", "source_hash": "s2", "dirty": "d"},
        environment="e2",
    )
    return first, second


def test_two_runs_differ_in_everything_that_is_known(line, two):
    found = line.diff(*two)
    assert told(found.code) == {
        "commit": ("aa", "bb"),
        "dirty": (None, "d"),
        "source_hash": ("s1", "s2"),
        "version": ("1", "2"),
    }
    assert "-    return x\n+    return x + 1" in found.source
    assert told(found.params) == {"lr": (0.1, 0.2)}
    assert told(found.environment) == {
        "packages.numpy": ("2.0", "2.1"),
        "packages.pandas": (None, "2.2"),
        "packages.scipy": ("1.14", None),
    }
    assert [(one.name, one.by) for one in found.metrics] == [("auc", -0.25)]
    inputs = {one.name: one for one in found.inputs}
    assert (inputs["rows"].change, inputs["rows"].before, inputs["rows"].after) == ("changed", "v1", "v2")
    assert told(inputs["rows"].details) == {
        "rows": (10, 12),
        "columns.b": ("there", None),
        "columns.c": (None, "there"),
        "profile.columns.a.mean": (1.0, 1.5),
    }
    assert inputs["notes"].change == "unknown"
    assert {one.name: one.change for one in found.outputs} == {"model": "same", "report": "added"}
    assert (found.same, found.unknown) == (False, ("the version of input 'notes'",))


def test_a_component_stands_for_its_newest_two_runs_the_older_first(line, two):
    assert (line.diff("train").first.id, line.diff("train").second.id) == two
    other = line.ran("other")
    assert (line.diff("other", "train").first.id, line.diff("other", "train").second.id) == (other, two[1])


def test_a_run_beside_itself_differs_in_nothing(line, two):
    found = line.diff(two[0], two[0])
    assert (found.same, found.code, found.params, found.environment, found.source) == (True, (), (), (), "")


def test_what_is_not_known_is_said(line):
    one, other = line.ran("load"), line.ran("load")
    found = line.diff(one, other)
    assert found.same
    assert found.unknown == tuple(
        f"the {what} of run {run}" for run in (one, other) for what in ("environment", "code")
    )


def test_declared_inputs_of_one_producer_are_the_same(line):
    line.ran("ingest", [], ["rows"])
    one, other = line.ran("train", ["rows"]), line.ran("train", ["rows"])
    assert [found.change for found in line.diff(one, other).inputs] == ["same"]
    line.ran("ingest", [], ["rows"])
    again = line.ran("train", ["rows"])
    assert [found.change for found in line.diff(other, again).inputs] == ["unknown"]


def test_what_cannot_be_compared_is_told(line):
    run = line.ran("train")
    with pytest.raises(BadInput, match="'train' ran once"):
        line.diff("train")
    with pytest.raises(BadInput, match="is compared with no other"):
        line.diff(run)
    with pytest.raises(UnknownName, match="no run 'tarin'"):
        line.diff("tarin", run)
