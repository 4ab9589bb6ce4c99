"""Graphs of runs: layers whose arrows lead right, each run once, no circle from content that comes again, text escaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from watchglass.records import Read, Run
from watchglass.show.lineage_drawing import ACROSS, Box, Line, drawn
from watchglass.show.lineage_graph import around, gathered, graph, marked, nearest, run_key, version_key
from watchglass.show.lineage_layout import columns, way
from watchglass.show.lineage_list import DEEPEST, MOST, downstream, upstream
from watchglass.store.lineage.impact import Impact
from watchglass.store.lineage.steps import Edge
from watchglass.store.lineage.trace import Trace

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)


def run(ident, reads=(), writes=(), status="ok", component=None):
    number = int(re.sub(r"\D", "", ident) or 0)
    start = BEGIN + timedelta(hours=number)
    end = start + timedelta(minutes=1)
    reads, writes = (tuple(Read(name, version, "content", at) for name, version in several) for several, at in ((reads, start), (writes, end)))  # fmt: skip
    return Run(ident, component or ident.rstrip("0123456789"), "1", None, start, end, status, None, {}, reads, writes)


def impact(of, steps=(), edges=(), version=None, ident=None):
    return Impact(of, version, ident, tuple(steps), tuple(edges), None, len(steps), True, (), None)


def chain(length):
    """Give a trace of runs that each read what the one before wrote."""
    runs = [run(f"r{i}", [(f"x{i}", "v")], [(f"x{i + 1}", "v")]) for i in range(length)]
    edges = [Edge(one.id, f"x{i}", "v", "content", f"r{i - 1}" if i else None) for i, one in enumerate(runs)]
    return Trace("x", None, runs[-1].id, tuple((length - 1 - i, runs[i]) for i in reversed(range(length))), tuple(reversed(edges)))  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_each_node_stands_once_and_arrows_without_circles_lead_right(pairs):
    nodes = [str(number) for number in range(13)]
    forward = [(str(min(pair)), str(max(pair))) for pair in pairs if pair[0] != pair[1]]
    placed = columns(nodes, forward)
    at = {node: number for number, column in enumerate(placed) for node in column}
    assert sorted(node for column in placed for node in column if node in nodes) == sorted(nodes)
    for start, end in forward:
        assert at[start] < at[end]
        for number in range(at[start] + 1, at[end]):
            assert way(start, number) in placed[number]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=30))
def test_circles_are_drawn_all_the_same(pairs):
    boxes = [Box(key, "run", "run", key, "", f"/runs/{key}", key) for key in "abcdef"]
    svg = drawn(boxes, [Line(start, end) for start, end in pairs], "six runs")
    assert svg.count("<rect") == 6
    assert svg.count('class="ah') == sum(start != end for start, end in pairs)
    assert "nan" not in svg


def test_text_in_a_drawing_is_escaped_and_cut():
    bad = '"><script>alert(1)</script>'
    svg = drawn([Box("a", "artifact", bad, bad * 9, bad, f"/lineage?of={bad}", bad, "bad", bad)], [], bad)
    assert "<script>" not in svg
    assert svg.count('"><script') == 0
    assert f'width="{ACROSS + 2}"' in svg


def test_content_that_comes_again_makes_no_circle():
    first, again = run("a1", [], [("t", "v")]), run("b2", [("t", "v")], [("t", "v")])
    last = run("c3", [("t", "v")], [])
    steps = ((0, last), (1, again), (2, first))
    edges = (Edge("c3", "t", "v", "content", "b2"), Edge("b2", "t", "v", "content", "a1"))
    found = graph(Trace("c3", None, "c3", steps, edges), impact("c3", ident="c3"))
    order = [column for column in columns(list(found.nodes), found.arrows) if column]
    assert order == [[run_key("a1")], [version_key("t", "v", "a1")], [run_key("b2")], [version_key("t", "v", "b2")], [run_key("c3")]]  # fmt: skip


def test_a_run_that_was_named_as_upstream_is_joined_without_an_artifact():
    late = run("b2", [], [])
    found = graph(Trace("b2", None, "b2", ((0, late),), (Edge("b2", "", None, "declared", "a1"),)), impact("b2", ident="b2"))  # fmt: skip
    assert list(found.arrows) == [(run_key("a1"), run_key("b2"))]
    assert found.nodes[run_key("a1")].run is None


def test_what_failed_is_wrong_and_all_that_came_of_it_is_found():
    bad, reader = run("a1", [], [("t", "v")], status="crashed"), run("b2", [("t", "v")], [("u", "w")])
    made = impact("a1", [(1, reader)], [Edge("b2", "t", "v", "content", "a1")], ident="a1")
    found = graph(Trace("a1", None, "a1", ((0, bad),), ()), made)
    wrong = marked(found, [("u", "w")], [("u", "w")])
    assert wrong == {run_key("a1"): "crashed", version_key("u", "w", "b2"): "flagged, quarantined"}
    assert found.downstream([run_key("a1")]) == set(found.nodes)


def test_readers_alike_are_gathered_and_one_that_failed_is_not():
    readers = [run(f"p{i}", [("m", "v")], [(f"o{i}", "v")], "error" if i == 3 else "ok", "predict") for i in range(9)]
    edges = [Edge(one.id, "m", "v", "content", "a1") for one in readers]
    trace = Trace("a1", None, "a1", ((0, run("a1", [], [("m", "v")])),), ())
    whole = graph(trace, impact("a1", [(1, one) for one in readers], edges, ident="a1"))
    found = gathered(whole, run_key("a1"))
    together = [node for node in found.nodes.values() if node.kind == "more"]
    assert [(node.name, node.count) for node in together] == [("predict", 8)]
    assert run_key("p3") in found.nodes
    assert version_key("o3", "v", "p3") in found.nodes
    assert len(found.nodes) == 5
    assert all(start in found.nodes and end in found.nodes for start, end in found.arrows)


def test_around_a_run_a_few_are_drawn_and_the_others_counted():
    inputs, outputs = [(f"i{n}", "v") for n in range(7)], [(f"o{n}", "v") for n in range(6)]
    me = run("me5", inputs, outputs)
    edges = [Edge("me5", name, "v", "content", f"w{n}") for n, (name, _) in enumerate(inputs)]
    readers = [run(f"r{n}", [("o0", "v")], [(f"z{n}", "v"), (f"y{n}", "v")]) for n in range(6, 12)]
    trace = Trace("me5", None, "me5", ((0, me), (1, run("w0", [], [("i0", "v")]))), tuple(edges))
    down = impact("me5", [(1, one) for one in readers], [Edge(one.id, "o0", "v", "content", "me5") for one in readers], ident="me5")  # fmt: skip
    found = around(me, trace, down, 4)
    counts = sorted(node.count for node in found.nodes.values() if node.kind == "more")
    assert counts == [1, 1, 1, 1, 2, 2, 3]
    assert all(start in found.nodes and end in found.nodes for start, end in found.arrows)


def test_the_list_names_each_run_once_and_closes_what_it_opens():
    found = upstream(chain(40))
    assert [entry.run.id for entry in found.entries] == [f"r{i}" for i in reversed(range(40))]
    assert max(entry.level for entry in found.entries) == DEEPEST
    assert sum(entry.opens for entry in found.entries) == sum(entry.closes for entry in found.entries) == DEEPEST + 1
    assert found.entries[-1].others == "x0@v"
    assert found.entries[1].via == "x39@v"


def test_a_long_list_is_cut_and_says_so():
    found = upstream(chain(MOST + 7))
    assert (len(found.entries), found.more) == (MOST, 7)


def test_readers_alike_stand_in_one_line():
    readers = [run(f"p{i}", [("m", "v")], [], component="predict") for i in range(9)]
    odd = run("q9", [("m", "v")], [], component="report")
    steps = [(1, one) for one in (*readers, odd)]
    found = downstream(impact("m", steps, [Edge(one.id, "m", "v", "content", "a1") for _, one in steps], "v"))
    assert [(entry.run.component, entry.count) for entry in found.entries] == [("predict", 9), ("report", 1)]
    assert found.more == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.integers(1, 12))
def test_what_is_nearest_is_whole_steps_around_what_was_asked_for(pairs, most):
    whole = graph(chain(20), None)
    for start, end in pairs:
        whole.join(run_key(f"r{start}"), run_key(f"r{end}"))
    asked = run_key("r5")
    found = nearest(whole, asked, most)
    assert len(found.nodes) <= most
    assert asked in found.nodes
    assert all(start in found.nodes and end in found.nodes for start, end in found.arrows)
    assert nearest(whole, asked, 1000) is whole
    more = nearest(whole, asked, most + 1)
    assert set(found.nodes) <= set(more.nodes)


def test_a_way_below_the_last_box_lies_in_the_picture():
    """An arrow over several columns goes by a place of its own, which may be the lowest."""
    boxes = [Box(key, "run", "run", key, "", "", key) for key in "abcd"]
    svg = drawn(boxes, [Line("a", "b"), Line("a", "c"), Line("b", "d"), Line("c", "d"), Line("a", "d")], "ways")
    height = float(re.search(r'height="([\d.]+)"', svg)[1])
    lows = [float(number) for path in re.findall(r'<path class="edge" d="([^"]+)"', svg) for number in re.findall(r"[\d.]+ ([\d.]+)", path)]  # fmt: skip
    assert max(lows) < height
