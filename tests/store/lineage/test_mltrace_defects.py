"""What mltrace got wrong about traces, each once: the names tell the defect, the tests that it is not one here."""

from __future__ import annotations

import sys

import pytest
import sqlalchemy as sa

import watchglass as wg
from tests.store.lineage.told import made, run, steps
from watchglass.capture import recorder
from watchglass.store.graph import take_in
from watchglass.store.lineage.impact import Wanted, impact
from watchglass.store.lineage.trace import trace


def traced(bench, of, version=None, depth=None):
    return trace(bench.folder, bench.engine, of, version, depth)


def test_a_dependency_by_name_alone_linked_readers_of_an_old_version_to_the_newest_producer(bench):
    bench.write("graph", [run(f"w{n}", n, writes=[("v", str(n))]) for n in range(2)])
    bench.write("graph", [run("reader", 5, reads=[("v", "0")], writes=["out"])])
    assert steps(traced(bench, "out")) == [(0, "reader"), (1, "w0")]


def test_newest_was_by_number_and_not_by_time(bench):
    bench.write("graph", [run("z9", 0, writes=["x"]), run("a0", 5, writes=["x"]), run("reader", 9, reads=["x"])])
    bench.write("graph", [run("zz", 1, writes=["x"])])
    assert made(traced(bench, "reader"))["reader", "x", None] == ("a0", "time")


def test_a_run_that_reads_and_writes_one_name_could_not_be_logged(tmp_path):
    wg.init(store=str(tmp_path / "store"))
    ids = [wg.log_run("load", started=n, ended=n + 0.5, inputs=["table"], outputs=["table"]) for n in range(1, 4)]
    recorder.close()
    with wg.open(tmp_path / "store") as store:
        assert [one.id for _, one in store.trace("table").steps] == ids[::-1]
        assert [one.id for _, one in store.impact(ids[0]).steps] == ids[1:]


def test_a_run_reached_on_several_ways_was_told_several_times(bench):
    bench.write("graph", [run("a", 0, writes=["x", "y"]), run("b", 1, reads=["x"], writes=["p"]), run("c", 2, reads=["y"], writes=["q"]), run("d", 3, reads=["p", "q", "x"], writes=["end"])])  # fmt: skip
    assert steps(traced(bench, "end")) == [(0, "d"), (1, "c"), (1, "b"), (1, "a")]


def test_there_was_no_way_forward(bench):
    bench.write("graph", [run("a", 0, writes=["x"]), run("b", 1, reads=["x"], writes=["y"]), run("c", 2, reads=["y"])])
    found = impact(bench.folder, bench.engine, "x", None, Wanted(predictions=False))
    assert steps(found) == [(1, "b"), (2, "c")]


def test_a_trace_ended_at_the_recursion_limit(bench):
    deep = sys.getrecursionlimit() + 500
    bench.write("graph", [run(f"r{n}", n, reads=[f"i{n}"], writes=[f"i{n + 1}"]) for n in range(deep)])
    assert len(traced(bench, f"i{deep}").steps) == deep
    assert impact(bench.folder, bench.engine, "i1", None, Wanted(exact=True, predictions=False)).runs == deep - 1


def test_a_trace_asked_the_database_once_for_each_hop(bench):
    bench.write("graph", [run(f"r{n}", n, reads=[f"i{n}"], writes=[f"i{n + 1}"]) for n in range(300)])
    take_in(bench.folder, bench.engine)
    asked = []
    sa.event.listen(bench.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    traced(bench, "i300")
    assert len([one for one in asked if "reads" in one or "writes" in one]) == 2


def test_the_tables_of_edges_had_no_index(bench):
    found = sa.inspect(bench.engine)
    for table in ("reads", "writes"):
        columns = [index["column_names"] for index in found.get_indexes(table)]
        assert ["name", "version", "time"] in columns
        assert ["name", "time", "version"] in columns
        assert found.get_pk_constraint(table)["constrained_columns"] == ["run", "name", "version"]


def test_an_output_without_a_value_could_not_be_looked_up(bench):
    bench.write("graph", [run("a", 0, writes=["named only"])])
    assert steps(traced(bench, "named only")) == [(0, "a")]


def test_a_run_that_failed_was_not_recorded(tmp_path):
    wg.init(store=str(tmp_path / "store"))
    with pytest.raises(ValueError, match="no rows"), wg.run("train") as one:
        one.write("half a model", name="model")
        int("no rows")
    recorder.close()
    with wg.open(tmp_path / "store") as store:
        ((_, found),) = store.trace("model").steps
    assert (found.status, "no rows" in found.error) == ("error", True)


def test_segments_that_come_late_change_no_more_than_what_they_tell(bench):
    """mltrace set dependencies for good when a run was logged."""
    bench.write("graph", [run("first", 0, writes=["x"]), run("reader", 9, reads=["x"])])
    assert made(traced(bench, "reader"))["reader", "x", None] == ("first", "time")
    bench.write("graph", [run("late told", 5, writes=["x"])])
    assert made(traced(bench, "reader"))["reader", "x", None] == ("late told", "time")
