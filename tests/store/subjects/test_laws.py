"""Whatever was read, written, tagged and said to be of nobody: the one statement finds what the rules say, told a read at a time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.bench import Bench
from tests.store.lineage.told import run
from tests.store.subjects.test_following import said
from watchglass.store.graph import take_in
from watchglass.store.lineage.carriers import closure
from watchglass.store.lineage.edges import producers

RUNS, TAG = 6, "ana"
NAMES, VERSIONS = st.sampled_from("ab"), st.sampled_from(["", "1", "2"])
TIMES = st.integers(0, 6)
READS = st.lists(st.tuples(st.integers(0, RUNS - 1), NAMES, VERSIONS, TIMES), max_size=10)
WRITES = st.dictionaries(st.tuples(st.integers(0, RUNS - 1), NAMES), st.tuples(VERSIONS, TIMES), max_size=8)
SAID = st.sets(st.tuples(NAMES, VERSIONS, st.sampled_from([TAG, ""])), min_size=1, max_size=4)
LINKS = st.sets(st.tuples(st.integers(0, RUNS - 1), st.integers(0, RUNS - 1)), max_size=2)


def by_the_rules(edges, writes, tags):
    """Give the runs that have the tag: it is handed on until nothing changes."""
    tagged = {(name, version) for name, version, tag in tags if tag == TAG}
    clean = {(name, version) for name, version, tag in tags if tag == ""}
    have: set[str] = set()
    while True:
        before = len(have)
        for edge in edges:
            if edge.name == "":
                given = edge.producer in have
            else:
                wrote = (edge.name, writes.get((edge.producer, edge.name)))
                given = (edge.name, edge.version or "") in tagged or wrote in tagged
                given |= edge.producer in have and wrote not in clean
            if given:
                have.add(edge.run)
        if len(have) == before:
            return have


@pytest.mark.many_stores
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(READS, WRITES, SAID, LINKS)
def test_the_walk_finds_what_the_rules_say(tmp_path_factory, reads, writes, tags, links):
    bench = Bench(tmp_path_factory.mktemp("law") / "store")
    try:
        events = [said(name, tag, version) for name, version, tag in sorted(tags)]
        for number in range(RUNS):
            mine = [(name, version, time) for of, name, version, time in reads if of == number]
            wrote = [(name, version, time) for (of, name), (version, time) in writes.items() if of == number]
            named = [f"r{other}" for of, other in links if of == number and other != number]
            events.append(run(f"r{number}", 0, reads=mine, writes=wrote, upstream=named))
        bench.write("graph", events)
        take_in(bench.folder, bench.engine)
        with bench.engine.connect() as connection:
            found = closure(connection, [TAG])
            edges = producers(connection, [f"r{number}" for number in range(RUNS)])
        made = {(f"r{of}", name): version for (of, name), (version, _) in writes.items()}
        have = by_the_rules(edges, made, tags)
        assert {one.run for one in found.used} == have
        clean = {(name, version) for name, version, tag in tags if tag == ""}
        direct = {(name, version) for name, version, tag in tags if tag == TAG}
        derived = {(name, version) for (of, name), version in made.items() if of in have} - clean
        assert {(one.name, one.version) for one in found.carried} == direct | derived
    finally:
        bench.close()
