"""Whatever was read and written when: a trace is what the rules say, and what is downstream of a run has it upstream."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.store.lineage.told import SECOND, at
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.downwards import From, readers, walk
from watchglass.store.lineage.edges import SKEW, producers
from watchglass.store.lineage.impact import Wanted, impact
from watchglass.store.lineage.trace import trace
from watchglass.store.transactions import writing

ANY = 10**6
NAMES, VERSIONS, TIMES, RUNS = (
    st.sampled_from("ab"),
    st.sampled_from(["", "1", "2"]),
    st.integers(0, 5),
    st.integers(0, 5),
)
EDGES = st.lists(st.tuples(RUNS, NAMES, VERSIONS, TIMES), max_size=9, unique_by=lambda edge: edge[:3])
LINKS = st.lists(st.tuples(RUNS, RUNS).filter(lambda pair: pair[0] != pair[1]), max_size=2, unique=True)


def told(reads, writes, links):
    """Write the lines of six runs, which begin a minute apart from the first on."""

    def edge(one):
        return {"name": one[1], "version": one[2] or None, "time": at(one[3] * 100)}

    for run in range(6):
        yield {
            "kind": "run",
            "id": f"r{run}",
            "component": "c",
            "started": at(run * 90),
            "reads": [edge(one) for one in reads if one[0] == run],
            "writes": [edge(one) for one in writes if one[0] == run],
            "upstream": [f"r{up}" for down, up in links if down == run],
        }


def expected(read, writes):
    """Resolve a read as the rules say, by looking at every write."""
    run, name, version, time = read
    mine = [
        (when, w) for w, written, _, when in writes if written == name and (when < time or (when == time and w != run))
    ]
    same = [
        (when, w)
        for w, written, v, when in writes
        if (written, v) == (name, version) and (when < time or (when == time and w != run))
    ]
    if version and same:
        return max(same)[1]
    later = [
        (when, w) for w, written, v, when in writes if (written, v) == (name, version) and when > time and w != run
    ]
    known = any((written, v) == (name, version) and when <= time for _, written, v, when in writes)
    if version and not known and later and min(later)[1] * 90 * SECOND <= time * 100 * SECOND + SKEW:
        return min(later)[1]
    return max(mine)[1] if mine else None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDGES, EDGES, LINKS)
@example([(3, "a", "2", 0)], [(0, "a", "2", 5), (3, "a", "2", 4)], [])  # between read and write the reader wrote it too
def test_trace_and_impact_say_what_the_rules_say(bench, reads, writes, links):
    with writing(bench.engine) as transaction:
        for table in (c.runs, c.reads, c.writes, c.run_links, c.artifacts):
            transaction.execute(table.delete())
    hold(bench, reads, writes, links)


def hold(bench, reads, writes, links):
    bench.write("graph", told(reads, writes, links))
    take_in(bench.folder, bench.engine)
    made = {(f"r{read[0]}", read[1], read[2] or None): expected(read, writes) for read in reads}
    want = {key: None if found is None or f"r{found}" == key[0] else f"r{found}" for key, found in made.items()}
    runs = [f"r{run}" for run in range(6)]
    with bench.engine.connect() as connection:
        found = {(one.run, one.name, one.version): one.producer for one in producers(connection, runs) if one.name}
        assert found == want
        pairs = {(producer, run) for (run, _, _), producer in want.items() if producer is not None}
        pairs |= {(f"r{up}", f"r{down}") for down, up in links}
        for run in runs:
            near = {one.run for one in readers(connection, From(runs=(run,)), ANY)}
            assert near == {reader for producer, reader in pairs if producer == run}, run
            assert {(one.producer, one.run) for one in walk(connection, From(runs=(run,)), ANY, ANY)} == {
                pair for pair in pairs if pair[0] == run or pair[0] in below(run, pairs)
            }
    for run in runs:
        assert {one.id for _, one in trace(bench.folder, bench.engine, run).steps} == {run} | above(run, pairs)
        down = impact(bench.folder, bench.engine, run, None, Wanted(predictions=False))
        assert {one.id for _, one in down.steps} == below(run, pairs) - {run}


def below(run, pairs):
    """Give all that is downstream of a run, itself where it lies in a circle."""
    found, waiting = set(), [run]
    for one in waiting:
        news = {reader for producer, reader in pairs if producer == one} - found
        found |= news
        waiting += sorted(news)
    return found


def above(run, pairs):
    return below(run, {(reader, producer) for producer, reader in pairs})
