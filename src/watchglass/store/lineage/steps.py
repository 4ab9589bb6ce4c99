"""Ids of runs, and what each read → the records of the runs, with what they read and wrote; and edges as answers show them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa

from watchglass.records import Read, Run
from watchglass.store import catalog as c
from watchglass.store.lineage.edges import Rule, parts
from watchglass.store.models import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection, Row

    from watchglass.records import RunId, Write
    from watchglass.store.lineage.edges import Resolved


@dataclass(frozen=True, slots=True)
class Edge:
    """A run read a version of a name, or the name alone, which `producer` had made; None where nobody is known to have.

    `rule` is how the producer is known: content, time or declared; without one, how the read itself is. A run that was
    named as upstream, with no data between, has an empty name.
    """

    run: str
    name: str
    version: str | None
    rule: Rule
    producer: str | None


def shown(found: Iterable[Resolved]) -> tuple[Edge, ...]:
    """Make the edges of an answer."""
    return tuple(Edge(one.run, one.name, one.version, one.rule, one.producer) for one in found)


def records(connection: Connection, ids: Sequence[str], reads: Mapping[str, Iterable[Resolved]]) -> dict[str, Run]:
    """Give the records of those of some runs that are recorded themselves, in two statements for ten thousand."""
    found: dict[str, Run] = {}
    table, w = c.runs.c, c.writes.c
    names = ("id", "component", "version", "parent", "started", "ended", "status", "error", "params")
    for part in parts(ids):
        written: dict[str, list[Write]] = {}
        query = sa.select(w.run, w.name, w.version, w.rule, w.time).where(w.run.in_(part))
        for row in connection.execute(query.order_by(w.run, w.time, w.name, w.version)):
            written.setdefault(row.run, []).append(Read(row.name, row.version or None, row.rule, moment(row.time)))
        for row in connection.execute(sa.select(*(table[name] for name in names)).where(table.id.in_(part))):
            read = sorted(
                (one for one in reads.get(row.id, ()) if one.name),
                key=lambda one: (one.time, one.name, one.version or ""),
            )
            told = tuple(Read(one.name, one.version, one.known, moment(one.time)) for one in read)
            found[row.id] = _record(row, told, tuple(written.get(row.id, ())))
    return found


def _record(row: Row[*tuple[object, ...]], reads: tuple[Read, ...], writes: tuple[Write, ...]) -> Run:
    params: object = json.loads(row.params) if row.params else {}
    return Run(
        id=cast("RunId", row.id),
        component=row.component,
        version=row.version,
        parent=row.parent,
        started=moment(row.started),
        ended=None if row.ended is None else moment(row.ended),
        status=row.status,
        error=row.error,
        params=params if isinstance(params, dict) else {},
        reads=reads,
        writes=writes,
    )
