"""Every question about runs has the same answer whether the catalog lies in a file or in PostgreSQL."""

from __future__ import annotations

import pytest

from tests import postgres
from tests.store.bench import BEGIN, DAY
from tests.store.runs.graph import Pipeline
from watchglass.store.models import moment

pytestmark = postgres.NEEDED


def told(line):
    line.write(
        "graph",
        [
            {"kind": "component", "name": "train", "owner": "ana", "tags": ["ml"], "time": BEGIN},
            {
                "kind": "model",
                "name": "fraud",
                "version": "1",
                "artifact": {"name": "model", "version": "m1"},
                "time": BEGIN,
            },
            {"kind": "deployment", "model": "fraud", "version": "1", "time": BEGIN + DAY},
            {"kind": "environment", "id": "e", "record": {"python": "3.11"}, "time": BEGIN},
        ],
    )
    line.ran("ingest", ["raw.csv"], [("rows", "v1"), "Ärger"])
    line.ran("train", [("rows", "v1")], [("model", "m1")], params={"lr": 0.1}, version="1", environment="e")
    line.ran("train", [("rows", "v1")], [("model", "m2")], params={"lr": 0.2}, version="2", status="error")
    line.ran("ingest", ["raw.csv"], [("rows", "v2"), "a", "B"], parent="train-3")
    line.write("graph", [{"kind": "flag", "name": "model", "version": "m1", "time": BEGIN + DAY, "note": "odd"}])
    return line


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with postgres.both(tmp_path_factory.mktemp("both"), lambda root: told(Pipeline(root))) as found:
        yield found


THEN = moment(BEGIN + DAY)
QUESTIONS = {
    "runs": lambda line: line.runs(),
    "a page of runs": lambda line: line.runs(limit=2, after=line.runs(limit=1).next),
    "failed runs": lambda line: line.runs(status="error"),
    "runs of a tag": lambda line: line.runs(tag="ml", owner="ana", since=BEGIN / 1e6),
    "a run": lambda line: line.run("train-2", predictions=False),
    "a run with parts": lambda line: line.run("train-3", predictions=False),
    "a history": lambda line: line.history("train", 1, line.history("train", 1).next),
    "components": lambda line: line.components(),
    "durations": lambda line: line.durations(),
    "what is stale then": lambda line: [
        (one.then, one.now) for one in line.stale("train-3", age=None, component=True).inputs
    ],
    "flags": lambda line: line.flags(),
    "a review": lambda line: line.review(),
    "two runs": lambda line: line.diff("train"),
    "the state": lambda line: line.state(THEN),
    "a page of the state": lambda line: line.state(THEN, limit=2, after="B"),
    "the change": lambda line: line.state_diff(BEGIN / 1e6 + 9000, THEN),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_answer_is_the_same(both, name):
    in_file, in_server = (QUESTIONS[name](line) for line in both)
    assert in_file == in_server


def test_a_flag_is_put_up_and_taken_back(both):
    for line in both:
        assert line.flag("rows").run == "ingest-4"
        assert [one.name for one in line.unflag("rows")] == ["rows"]
