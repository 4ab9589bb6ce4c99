"""Runs → the runs upstream of them, who read whom, and every version of an artifact that was read on the way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store.catalog import reads, run_links, runs
from watchglass.store.lineage.edges import parts
from watchglass.store.lineage.upwards import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from watchglass.store.lineage.edges import Resolved


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


_KNOWN: Final = sa.select(
    sa.union(
        *(
            sa.select(column).where(column.in_(sa.bindparam("runs", expanding=True)))
            for column in (runs.c.id, reads.c.run, run_links.c.run)
        )
    )
    .subquery()
    .c[0]
)
"""Those of some runs that the catalog tells of, though it be only by what they read."""


def upstream(connection: Connection, seeds: Iterable[str]) -> Upstream:
    """Walk from runs to all that made their inputs, each run once."""
    wanted = list(dict.fromkeys(seeds))
    edges: dict[str, list[Resolved]] = {}
    for part in parts(wanted):
        edges |= walk(connection, _KNOWN, {"runs": list(part)})
    nodes = {}
    for part in parts([*edges, *(run for run in wanted if run not in edges)]):
        query = sa.select(runs.c.id, runs.c.component, runs.c.version, runs.c.started).where(runs.c.id.in_(part))
        nodes.update({row.id: Node(*row) for row in connection.execute(query)})
    made = {run: frozenset(one.producer for one in listed if one.producer is not None) for run, listed in edges.items()}
    read = {
        run: frozenset((one.name, one.version or "") for one in listed if one.name) for run, listed in edges.items()
    }
    return Upstream(
        nodes,
        {run: found for run, found in made.items() if found},
        {run: found for run, found in read.items() if found},
    )
