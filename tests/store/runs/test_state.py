"""The whole system at a time, and what changed between two."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.store.bench import BEGIN, DAY
from watchglass.errors import BadInput
from watchglass.store.models import moment


def at(days):
    return moment(BEGIN) + timedelta(days=days)


@pytest.fixture
def lived(line):
    line.write("graph", [{"kind": "model", "name": "fraud", "version": v, "artifact": {"name": "model", "version": f"m{v}"}, "time": BEGIN} for v in "12"])  # fmt: skip
    line.write("graph", [{"kind": "deployment", "model": "fraud", "version": v, "time": BEGIN + day * DAY} for v, day in (("1", 1), ("2", 5))])  # fmt: skip
    line.ran("train", ["rows"], [("model", "m1")], at=0, version="a", params={"lr": 0.1}, code={"commit": "c1"})
    line.ran("ingest", [], ["rows"], at=2 * DAY)
    line.ran("train", ["rows"], [("model", "m2")], at=4 * DAY, version="b", params={"lr": 0.2}, code={"commit": "c2"})
    return line


def test_the_state_at_a_time_is_that_of_then(lived):
    found = lived.state(at(3))
    assert [(one.model, one.environment, one.version, one.run) for one in found.deployed] == [
        ("fraud", "live", "1", "train-1")
    ]
    assert [(one.component, one.version, one.commit, one.params) for one in found.code] == [
        ("ingest", None, None, {}),
        ("train", "a", "c1", {"lr": 0.1}),
    ]
    assert [(one.name, one.version, one.run) for one in found.data] == [
        ("model", "m1", "train-1"),
        ("rows", None, "ingest-2"),
    ]
    assert (found.at, found.verdicts, found.incidents, found.next) == (at(3), (), (), None)
    assert lived.state(at(-1)).data == ()
    assert [one.version for one in lived.state().deployed] == ["2"]


def test_what_changed_between_two_times(lived):
    found = lived.state_diff(at(3), at(6))
    assert [(one.name, one.before, one.after) for one in found.deployed] == [("fraud (live)", "1", "2")]
    assert {one.name: (one.before, one.after) for one in found.code} == {
        "train": ("a", "b"),
        "train commit": ("c1", "c2"),
    }
    assert {one.name: (one.before, one.after) for one in found.params} == {"train.lr": (0.1, 0.2)}
    assert [(one.name, one.before, one.after, one.run) for one in found.data] == [("model", "m1", "m2", "train-3")]
    nothing = lived.state_diff(at(6), at(7))
    assert (nothing.deployed, nothing.code, nothing.data, nothing.next) == ((), (), (), None)
    with pytest.raises(BadInput, match="The earlier time comes first"):
        lived.state_diff(at(6), at(3))


def test_data_comes_in_pages_whatever_was_written_later(line):
    for number in range(7):
        line.ran("load", [], [f"out{number}"], at=(number % 2) * 10 * DAY)
    first = line.state(at(1), limit=3)
    second = line.state(at(1), limit=3, after=first.next)
    assert [one.name for one in (*first.data, *second.data)] == ["out0", "out2", "out4", "out6"]
    assert second.next is None
    moved = line.state_diff(at(1), at(11), limit=2)
    more = line.state_diff(at(1), at(11), limit=2, after=moved.next)
    assert [one.name for one in (*moved.data, *more.data)] == ["out1", "out3", "out5"]


def test_more_names_than_one_step_are_all_found(line):
    writes = [{"name": f"out{number:04}", "time": BEGIN} for number in range(1203)]
    line.ran("load", at=0, id="load")
    line.write("graph", [{"kind": "write", "run": "load", **one} for one in writes])
    names, after = [], None
    while True:
        page = line.state(at(1), limit=500, after=after)
        names += [one.name for one in page.data]
        after = page.next
        if after is None:
            break
    assert names == [one["name"] for one in writes]


def test_content_written_again_has_not_moved(line):
    line.ran("load", [], [("rows", "v1")], at=0)
    line.ran("load", [], [("rows", "v1")], at=2 * DAY)
    assert line.state_diff(at(1), at(3)).data == ()
