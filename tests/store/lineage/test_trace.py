"""The way back from an output: each run once, nearest first, at any depth, in few statements."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.store.lineage.told import made, run, steps
from watchglass.errors import BadInput, UnknownName
from watchglass.store.graph import take_in
from watchglass.store.lineage.trace import trace


def traced(bench, of, version=None, depth=None):
    return trace(bench.folder, bench.engine, of, version, depth)


@pytest.fixture
def statements(bench):
    """What the catalog is asked of the graph, statement by statement."""
    asked = []

    def note(_, __, statement, *___):
        taking_in = "runs.links" in statement  # looks for runs whose process died
        if any(table in statement for table in ("runs", "reads", "writes", "run_links")) and not taking_in:
            asked.append(statement)

    take_in(bench.folder, bench.engine)
    sa.event.listen(bench.engine, "before_cursor_execute", note)
    yield asked
    sa.event.remove(bench.engine, "before_cursor_execute", note)


def test_group_1_a_linked_list_gives_each_run_at_its_distance(bench):
    bench.write("graph", [run(f"r{n}", n, reads=[f"iop_{n}"], writes=[f"iop_{n + 1}"]) for n in range(1, 11)])
    assert steps(traced(bench, "iop_11")) == [(n, f"r{10 - n}") for n in range(10)]


def test_group_2_a_versioned_computation_gives_the_newest_run_alone(bench):
    bench.write("graph", [run(f"r{n}", n, reads=["inp"], writes=["out"], component="c") for n in range(10)])
    assert steps(traced(bench, "out")) == [(0, "r9")]


def test_group_3_in_a_tree_only_the_path_to_the_root_is_given(bench):
    """Run 1 has the children 2 and 3."""
    bench.write(
        "graph",
        [run("r1", 1, writes=["iop_1", "iop_2"]), run("r2", 2, reads=["iop_1"], writes=["iop_3"]), run("r3", 3, reads=["iop_2"], writes=["iop_4"])],
    )  # fmt: skip
    assert steps(traced(bench, "iop_4")) == [(0, "r3"), (1, "r1")]


def test_group_4_a_cycle_of_names_is_a_chain_of_runs(bench):
    bench.write("graph", [run("r1", 1, reads=["iop1"], writes=["iop2"]), run("r2", 2, reads=["iop2"], writes=["iop1"])])
    assert steps(traced(bench, "iop1")) == [(0, "r2"), (1, "r1")]
    assert steps(traced(bench, "iop2")) == [(0, "r1")]


def test_a_cycle_of_versions_ends(bench):
    """Two runs that each read what the other wrote, by content and with clocks that differ."""
    bench.write(
        "graph",
        [run("a", 1, reads=[("x", "1")], writes=[("y", "1")]), run("b", 1.1, reads=[("y", "1")], writes=[("x", "1")])],
    )
    found = traced(bench, "x")
    assert steps(found) == [(0, "b"), (1, "a")]
    assert made(found) == {("a", "x", "1"): ("b", "content"), ("b", "y", "1"): ("a", "content")}


def test_group_7_of_two_that_wrote_an_input_the_newer_is_upstream(bench):
    bench.write("graph", [run(f"w{n}", n, writes=["out"]) for n in range(2)])
    bench.write("graph", [run(f"v{n}", n, writes=["another_out"]) for n in range(2)])
    bench.write("graph", [run("last", 5, reads=["out", "another_out"], writes=["end"])])
    assert {producer for producer, _ in made(traced(bench, "end")).values()} == {"w1", "v1"}


def test_group_8_a_graph_with_two_writers_of_one_name(bench):
    bench.write(
        "graph",
        [
            run("r1", 1, writes=["iop_1"]),
            run("r2", 2, writes=["iop_1"]),
            run("r3", 3, reads=["iop_1"], writes=["iop_2", "iop_3"]),
            run("r4", 4, reads=["iop_3"], writes=["iop_4"]),
        ],
    )
    assert steps(traced(bench, "iop_4")) == [(0, "r4"), (1, "r3"), (2, "r2")]


def test_group_9_an_unknown_output_is_named_with_its_neighbours(bench):
    bench.write("graph", [run("r1", 1, writes=["model"])])
    for of, version in (("modle", None), ("model", "9"), ("", None)):
        with pytest.raises(UnknownName, match="model"):
            traced(bench, of, version)


def test_an_empty_store_says_that_there_is_none(bench):
    with pytest.raises(UnknownName, match="'model'"):
        traced(bench, "model")


def test_a_run_is_traced_by_its_id_and_a_version_by_its_digits(bench):
    bench.write("graph", [run(f"w{n}", n, writes=[("rows", str(n))]) for n in range(3)])
    bench.write("graph", [run("last", 5, reads=[("rows", "0")])])
    assert steps(traced(bench, "last")) == [(0, "last"), (1, "w0")]
    assert steps(traced(bench, "rows")) == [(0, "w2")]
    assert steps(traced(bench, "rows", "1")) == [(0, "w1")]


@pytest.mark.parametrize("depth", [0, 1, 5, 16, 17, 40])
def test_a_depth_cuts_the_way_and_the_edges_say_that_it_goes_on(bench, depth):
    bench.write("graph", [run(f"r{n:02d}", n, reads=[f"i{n}"], writes=[f"i{n + 1}"]) for n in range(30)])
    found = traced(bench, "i30", depth=depth)
    assert [hops for hops, _ in found.steps] == list(range(min(depth + 1, 30)))
    told = {one.id for _, one in found.steps}
    beyond = {edge.producer for edge in found.edges} - told - {None}
    assert bool(beyond) == (depth < 29)


@pytest.mark.parametrize("depth", [-1, 1.5, True, "2"])
def test_a_depth_that_is_none_is_refused(bench, depth):
    with pytest.raises(BadInput, match="hops"):
        traced(bench, "x", depth=depth)


def test_a_ladder_gives_each_run_once(bench):
    """mltrace gives 262,143 nodes of these 36 runs."""
    rungs = [
        run(f"r{layer:02d}{side}", layer * 2 + side, reads=[f"o{layer - 1}a", f"o{layer - 1}b"] if layer else [], writes=[f"o{layer}{'ab'[side]}"], seconds=0.1)
        for layer in range(18)
        for side in range(2)
    ]  # fmt: skip
    bench.write("graph", rungs)
    found = traced(bench, "o17a")
    assert len(found.steps) == len({one.id for _, one in found.steps}) == 35
    assert [hops for hops, _ in found.steps] == [0, *(hop for hop in range(1, 18) for _ in range(2))]


def test_a_chain_ten_thousand_deep_takes_three_statements(bench, statements):
    bench.write("graph", [run(f"r{n:05d}", n, reads=[f"i{n}"], writes=[f"i{n + 1}"]) for n in range(10_000)])
    take_in(bench.folder, bench.engine)
    statements.clear()
    found = traced(bench, "i10000")
    assert [hops for hops, _ in found.steps] == list(range(10_000))
    assert len(statements) <= 3, statements
    statements.clear()
    assert len(traced(bench, "i10000", depth=5).steps) == 6
    assert len(statements) <= 3, statements


def test_the_record_of_a_run_says_what_it_read_and_wrote(bench):
    bench.write("graph", [run("r1", 1, reads=["raw", ("rows", "1")], writes=[("model", "2")], params={"lr": 0.1})])
    ((_, one),) = traced(bench, "model").steps
    assert [(read.name, read.version, read.rule) for read in one.reads] == [
        ("raw", None, "declared"),
        ("rows", "1", "content"),
    ]
    assert [(write.name, write.version) for write in one.writes] == [("model", "2")]
    assert (one.component, one.params, one.status) == ("r", {"lr": 0.1}, "ok")
