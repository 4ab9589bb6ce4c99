"""Runs as another process would have told them → a store's graph log: shorthand for tests of lineage."""

from __future__ import annotations

from tests.store.bench import BEGIN

SECOND = 1_000_000


def at(seconds):
    """Give a time in µs."""
    return BEGIN + round(seconds * SECOND)


def edges(items, time):
    """Read "name", ("name", "version") or ("name", "version", seconds)."""
    for item in items:
        name, version, when = (item, None, None) if isinstance(item, str) else (*item, None)[:3]
        yield {"name": name, "version": version, "time": time if when is None else at(when)}


def run(ident, start, reads=(), writes=(), *, component=None, seconds=0.5, **fields):
    """Write a run that read when it began and wrote when it ended."""
    begun, over = at(start), at(start + seconds)
    return {
        "kind": "run",
        "id": ident,
        "component": component or ident.rstrip("0123456789") or ident,
        "started": begun,
        "ended": over,
        "status": "ok",
        "reads": list(edges(reads, begun)),
        "writes": list(edges(writes, over)),
        **fields,
    }


def steps(trace):
    """Give the steps as (hops, id)."""
    return [(hops, one.id) for hops, one in trace.steps]


def made(trace):
    """Give the edges as {(run, name, version): (producer, rule)}."""
    return {(e.run, e.name, e.version): (e.producer, e.rule) for e in trace.edges}
