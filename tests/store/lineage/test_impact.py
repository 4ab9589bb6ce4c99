"""What came of an output: every run downstream once, by page, with the models and predictions that they became."""

from __future__ import annotations

import pytest

from tests.store.bench import BEGIN, prediction
from tests.store.lineage.told import run, steps
from watchglass.errors import BadInput, UnknownName
from watchglass.store.lineage import impact as module
from watchglass.store.lineage.impact import Wanted, impact


def of(bench, name, version=None, **wanted):
    return impact(bench.folder, bench.engine, name, version, Wanted(**{"predictions": False, **wanted}))


def every(bench, name, version=None, **wanted):
    """Turn page after page; gives all steps."""
    found, after = [], None
    while True:
        page = of(bench, name, version, after=after, **wanted)
        assert len(page.steps) <= wanted.get("limit", 50)
        found += steps(page)
        after = page.next
        if after is None:
            return found


def test_all_that_is_downstream_is_given_with_its_distance(bench):
    bench.write(
        "graph",
        [
            run("ingest", 0, writes=[("rows", "1")]),
            run("clean", 1, reads=[("rows", "1")], writes=["clean rows"]),
            run("train", 2, reads=["clean rows"], writes=[("model", "1")]),
            run("look", 3, reads=[("rows", "1")]),
            run("other", 4, reads=["else"]),
        ],
    )
    found = of(bench, "rows")
    assert steps(found) == [(1, "clean"), (1, "look"), (2, "train")]
    assert (found.runs, found.exact, found.version, found.run, found.next) == (3, True, "1", None, None)
    assert steps(of(bench, "ingest")) == steps(found)
    assert steps(of(bench, "rows", depth=1)) == [(1, "clean"), (1, "look")]


def test_an_output_is_not_all_that_its_run_wrote(bench):
    bench.write("graph", [run("w", 0, writes=["a", "b"]), run("ra", 1, reads=["a"]), run("rb", 2, reads=["b"])])
    assert steps(of(bench, "a")) == [(1, "ra")]
    assert steps(of(bench, "w")) == [(1, "ra"), (1, "rb")]


def test_a_file_that_nobody_wrote_has_readers_too(bench):
    bench.write("graph", [run(f"r{n}", n, reads=[("raw.csv", "1")], writes=[f"o{n}"]) for n in range(3)])
    bench.write("graph", [run("next", 9, reads=["o1"])])
    assert steps(of(bench, "raw.csv")) == [(1, "r0"), (1, "r1"), (1, "r2"), (2, "next")]
    assert steps(of(bench, "raw.csv", "1")) == steps(of(bench, "raw.csv"))


def test_a_version_is_not_another(bench):
    bench.write("graph", [run(f"w{n}", n, writes=[("rows", str(n))]) for n in range(3)])
    bench.write("graph", [run(f"r{n}", 10 + n, reads=[("rows", str(n % 3))]) for n in range(6)])
    assert steps(of(bench, "rows", "1")) == [(1, "r1"), (1, "r4")]
    assert steps(of(bench, "w0")) == [(1, "r0"), (1, "r3")]
    assert steps(of(bench, "rows")) == [(1, "r2"), (1, "r5")]


def test_an_update_in_place_leads_on_update_by_update(bench):
    bench.write("graph", [run(f"u{n}", n, reads=["table"], writes=["table"], seconds=0) for n in range(5)])
    assert steps(of(bench, "u1")) == [(1, "u2"), (2, "u3"), (3, "u4")]


def test_declared_upstream_runs_are_followed(bench):
    bench.write("graph", [run("a", 0), run("b", 1, upstream=["a"], writes=["x"]), run("c", 2, reads=["x"])])
    assert steps(of(bench, "a")) == [(1, "b"), (2, "c")]


def test_models_and_predictions_that_came_of_it_are_counted(bench):
    bench.model()
    declared = {"kind": "model", "name": "digits", "time": BEGIN}
    bench.write(
        "graph",
        [
            run("ingest", 0, writes=[("rows", "1")]),
            run("train", 1, reads=[("rows", "1")], writes=[("net", "m1")]),
            {**declared, "version": "2", "artifact": {"name": "net", "version": "m1"}},
            {**declared, "version": "3", "run": "train"},
            run("serve", 2, reads=[("net", "m1")]),
        ],
    )
    rows = [prediction(n, version="2") for n in range(3)] + [prediction(n, version="1") for n in range(3, 9)]
    bench.write("rows", [*rows, prediction(20, version="1", run="serve"), prediction(21, version="3", run="serve")])
    for _ in range(2):
        found = of(bench, "rows", predictions=True)
        assert (found.models, found.predictions) == ((("digits", "2"), ("digits", "3")), 5)
        assert of(bench, "net", predictions=True).models == (("digits", "2"),)
        bench.compact()


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_give_each_run_once_in_one_order_however_much_is_walked(bench, monkeypatch, limit):
    bench.write("graph", [run("w", 0, writes=[("model", "1")])])
    bench.write("graph", [run(f"r{n:02d}", 1 + n % 7, reads=[("model", "1")], writes=[f"o{n}"]) for n in range(20)])
    bench.write("graph", [run(f"s{n:02d}", 40 + n % 3, reads=[f"o{n}"], writes=["last"]) for n in range(8)])
    bench.write("graph", [run("end", 90, reads=["last"])])
    whole = every(bench, "model", limit=100)
    assert len(whole) == len(set(whole)) == 29
    for of_what in ("model", "w"):
        assert every(bench, of_what, limit=limit) == whole
        assert every(bench, of_what, limit=limit, exact=True) == whole
    monkeypatch.setattr(module, "WALKED", 5)
    for of_what in ("model", "w"):
        assert every(bench, of_what, limit=limit) == whole
        few = of(bench, of_what, limit=limit)
        assert (few.exact, few.runs >= 20) == (False, True)
        assert of(bench, of_what, exact=True).runs == 29


def test_many_reads_of_one_moment_are_paged_through(bench, monkeypatch):
    monkeypatch.setattr(module, "WALKED", 5)
    bench.write("graph", [run("w", 0, writes=["model"])])
    bench.write("graph", [run(f"r{n:03d}", 1, reads=["model"]) for n in range(130)])
    for of_what in ("model", "w"):
        assert every(bench, of_what, limit=50) == [(1, f"r{n:03d}") for n in range(130)]


def test_what_is_unknown_or_cannot_be_is_refused(bench):
    bench.write("graph", [run("w", 0, writes=[("model", "1")])])
    with pytest.raises(UnknownName, match="Did you mean 'model'"):
        of(bench, "modle")
    with pytest.raises(UnknownName, match="model"):
        of(bench, "model", "2")
    for wanted in ({"limit": 0}, {"limit": 1001}, {"after": "x"}, {"after": "1~2"}, {"depth": -1}, {"depth": True}):
        with pytest.raises(BadInput):
            of(bench, "model", **wanted)
