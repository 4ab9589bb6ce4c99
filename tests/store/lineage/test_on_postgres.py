"""Lineage is the same whether the catalog lies in a file or in PostgreSQL."""

from __future__ import annotations

import random

import pytest

from tests import postgres
from tests.store.bench import BEGIN, Bench
from tests.store.lineage.told import run
from watchglass.store.graph import take_in
from watchglass.store.lineage import impact as module
from watchglass.store.lineage.impact import Wanted, impact
from watchglass.store.lineage.trace import trace
from watchglass.store.lineage.upstream import upstream

pytestmark = postgres.NEEDED
RUNS = 40


def told(bench):
    """Tell of runs that read and wrote few names and versions by chance, always the same ones."""
    chance = random.Random(7)

    def some(most):
        named = {(chance.choice("abÄ"), chance.choice(["", "1", "2"])) for _ in range(chance.randrange(most))}
        return [(name, version or None) for name, version in sorted(named)]

    lines = [
        run(f"r{n:02d}", n * 7, reads=some(4), writes=some(3), seconds=chance.choice([0, 5, 30])) for n in range(RUNS)
    ]
    lines += [{**lines[n], "upstream": [f"r{n - 5:02d}"]} for n in (9, 30)]
    bench.write("graph", lines)
    bench.write("graph", [{"kind": "model", "name": "m", "version": "1", "artifact": {"name": "a", "version": "1"}, "time": BEGIN}])  # fmt: skip
    bench.write("graph", [{"kind": "model", "name": "m", "version": "2", "artifact": {"name": "b"}, "time": BEGIN + 99_000_000}])  # fmt: skip
    take_in(bench.folder, bench.engine)
    return bench


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with postgres.both(tmp_path_factory.mktemp("both"), lambda root: told(Bench(root))) as found:
        yield found


@pytest.mark.parametrize("depth", [None, 2])
def test_every_trace_is_the_same(both, depth):
    for of, version in [*((f"r{n:02d}", None) for n in range(RUNS)), ("a", None), ("Ä", "1")]:
        one, other = (trace(bench.folder, bench.engine, of, version, depth) for bench in both)
        assert one.steps == other.steps
        assert set(one.edges) == set(other.edges)


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted(limit=3), Wanted(exact=True, predictions=False), Wanted(depth=1, limit=2)]
)
def test_every_impact_is_the_same(both, monkeypatch, wanted):
    monkeypatch.setattr(module, "WALKED", 5 if wanted.limit < 50 else 2000)
    for of, version in [("r00", None), ("r07", None), ("a", "1"), ("b", "2"), ("Ä", None)]:
        one, other = (impact(bench.folder, bench.engine, of, version, wanted) for bench in both)
        assert (one.steps, one.runs, one.exact, one.next, one.models, one.predictions) == (
            other.steps,
            other.runs,
            other.exact,
            other.next,
            other.models,
            other.predictions,
        )
        assert set(one.edges) == set(other.edges)


def test_all_that_is_upstream_of_many_is_the_same(both):
    found = []
    for bench in both:
        with bench.engine.connect() as connection:
            found.append(upstream(connection, [f"r{n:02d}" for n in range(RUNS)]))
    assert found[0] == found[1]
