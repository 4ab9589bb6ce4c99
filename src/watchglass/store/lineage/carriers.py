"""Tags of subjects → every artifact version that carries one, said of it or derived, and every run that used them, by distance.

A version that a tag is said of carries it. A run that reads such a version, whoever wrote it, or reads the name alone while
that version was the newest, has it; so does whoever reads what this run wrote, as lineage resolves reads. All that such a
run writes carries the tag, but what is said to be of nobody (clean): there the way ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.lineage.downwards import NEVER, Reached, name_alone, step, unknown_version
from watchglass.store.lineage.edges import parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

CLEAN: Final = ""
"""The tag of what is said to be of nobody."""
_ALL: Final = 2**31 - 1
_TAGS: Final[sa.BindParameter[list[str]]] = sa.bindparam("tags", expanding=True)


class Carried(NamedTuple):
    """A version of an artifact that carries a tag: so many runs lie between, the run that made it so and when in µs."""

    depth: int
    name: str
    version: str
    run: str
    time: int


class Used(NamedTuple):
    """A run that read what carries a tag: by how many runs, itself counted, and when it did first in µs."""

    depth: int
    run: str
    time: int


@dataclass(frozen=True, slots=True)
class Closure:
    """All that carries some tags, each version once, and the runs that used it, each once; the nearest first."""

    carried: tuple[Carried, ...]
    used: tuple[Used, ...]


def closure(connection: Connection, tags: Sequence[str]) -> Closure:
    """Walk from the versions that tags are said of to all that derives from them, in a statement each for reads and writes."""
    values = {"tags": list(tags), "fan": _ALL, "since": -NEVER, "after": ""}
    reached = [Reached(*row) for row in connection.execute(_walk(), values)]
    used = _by_distance(reached)
    found: dict[tuple[str, str], Carried] = {}
    for row in connection.execute(_said(), {"tags": list(tags)}):
        found.setdefault((row.name, row.version), Carried(0, row.name, row.version, row.run, row.time))
    depth = {one.run: one.depth for one in used}
    for part in parts(list(depth)):
        for row in connection.execute(_written(), {"runs": list(part)}):
            one = Carried(depth[row.run], row.name, row.version, row.run, row.time)
            known = found.get((row.name, row.version))
            if known is None or one[0::4] < known[0::4]:
                found[row.name, row.version] = one
    order = sorted(found.values(), key=lambda one: (one.depth, one.time, one.name, one.version))
    return Closure(tuple(order), tuple(used))


def _by_distance(reached: Sequence[Reached]) -> list[Used]:
    """Give each run its least distance and when it read first at that distance."""
    read: dict[str | None, list[Reached]] = {}
    for one in reached:
        read.setdefault(one.producer, []).append(one)
    level: Sequence[str | None] = (None,)
    known: set[str] = set()
    used: list[Used] = []
    depth = 0
    while level:
        depth += 1
        found: dict[str, int] = {}
        for one in (one for producer in level for one in read.get(producer, ())):
            if one.run not in known:
                found[one.run] = min(one.time, found.get(one.run, one.time))
        known.update(found)
        used += sorted(Used(depth, run, time) for run, time in found.items())
        level = list(found)
    return sorted(used, key=lambda one: (one.depth, one.time, one.run))


def is_clean(w: sa.FromClause) -> sa.ColumnElement[bool]:
    """Say that a version that a row is about is said to be of nobody."""
    s = c.subject_tags.alias()
    return sa.select(s.c.name).where(s.c.name == w.c.name, s.c.version == w.c.version, s.c.tag == CLEAN).correlate(w).exists()  # fmt: skip


@cache
def _walk() -> sa.Select[str | None, str, int]:
    """Choose who read what is tagged, and then who read what these wrote, level by level."""
    first = _first().subquery()
    down = sa.select(first).cte("down", recursive=True)
    down = down.union(step(down, lambda w: ~is_clean(w)))
    return sa.select(down.c.producer, down.c.run, down.c.time)


def _first() -> sa.Select[str | None, str, int]:
    """Choose the reads of what is tagged: of the very version, and of the name while it was the newest."""
    s, same, w, alone, unknown = c.subject_tags, c.reads.alias(), c.writes.alias(), c.reads.alias(), c.reads.alias()
    tagged = sa.select(s.c.name, s.c.version).where(s.c.tag.in_(_TAGS)).distinct().subquery()
    written = tagged.join(w, (w.c.name == tagged.c.name) & (w.c.version == tagged.c.version))
    ways = [
        sa.select(same.c.run, same.c.time).select_from(
            tagged.join(same, (same.c.name == tagged.c.name) & (same.c.version == tagged.c.version))
        ),
        *(
            sa.select(read.c.run, read.c.time).select_from(written.join(read, way(read, w, w.c.name))).where(read.c.run != w.c.run)
            for read, way in ((alone, name_alone), (unknown, unknown_version))
        ),
    ]  # fmt: skip
    found = sa.union_all(*ways).subquery()
    first = sa.func.min(found.c.time).label("time")
    none = sa.func.nullif(found.c.run, found.c.run).label("producer")
    return sa.select(none, found.c.run, first).group_by(found.c.run)


@cache
def _said() -> sa.Select[*tuple[object, ...]]:
    s = c.subject_tags.c
    return sa.select(s.name, s.version, s.run, s.time).where(s.tag.in_(_TAGS)).order_by(s.time, s.run)


@cache
def _written() -> sa.Select[*tuple[object, ...]]:
    w = c.writes
    wanted = w.c.run.in_(sa.bindparam("runs", expanding=True))
    return sa.select(w.c.run, w.c.name, w.c.version, w.c.time).where(wanted, ~is_clean(w))
