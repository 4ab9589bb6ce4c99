"""A component's history as a sequence, and lists of runs: groups 13, 19 and 21 of mltrace's tests, pages, filters."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from tests.store.bench import BEGIN, DAY
from watchglass.errors import BadInput, UnknownName
from watchglass.store.codec import plain
from watchglass.store.models import moment

FIRST = moment(BEGIN)


def ids(runs):
    return [int(run.id.rpartition("-")[2]) for run in runs]


@pytest.fixture
def ten(line):
    """Ten runs of one component, an hour apart, the first at one o'clock."""
    for _ in range(10):
        line.ran("train", ["rows"], ["model"])
    return line.history("train")


SLICES = [
    (slice(0, 3), [10, 9, 8]),
    (slice(3), [10, 9, 8]),
    (slice(7, None), [3, 2, 1]),
    (slice(2, 5), [8, 7, 6]),
    (slice(-3, None), [3, 2, 1]),
    (slice(None, -8), [10, 9]),
    (slice(-5, -3), [5, 4]),
    (slice(1, -7), [9, 8]),
    (slice(5, 2), []),
    (slice(8, 100), [2, 1]),
    (slice(None, None, 4), [10, 6, 2]),
    (slice(None), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
]


@pytest.mark.parametrize(("cut", "expected"), SLICES, ids=str)
def test_group_21_a_history_is_cut_by_number_as_a_list_is(ten, cut, expected):
    assert ids(ten[cut]) == expected


def test_group_21_one_run_by_its_number(ten):
    assert (len(ten), ids([ten[0], ten[-1], ten[3]])) == (10, [10, 1, 7])
    with pytest.raises(IndexError):
        ten[10]


def test_group_21_a_history_is_cut_by_time(ten):
    three, five = FIRST + timedelta(hours=3), FIRST + timedelta(hours=5)
    assert ids(ten[three:five]) == [4, 3]
    assert ids(ten[three.isoformat() : five.isoformat()]) == [4, 3]
    assert ids(ten[five:]) == [10, 9, 8, 7, 6, 5]
    assert ids(ten[:three]) == [2, 1]
    assert ids([ten[three + timedelta(minutes=59)], ten["2026-06-01T03:00"]]) == [3, 3]
    with pytest.raises(IndexError, match="began before"):
        ten[FIRST]
    for wrong in (slice(three, 5), slice(three, five, 2)):
        with pytest.raises(BadInput):
            ten[wrong]


def test_a_history_is_a_sequence_and_a_record(ten):
    assert ids(reversed(ten)) == list(range(1, 11))
    assert ten[2] in ten
    assert [field.name for field in dataclasses.fields(ten)] == ["component", "runs", "next"]
    assert plain(ten)["runs"][0]["id"] == "train-10"


def test_a_history_tells_length_status_and_how_many_inputs_were_stale(line):
    line.ran("ingest", [], [("rows", "v1")])
    line.ran("train", [("rows", "v1")], [], took=1_500_000, metrics={"auc": 0.8}, params={"lr": 0.1})
    line.ran("ingest", [], [("rows", "v2")])
    line.ran("train", [("rows", "v1")], [], status="error", error="ValueError: odd")
    line.ran("train", [("rows", "v2")], [], ended=None, status="running")
    running, failed, well = line.history("train")
    assert (running.seconds, running.ended, running.stale) == (None, None, 0)
    assert (failed.status, failed.error, failed.stale) == ("error", "ValueError: odd", 1)
    assert (well.seconds, well.stale, well.metrics, well.params) == (1.5, 0, {"auc": 0.8}, {"lr": 0.1})


def test_a_history_comes_in_pages_between_two_times(ten, line):
    del ten
    first = line.history("train", 4)
    second = line.history("train", 4, first.next)
    third = line.history("train", 4, second.next)
    assert (ids(first), ids(second), ids(third), third.next) == ([10, 9, 8, 7], [6, 5, 4, 3], [2, 1], None)
    between = line.history("train", since=FIRST + timedelta(hours=2), until=FIRST + timedelta(hours=5))
    assert ids(between) == [4, 3, 2]


def test_runs_that_began_at_once_are_paged_without_a_loss(line):
    for _ in range(7):
        line.ran("train", at=0)
    pages, after = [], None
    while True:
        page = line.history("train", 2, after)
        pages += ids(page)
        after = page.next
        if after is None:
            break
    assert sorted(pages) == [1, 2, 3, 4, 5, 6, 7]


def test_defect_the_history_of_an_unknown_component_is_an_error_and_not_empty(line):
    line.ran("train")
    with pytest.raises(UnknownName, match="Did you mean 'train'"):
        line.history("trian")


@pytest.mark.parametrize("limit", [0, 1001, True, "5"])
def test_a_limit_that_would_not_do_is_told(line, limit):
    with pytest.raises(BadInput, match="limit cannot be"):
        line.runs(limit=limit)


def test_runs_are_listed_by_component_status_tag_owner_and_time(line):
    line.write(
        "graph",
        [
            {"kind": "component", "name": "train", "owner": "ana", "tags": ["daily", "ml"], "time": BEGIN},
            {"kind": "component", "name": "ingest", "owner": "ben", "tags": ["daily"], "time": BEGIN},
        ],
    )
    line.ran("ingest")
    line.ran("train", status="error", error="no")
    line.ran("ingest")
    line.ran("other")
    assert ids(line.runs().runs) == [4, 3, 2, 1]
    assert ids(line.runs("ingest").runs) == [3, 1]
    assert ids(line.runs(status="error").runs) == [2]
    assert ids(line.runs(status="ok").runs) == [4, 3, 1]
    assert ids(line.runs(tag="daily").runs) == [3, 2, 1]
    assert ids(line.runs(owner="ana").runs) == [2]
    assert ids(line.runs("ingest", owner="ana").runs) == []
    assert ids(line.runs(since=FIRST + timedelta(hours=2), until=FIRST + timedelta(hours=4)).runs) == [3, 2]
    assert line.runs(since="7d", until=datetime(2026, 6, 2, tzinfo=UTC)).runs == ()
    page = line.runs(tag="daily", limit=2)
    assert (ids(page.runs), ids(line.runs(tag="daily", limit=2, after=page.next).runs)) == ([3, 2], [1])


def test_what_no_list_of_runs_can_be_asked_for_is_told(line):
    line.ran("train")
    for asked, message in (
        ({"tag": "dialy"}, "no tag 'dialy'"),
        ({"owner": "an"}, "no owner 'an'"),
        ({"component": "trian"}, "no component 'trian'"),
    ):
        with pytest.raises(UnknownName, match=message):
            line.runs(**asked)
    for asked, message in (
        ({"status": "failed"}, "running, ok, error, crashed would do"),
        ({"after": "page 2"}, "after cannot be 'page 2'"),
        ({"since": "yesterday"}, "since cannot be 'yesterday'.*'7d'"),
    ):
        with pytest.raises(BadInput, match=message):
            line.runs(**asked)


def test_many_components_of_a_tag_are_walked_as_one(line):
    told = [{"kind": "component", "name": f"c{number}", "tags": ["all"], "time": BEGIN} for number in range(120)]
    line.write("graph", told)
    for number in (5, 119, 60):
        line.ran(f"c{number}")
    line.ran("untagged")
    assert ids(line.runs(tag="all").runs) == [3, 2, 1]


def test_group_13_components_are_filtered_by_owner_and_tag_and_tags_collapse(line):
    line.write(
        "graph",
        [
            {
                "kind": "component",
                "name": "train",
                "description": "fits",
                "owner": "ana",
                "tags": ["ml", "ml", "b"],
                "time": 1,
            },
            {"kind": "component", "name": "ingest", "owner": "ben", "tags": ["b"], "time": BEGIN},
        ],
    )
    run = line.ran("train", version="3", status="error", error="no")
    found = line.components().components
    assert [(one.name, one.tags, one.run) for one in found] == [("ingest", ("b",), None), ("train", ("b", "ml"), run)]
    assert (found[1].description, found[1].owner, found[1].version, found[1].status) == ("fits", "ana", "3", "error")
    assert [one.name for one in line.components(tag="ml").components] == ["train"]
    assert [one.name for one in line.components(owner="ben").components] == ["ingest"]
    assert [one.name for one in line.components(status="error").components] == ["train"]
    assert line.components(status="ok").components == ()
    with pytest.raises(BadInput, match="running, ok, error, crashed would do"):
        line.components(status="failed")
    page = line.components(limit=1)
    assert ([one.name for one in page.components], page.next) == (["ingest"], "ingest")
    assert [one.name for one in line.components(limit=1, after=page.next).components] == ["train"]
    with pytest.raises(UnknownName, match="no tag 'xx'"):
        line.components(tag="xx")


def test_defect_what_is_said_of_a_component_later_is_taken_and_what_is_not_said_stays(line):
    line.write("graph", [{"kind": "component", "name": "train", "description": "fits", "owner": "ana", "time": 1}])
    line.write("graph", [{"kind": "component", "name": "train", "owner": "ben", "time": 2}])
    (found,) = line.components().components
    assert (found.description, found.owner) == ("fits", "ben")


def test_group_19_records_are_read_only_and_plain(line):
    run = line.ran("train", ["rows", "rows"], ["model"], at=2 * DAY)
    found = line.run(run)
    assert len(found.reads) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.component = "other"
    told = plain(found)
    assert (told["component"], told["started"]) == ("train", "2026-06-03T00:00:00+00:00")
    assert set(told) == {field.name for field in dataclasses.fields(found)}
