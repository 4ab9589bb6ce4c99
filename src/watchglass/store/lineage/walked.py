"""Runs → what they read and who made that, to the sources or one step, with the code that each ran with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.lineage import upwards
from watchglass.store.lineage.edges import parts, producers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection, Row

    from watchglass.store.lineage.edges import Resolved

_RUN: Final = sa.select(c.runs.c.id).where(c.runs.c.id == sa.bindparam("of"))


@dataclass(frozen=True, slots=True)
class Node:
    """A run: its component, the version and the hash of the source it ran with, when it began in µs."""

    id: str
    component: str
    version: str | None
    source: str | None
    started: int


@dataclass(frozen=True, slots=True)
class Walk:
    """Runs, what each of them read, nearest first; `cut` where there are more upstream than were wanted."""

    nodes: Mapping[str, Node]
    reads: Mapping[str, Sequence[Resolved]]
    cut: bool
    _upstream: dict[str, frozenset[str]] = field(default_factory=dict)

    def upstream_of(self, run: str) -> frozenset[str]:
        """Give the runs upstream of one of these, itself included, as far as was walked."""
        if run not in self._upstream:
            self._upstream[run] = frozenset(upwards.distances(self.reads, [run]))
        return self._upstream[run]


def walked(connection: Connection, run: str, most: int) -> Walk:
    """Walk from a run to the sources of what it read; of more runs than are wanted the nearest are kept."""
    edges = upwards.walk(connection, _RUN, {"of": run})
    near = list(upwards.distances(edges, [run]))
    return _walk(connection, {one: edges.get(one, ()) for one in near[:most]}, cut=len(near) > most)


def beside(connection: Connection, runs: Sequence[str]) -> Walk:
    """Look at what some runs read and who made that, no further."""
    reads: dict[str, list[Resolved]] = {run: [] for run in runs}
    for edge in producers(connection, runs):
        reads[edge.run].append(edge)
    return _walk(connection, reads, cut=False)


def _walk(connection: Connection, reads: Mapping[str, Sequence[Resolved]], *, cut: bool) -> Walk:
    made = (edge.producer for edges in reads.values() for edge in edges if edge.producer is not None)
    return Walk(_nodes(connection, dict.fromkeys((*reads, *made))), reads, cut)


def _nodes(connection: Connection, runs: Iterable[str]) -> dict[str, Node]:
    t = c.runs.c
    found: dict[str, Node] = {}
    for part in parts(list(runs)):
        query = sa.select(t.id, t.component, t.version, t.code, t.started).where(t.id.in_(part))
        found |= {row.id: node_of(row) for row in connection.execute(query)}
    return found


def node_of(row: Row[*tuple[object, ...]]) -> Node:
    """Make the node of a row with id, component, version, code and start of a run."""
    code = json.loads(row.code) if row.code else {}
    source = code.get("source_hash") if isinstance(code, dict) else None
    return Node(row.id, row.component, row.version, source, row.started)
