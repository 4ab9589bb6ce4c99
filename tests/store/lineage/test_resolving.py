"""A read is resolved to who made it: by content, else by time, else as declared; whatever came in which order."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa

from tests.store.lineage.told import at, made, run, steps
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.edges import producers
from watchglass.store.lineage.trace import trace


def resolve(bench, *runs):
    """Resolve what some runs read, as {(run, name, version): (producer, rule)}."""
    take_in(bench.folder, bench.engine)
    with bench.engine.connect() as connection:
        return {(one.run, one.name, one.version): (one.producer, one.rule) for one in producers(connection, list(runs))}


def test_an_old_version_that_is_read_leads_to_its_own_producer_not_to_the_newest(bench):
    bench.write(
        "graph",
        [
            run("old", 0, writes=[("rows", "1")]),
            run("new", 1, writes=[("rows", "2")]),
            run("reader", 2, reads=[("rows", "1")]),
        ],
    )
    assert resolve(bench, "reader") == {("reader", "rows", "1"): ("old", "content")}


def test_of_several_runs_that_wrote_the_same_content_the_newest_before_the_read_made_it(bench):
    bench.write("graph", [run(f"w{n}", n, writes=[("rows", "1")]) for n in range(5)])
    bench.write("graph", [run("early", 2.7, reads=[("rows", "1")]), run("late", 9, reads=[("rows", "1")])])
    assert resolve(bench, "early", "late") == {
        ("early", "rows", "1"): ("w2", "content"),
        ("late", "rows", "1"): ("w4", "content"),
    }


def test_a_name_without_a_version_leads_to_the_newest_write_of_it_before_the_read(bench):
    bench.write(
        "graph", [run("w0", 0, writes=["rows"]), run("w1", 1, writes=[("rows", "2")]), run("w9", 9, writes=["rows"])]
    )
    bench.write("graph", [run("reader", 5, reads=["rows"])])
    assert resolve(bench, "reader") == {("reader", "rows", None): ("w1", "time")}


def test_a_version_that_nobody_is_known_to_have_written_leads_to_the_newest_write_of_the_name(bench):
    bench.write("graph", [run("shell", 0, writes=["rows"]), run("reader", 1, reads=[("rows", "7")])])
    assert resolve(bench, "reader") == {("reader", "rows", "7"): ("shell", "time")}


def test_what_nobody_wrote_before_has_no_producer_and_says_how_the_read_is_known(bench):
    bench.write(
        "graph", [run("reader", 0, reads=["raw", ("rows", "1")]), run("late", 400, writes=["raw", ("rows", "1")])]
    )
    assert resolve(bench, "reader") == {
        ("reader", "raw", None): (None, "declared"),
        ("reader", "rows", "1"): (None, "content"),
    }


def test_a_run_that_says_what_it_wrote_only_at_its_end_made_what_was_read_meanwhile(bench):
    bench.write(
        "graph", [run("train", 0, writes=[("model", "1")], seconds=600), run("serve", 300, reads=[("model", "1")])]
    )
    assert resolve(bench, "serve") == {("serve", "model", "1"): ("train", "content")}


def test_two_clocks_that_differ_by_a_few_seconds_do_not_hide_the_producer(bench):
    bench.write("graph", [run("writer", 30, writes=[("rows", "1")]), run("reader", 10, reads=[("rows", "1")])])
    assert resolve(bench, "reader") == {("reader", "rows", "1"): ("writer", "content")}


def test_a_table_that_is_updated_in_place_leads_back_update_by_update(bench):
    bench.write("graph", [run(f"u{n}", n, reads=["table"], writes=["table"]) for n in range(6)])
    found = trace(bench.folder, bench.engine, "table")
    assert steps(found) == [(n, f"u{5 - n}") for n in range(6)]
    assert made(found)["u0", "table", None] == (None, "declared")


def test_an_update_in_place_at_one_moment_leads_back_too(bench):
    bench.write("graph", [run(f"u{n}", n, reads=["table"], writes=["table"], seconds=0) for n in range(4)])
    assert steps(trace(bench.folder, bench.engine, "table")) == [(n, f"u{3 - n}") for n in range(4)]


def test_a_run_that_reads_back_what_it_wrote_depends_on_nobody_for_it(bench):
    told = run(
        "self",
        5,
        seconds=3,
        reads=[("model", "2", 7), ("config", None, 7)],
        writes=[("model", "2", 6), ("config", None, 6)],
    )
    bench.write("graph", [run("before", 0, writes=[("model", "1"), "config"]), told])
    assert {producer for producer, _ in resolve(bench, "self").values()} == {None}


def test_a_declared_upstream_run_is_followed_with_no_data_between(bench):
    bench.write("graph", [run("a", 0), run("b", 1, upstream=["a", "gone"]), run("c", 2, upstream=["b"])])
    found = trace(bench.folder, bench.engine, "c")
    assert steps(found) == [(0, "c"), (1, "b"), (2, "a")]
    assert [(e.run, e.producer, e.rule) for e in found.edges if e.producer == "gone"] == [("b", "gone", "declared")]


def test_a_run_of_which_only_its_edges_came_is_walked_through(bench):
    bench.write("graph", [run("first", 0, writes=["rows"]), run("last", 9, reads=["clean"], writes=["model"])])
    bench.write(
        "graph",
        [
            {"kind": "read", "run": "lost", "name": "rows", "time": at(3)},
            {"kind": "write", "run": "lost", "name": "clean", "time": at(4)},
        ],
    )
    found = trace(bench.folder, bench.engine, "model")
    assert steps(found) == [(0, "last"), (2, "first")]
    assert made(found)["lost", "rows", None] == ("first", "time")


CHAIN = [
    run("a", 0, writes=[("x", "1")]),
    run("b", 1, reads=[("x", "1")], writes=["y"]),
    run("c", 2, reads=["y"], writes=["z"]),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_segments_may_come_in_any_order(bench, order):
    seen = []
    for place in order:
        bench.write("graph", [CHAIN[place]])
        take_in(bench.folder, bench.engine)
        seen.append(resolve(bench, "c").get(("c", "y", None)))
    found = trace(bench.folder, bench.engine, "z")
    assert steps(found) == [(0, "c"), (1, "b"), (2, "a")]
    assert seen[-1] == ("b", "time"), "a write that came late is found when asked again"


@pytest.mark.catalog_file  # the plan is SQLite's
def test_each_look_up_is_a_place_in_an_index(bench):
    """No look-up of a producer reads more than a range of an index, however often a name was written."""
    from watchglass.store.lineage.trace import START
    from watchglass.store.lineage.upwards import _query

    bench.write("graph", CHAIN)
    take_in(bench.folder, bench.engine)
    with bench.engine.connect() as connection:
        text = str(
            _query(START, counted=False, one=True).compile(bench.engine, compile_kwargs={"literal_binds": False})
        )
        plan = connection.execute(
            sa.text("EXPLAIN QUERY PLAN " + _named(text)), {f"p{n}": "x" for n in range(99)}
        ).all()
    tables = {table.name for table in (c.runs, c.reads, c.writes, c.run_links)}
    scans = [row[3] for row in plan if row[3].startswith("SCAN") and row[3].split()[1].rstrip("_0123456789") in tables]
    assert scans == []


def _named(text):
    parts = text.split("?")
    return "".join(part + (f":p{place}" if place < len(parts) - 1 else "") for place, part in enumerate(parts))
