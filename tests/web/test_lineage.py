"""The way back from an output and forward from it over HTTP, by a real server."""

from __future__ import annotations

import httpx
import pytest

from tests.store.bench import BEGIN, Bench, prediction
from tests.store.lineage.told import run
from tests.web.served import serving


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("lineage") / "store"
    bench = Bench(root)
    bench.write("graph", [run("in/1", 0, writes=[("rows", "v1")])])
    bench.write("graph", [run(f"r{n}", 1 + n, reads=[("rows", "v1")], writes=["out"]) for n in range(5)])
    bench.write(
        "graph", [run("in/2", 20, writes=[("other rows", "v1")]), run("in/3", 21, writes=[("other rows", "v2")])]
    )
    bench.write("graph", [run("late", 30, reads=[("other rows", "v1")], writes=["of late"])])
    bench.write("graph", [{"kind": "model", "name": "fraud", "version": "1", "artifact": {"name": "of late"}, "time": BEGIN + 40_000_000}])  # fmt: skip
    bench.write("rows", [prediction(n, model="fraud") for n in range(3)])
    bench.close()
    with serving(root) as server:
        yield server


def get(served, path, code=200, /, **values):
    answer = httpx.get(f"{served.url}/api/v1/{path}", params=values, timeout=60)
    assert answer.status_code == code, answer.text
    return answer.json()


def test_a_trace_has_steps_and_edges(served):
    found = get(served, "trace", of="out")
    assert [(hops, one["id"]) for hops, one in found["steps"]] == [(0, "r4"), (1, "in/1")]
    assert found["edges"] == [{"run": "r4", "name": "rows", "version": "v1", "rule": "content", "producer": "in/1"}]
    assert len(get(served, "trace", of="r0", depth=0)["steps"]) == 1


def test_impact_comes_by_page(served):
    page = get(served, "impact", of="rows", version="v1", limit=3)
    assert ([one["id"] for _, one in page["steps"]], page["runs"], page["exact"], page["predictions"]) == (
        ["r0", "r1", "r2"],
        5,
        True,
        0,
    )
    rest = get(served, "impact", of="rows", limit=3, after=page["next"], exact=True, predictions=False)
    assert ([one["id"] for _, one in rest["steps"]], rest["next"], rest["predictions"]) == (["r3", "r4"], None, None)


def test_group_10_the_way_back_for_a_page_has_runs_components_stale_inputs_outputs_and_then_what_they_depend_on(served):
    """mltrace's web_trace nests; here each run stands once, and the tree is read off the edges."""
    page = httpx.get(f"{served.url}/lineage.json", params={"of": "out", "depth": 5}, timeout=60).json()
    runs = {one["id"]: one for _, one in page["trace"]["steps"]}

    def node(ident):
        below = sorted(edge["producer"] for edge in page["trace"]["edges"] if edge["run"] == ident and edge["producer"])
        outputs = sorted(one["name"] for one in runs[ident]["writes"])
        return (ident, runs[ident]["component"], page["stale"].get(ident, 0), [*outputs, *map(node, below)])

    assert node("r4") == ("r4", "r", 0, ["out", ("in/1", "in/", 0, ["rows"])])
    late = httpx.get(f"{served.url}/lineage.json", params={"of": "late"}, timeout=60).json()
    assert late["stale"] == {"late": 1}, "rows has a newer version when it began"
    shown = httpx.get(f"{served.url}/lineage", params={"of": "late"}, timeout=60).text
    assert "this run, 1 stale" in shown
    assert shown.count('<ol class="tree">') == 2


@pytest.mark.parametrize("of", ["in/2", "in/3", "other rows", "late", "of late"])
def test_the_page_counts_the_predictions_that_something_reached(served, of):
    version = "v1" if of == "other rows" else ""
    said = httpx.get(f"{served.url}/lineage", params={"of": of, "version": version}, timeout=60).text
    reached = "it reached the model <b>fraud, version 1</b> and 3 predictions." in said
    assert reached == (of != "in/3")


def test_what_is_unknown_or_cannot_be_is_said(served):
    assert "Did you mean 'rows'" in get(served, "trace", 404, of="rwos")["error"]
    assert "rows" in get(served, "impact", 404, of="rows", version="9")["error"]
    assert "`next`" in get(served, "impact", 400, of="rows", after="x")["error"]
    assert httpx.get(f"{served.url}/api/v1/trace", timeout=60).status_code in (400, 422)
