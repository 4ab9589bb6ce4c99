"""Runs → the runs upstream of them: each read resolved to the run that wrote it, walked in the catalog in batches.

A read with a content version leads to the runs that wrote that version; a read of a declared name to the newest
write of the name before it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.store.catalog import reads, runs, writes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

BATCH = 500


@dataclass(frozen=True, slots=True)
class Node:
    """A run as lineage needs it."""

    id: str
    component: str
    version: str | None
    started: int  # µs


@dataclass(frozen=True, slots=True)
class Upstream:
    """The runs upstream of the seeds, who read whom, and which artifact versions each run read."""

    nodes: Mapping[str, Node]
    producers: Mapping[str, frozenset[str]]
    read: Mapping[str, frozenset[tuple[str, str]]]

    def of(self, seed: str) -> dict[str, int]:
        """Give every run upstream of `seed`, itself included, with its distance, nearest first."""
        distance = {seed: 0}
        queue = deque([seed])
        while queue:
            run = queue.popleft()
            for producer in sorted(self.producers.get(run, ())):
                if producer not in distance:
                    distance[producer] = distance[run] + 1
                    queue.append(producer)
        return distance


def batches(items: Iterable[str]) -> Iterator[Sequence[str]]:
    """Part names into lists that fit one statement."""
    listed = sorted(items)
    for start in range(0, len(listed), BATCH):
        yield listed[start : start + BATCH]


def upstream(connection: Connection, seeds: Iterable[str]) -> Upstream:
    """Walk from runs to all that made their inputs, each run once."""
    known: set[str] = set()
    frontier = set(seeds)
    producers: dict[str, set[str]] = {}
    read: dict[str, set[tuple[str, str]]] = {}
    while frontier:
        known |= frontier
        found: set[str] = set()
        for batch in batches(frontier):
            for run, name, version in connection.execute(
                sa.select(reads.c.run, reads.c.name, reads.c.version).where(reads.c.run.in_(batch))
            ):
                read.setdefault(run, set()).add((name, version))
            for run, producer in [*_by_content(connection, batch), *_by_time(connection, batch)]:
                producers.setdefault(run, set()).add(producer)
                found.add(producer)
        frontier = found - known
    nodes = {}
    for batch in batches(known):
        query = sa.select(runs.c.id, runs.c.component, runs.c.version, runs.c.started).where(runs.c.id.in_(batch))
        nodes.update({row.id: Node(*row) for row in connection.execute(query)})
    return Upstream(nodes, {k: frozenset(v) for k, v in producers.items()}, {k: frozenset(v) for k, v in read.items()})


def _by_content(connection: Connection, batch: Sequence[str]) -> list[tuple[str, str]]:
    """Resolve reads whose content is known to the newest write of that content before the read, else the oldest."""
    query = (
        sa.select(reads.c.run, writes.c.run, reads.c.time, writes.c.time, reads.c.name)
        .join(
            writes,
            (writes.c.name == reads.c.name) & (writes.c.version == reads.c.version) & (writes.c.run != reads.c.run),
        )
        .where(reads.c.run.in_(batch), reads.c.version != "")
    )
    best: dict[tuple[str, str], tuple[bool, int, str]] = {}
    for run, producer, at, written, name in connection.execute(query):
        rank = (written <= at, written if written <= at else -written, producer)
        best[run, name] = max(best.get((run, name), rank), rank)
    return [(run, rank[2]) for (run, _), rank in best.items()]


def _by_time(connection: Connection, batch: Sequence[str]) -> list[tuple[str, str]]:
    """Resolve reads of a declared name to the newest write of the name before the read."""
    newest = (
        sa.select(writes.c.run)
        .where(writes.c.name == reads.c.name, writes.c.time <= reads.c.time, writes.c.run != reads.c.run)
        .order_by(writes.c.time.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = sa.select(reads.c.run, newest).where(reads.c.run.in_(batch), reads.c.version == "")
    return [(run, producer) for run, producer in connection.execute(query) if producer is not None]
