"""Which inputs of a run are stale, why, when it began and now; groups 5 and 6 of mltrace's tests with the corrected rule."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from sqlalchemy import event

from tests.store.bench import DAY
from tests.store.runs.graph import HOUR
from watchglass.errors import BadInput, UnknownName


@contextmanager
def statements(line):
    """Collect what the catalog is asked meanwhile."""
    asked = []

    def heard(_connection, _cursor, statement, *_):
        asked.append(statement)

    event.listen(line.engine, "before_cursor_execute", heard)
    yield asked
    event.remove(line.engine, "before_cursor_execute", heard)


def kinds(reasons):
    return [(one.kind, one.run, one.path) for one in reasons]


def test_group_5_a_component_that_ran_again_for_another_output_makes_nothing_stale(line):
    line.ran("c1", [], ["iop2"])
    line.ran("c1", [], ["iop3"])
    run = line.ran("c2", ["iop2"], ["iop4"])
    found = line.stale(run, age=None)
    assert (found.stale_then, found.stale_now, found.inputs[0].producer) == (False, False, "c1-1")


def test_group_5_by_the_rule_of_components_it_is_told_who_ran_how_often(line):
    line.ran("c1", [], ["iop2"])
    line.ran("c1", [], ["iop3"])
    run = line.ran("c2", ["iop2"], ["iop4"])
    (reason,) = line.stale(run, age=None, component=True).inputs[0].then
    assert (reason.kind, reason.run, reason.count) == ("component ran again", "c1-1", 1)
    assert reason.sentence == "c1 (run c1-1) has 1 fresher run that began before"


def test_group_6_a_producer_of_more_than_thirty_days_before_is_old_and_its_own_inputs_are_not(line):
    old = line.ran("ingest", ["raw"], ["rows"], at=0)
    run = line.ran("train", ["rows"], ["model"], at=31 * DAY)
    (reason,) = line.stale(run).inputs[0].then
    assert (reason.kind, reason.run, round(reason.days)) == ("old", old, 31)
    assert reason.sentence == f"ingest (run {old}) ran 31 days before"
    assert line.stale(old).inputs[0].then == ()


def test_the_age_may_be_set_or_left_out(line):
    line.ran("ingest", [], ["rows"], at=0)
    run = line.ran("train", ["rows"], ["model"], at=2 * DAY)
    assert not line.stale(run).stale_then
    assert line.stale(run, age="36h").stale_then
    assert not line.stale(run, age=None).stale_now
    with pytest.raises(BadInput, match=r"age cannot be 'soon'.*'30d'"):
        line.stale(run, age="soon")


def test_a_newer_version_is_told_as_of_the_run_and_as_of_now(line):
    line.ran("ingest", [], [("rows", "v1")])
    run = line.ran("train", [("rows", "v1")], [("model", "m1")])
    newer = line.ran("ingest", [], [("rows", "v2")])
    found = line.stale("model", age=None).inputs[0]
    assert (found.then, kinds(found.now)) == ((), [("newer version", newer, ())])
    late = line.ran("train", [("rows", "v1")], [("model", "m2")])
    then = line.stale(late, age=None).inputs[0].then
    assert kinds(then) == [("newer version", newer, ())]
    assert then[0].sentence == f"rows has a newer version, the newest by run {newer}"
    assert line.stale(run, age=None).run == run


def test_the_same_content_written_again_is_no_newer_version(line):
    line.ran("ingest", [], [("rows", "v1")])
    line.ran("ingest", [], [("rows", "v2")])
    line.ran("ingest", [], [("rows", "v1")])
    run = line.ran("train", [("rows", "v1")], [])
    assert not line.stale(run, age=None).stale_now


def test_of_a_declared_name_every_later_write_is_a_newer_version(line):
    line.ran("ingest", [], ["rows"])
    run = line.ran("train", ["rows"], [])
    assert not line.stale(run, age=None).stale_now
    line.ran("ingest", [], ["rows"])
    line.ran("ingest", [], ["rows"])
    (reason,) = line.stale(run, age=None).inputs[0].now
    assert (reason.count, reason.sentence) == (2, "rows has 2 newer versions, the newest by run ingest-4")


def test_newer_code_of_the_producer_makes_stale_once_it_ran_well(line):
    line.ran("clean", [], [("rows", "v1")], version="a1")
    run = line.ran("train", [("rows", "v1")], [])
    line.ran("clean", [], [("other", "v1")], version="b2", status="error")
    assert not line.stale(run, age=None).stale_now
    newer = line.ran("clean", [], [("other", "v1")], version="b2")
    found = line.stale(run, age=None).inputs[0]
    assert (found.then, kinds(found.now)) == ((), [("newer code", newer, ())])
    assert found.now[0].sentence == f"clean (run clean-1) had version a1; run {newer} since has b2"


def test_other_source_under_one_version_is_newer_code(line):
    line.ran("clean", [], [("rows", "v1")], version="1", code={"source_hash": "aa"})
    run = line.ran("train", [("rows", "v1")], [])
    line.ran("clean", [], [("other", "v1")], version="1", code={"source_hash": "bb"})
    assert "had source aa" in line.stale(run, age=None).inputs[0].now[0].sentence


def test_what_is_stale_upstream_makes_stale_with_the_path_to_it(line):
    line.ran("ingest", [], [("raw", "v1")])
    line.ran("clean", [("raw", "v1")], [("rows", "v1")])
    line.ran("features", [("rows", "v1")], [("features", "v1")])
    run = line.ran("train", [("features", "v1")], [("model", "v1")])
    newer = line.ran("ingest", [], [("raw", "v2")])
    (found,) = line.stale(run, age=None).inputs
    assert kinds(found.now) == [("newer version", newer, ("rows", "raw"))]
    assert found.then == ()


def test_a_table_updated_in_place_is_not_stale_by_its_own_newer_versions(line):
    line.ran("load", [], [("table", "v0")])
    for day in range(1, 5):
        line.ran("nightly", [("table", f"v{day - 1}")], [("table", f"v{day}")])
    run = line.ran("report", [("table", "v4")], [])
    assert not line.stale(run, age=None).stale_now
    assert not line.stale("table", age=None).stale_then


def test_a_diamond_with_an_old_side_is_stale_though_the_newest_is_upstream_too(line):
    line.ran("ingest", [], [("raw", "v1")])
    line.ran("left", [("raw", "v1")], [("left", "v1")])
    newer = line.ran("ingest", [], [("raw", "v2")])
    line.ran("right", [("raw", "v2")], [("right", "v1")])
    run = line.ran("join", [("left", "v1"), ("right", "v1")], [])
    found = {one.name: kinds(one.then) for one in line.stale(run, age=None).inputs}
    assert found == {"left": [("newer version", newer, ("raw",))], "right": []}


def test_defect_a_chain_of_three_thousand_runs_is_judged_without_recursion_and_not_statement_by_statement(line):
    events = [
        {
            "kind": "run",
            "id": f"r{number:05}",
            "component": f"c{number}",
            "started": number * 1000,
            "ended": number * 1000 + 1,
            "status": "ok",
            "reads": [{"name": f"x{number - 1}", "time": number * 1000}],
            "writes": [{"name": f"x{number}", "time": number * 1000 + 1}],
        }
        for number in range(1, 3001)
    ]
    line.write("graph", events)
    line.runs()
    with statements(line) as asked:
        assert not line.stale("x3000", age=None).stale_now
    assert len(asked) < 60


def test_without_a_name_the_newest_run_of_each_component_is_judged_page_by_page(line):
    line.ran("ingest", [], [("rows", "v1")])
    line.ran("train", [("rows", "v1")], [])
    line.ran("ingest", [], [("rows", "v2")])
    line.ran("audit", [], [])
    first = line.stale(age=None, limit=2)
    assert [(one.component, one.stale_now) for one in first.runs] == [("audit", False), ("ingest", False)]
    second = line.stale(age=None, limit=2, after=first.next)
    assert ([(one.component, one.stale_now) for one in second.runs], second.next) == ([("train", True)], None)


def test_a_run_that_was_named_as_upstream_counts_without_data(line):
    first = line.ran("load", [], [], at=0)
    run = line.ran("train", [], [], at=40 * DAY, upstream=[first])
    (found,) = line.stale(run).inputs
    assert (found.name, found.producer, [one.kind for one in found.then]) == ("", first, ["old"])


def test_an_unknown_name_gives_the_nearest(line):
    line.ran("ingest", [], ["customer_rows"])
    with pytest.raises(UnknownName, match=r"no run or output 'custmer_rows'.*Did you mean 'customer_rows'"):
        line.stale("custmer_rows")


@pytest.mark.parametrize("hours", [1, 5])
def test_defect_staleness_is_computed_once_and_never_again(line, hours):
    line.ran("ingest", [], [("rows", "v1")], at=0)
    run = line.ran("train", [("rows", "v1")], [], at=HOUR)
    assert not line.stale(run, age=None).stale_now
    line.ran("ingest", [], [("rows", "v2")], at=hours * HOUR + 1)
    assert line.stale(run, age=None).stale_now
