"""Runs, or an artifact → the runs that read what they wrote, and so on, in one statement that the catalog walks by itself.

Candidates are read off the indexes: of what a run wrote, the reads up to the next write of that version or name. Each is then
resolved as every read is (edges.py), so what is downstream of a run has it upstream, whatever was written when.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.lineage.edges import SKEW, producer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    Text: TypeAlias = "sa.ColumnElement[str]"

NEVER: Final = 2**62
"""Later than any time in µs."""


class Reached(NamedTuple):
    """A run that read, in µs, what another had made; of the readers of an artifact the other is None."""

    producer: str | None
    run: str
    time: int


class From(NamedTuple):
    """Where a walk begins: at runs, or at the readers of an artifact: of a version of a name, of a name that nobody wrote."""

    runs: tuple[str, ...] = ()
    name: str | None = None
    version: str | None = None

    @property
    def values(self) -> dict[str, object]:
        """The parameters of the statements."""
        return {"name": self.name, "version": self.version} if self.name is not None else {"runs": list(self.runs)}


def readers(connection: Connection, begin: From, fan: int, since: tuple[int, str] | None = None) -> list[Reached]:
    """Give who read, at first hand, in order of time; of each write and each rule the first `fan` from a time and run on."""
    time, run = since or (-NEVER, "")
    values = {**begin.values, "fan": fan, "since": time, "after": run}
    return [Reached(*row) for row in connection.execute(_first(begin.name is not None, begin.version is None), values)]


def walk(connection: Connection, begin: From, fan: int, most: int) -> list[Reached]:
    """Give who read, at any distance, nearest first, each as often as it read from another; `most` rows, of each write `fan`."""
    values = {**begin.values, "fan": fan, "since": -NEVER, "after": "", "most": most}
    query = _whole(begin.name is not None, begin.version is None)
    return [Reached(*row) for row in connection.execute(query, values)]


def readers_at_least(connection: Connection, begin: From) -> int:
    """Give a number of runs that surely read, at first hand, counted on an index: of one version, or of one name alone."""
    values = {**begin.values, "since": -NEVER}
    return max(
        (int(count) for count in connection.execute(_counted(begin.name is not None), values).scalars()), default=0
    )


_SINCE: Final = sa.bindparam("since", type_=sa.BigInteger)
_AFTER: Final = sa.bindparam("after", type_=sa.String)
_FAN: Final = sa.bindparam("fan", type_=sa.Integer)
_NAME: Final = sa.bindparam("name", type_=sa.String)
_VERSION: Final = sa.bindparam("version", type_=sa.String)
_CONTENT, _NAME_ALONE, _UNKNOWN_VERSION, _NAMED = range(4)
"""How a run comes to have another upstream."""


@cache
def _first(artifact: bool, unwritten: bool) -> sa.Select[str | None, str, int]:  # noqa: FBT001 - a key of the cache
    found = _readers_of(unwritten=unwritten) if artifact else step(_seeds().subquery())
    one = found.subquery()
    first = sa.func.min(one.c.time).label("time")
    query = (
        sa.select(sa.func.min(one.c.producer).label("producer"), one.c.run, first)
        .where(_passed(one))
        .group_by(one.c.run)
    )
    return query.order_by(first, one.c.run).limit(_FAN)


@cache
def _whole(artifact: bool, unwritten: bool) -> sa.Select[str | None, str, int]:  # noqa: FBT001 - likewise
    first = (_readers_of(unwritten=unwritten) if artifact else _seeds()).subquery()
    down = sa.select(first).cte("down", recursive=True)
    down = down.union(step(down))
    query = sa.select(down.c.producer, down.c.run, down.c.time)
    if not artifact:
        query = query.where(down.c.producer.is_not(None))  # the seeds are not downstream of themselves
    return query.limit(sa.bindparam("most", type_=sa.Integer))


@cache
def _counted(artifact: bool) -> sa.Select[int]:  # noqa: FBT001 - likewise
    w, r = c.writes.alias(), c.reads.alias()
    newest = w.c.time.desc(), w.c.run.desc()
    written = sa.select(w)
    if artifact:
        written = written.where(w.c.name == _NAME, w.c.version == _VERSION).order_by(*newest).limit(1)
    else:
        written = written.where(w.c.run.in_(sa.bindparam("runs", expanding=True)))
    made = written.subquery()
    read = (r.c.name == made.c.name) & (r.c.version == made.c.version) & (r.c.time >= made.c.time)
    until = sa.func.coalesce(_next(made, version=True), NEVER)
    of_name = sa.func.coalesce(_next(made, version=False), NEVER)
    last = sa.case((made.c.version == "", of_name), else_=until)
    own = sa.select(sa.func.count()).where(
        r.c.run == made.c.run, r.c.name == made.c.name, r.c.version == made.c.version
    )
    every = sa.select(sa.func.count()).where(read, r.c.time < last).correlate(made).scalar_subquery()
    return sa.select(every - own.correlate(made).scalar_subquery())


def _none(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Write the NULL of a column's very type."""
    return sa.func.nullif(column, column)


def _seeds() -> sa.Select[str, str, int]:
    """Choose the runs to begin at, though the catalog may know them only by what they wrote."""
    wanted: sa.BindParameter[list[str]] = sa.bindparam("runs", expanding=True)
    told = (c.runs.c.id, c.writes.c.run, c.run_links.c.upstream)
    run = sa.union(*(sa.select(column.label("run")).where(column.in_(wanted)) for column in told)).subquery().c.run
    return sa.select(_none(run).label("producer"), run, sa.cast(0, sa.BigInteger).label("time"))


def _readers_of(*, unwritten: bool) -> sa.Select[str, str, int]:
    """Choose the readers of a version of a name, whoever wrote it, and of the name alone while its newest write was the newest."""
    r, w = c.reads.alias(), c.writes.alias()
    wanted = sa.select(r.c.run, r.c.time).where(r.c.name == _NAME, _passed(r)).order_by(r.c.time, r.c.run)
    if unwritten:
        found = wanted.limit(_FAN).subquery()
    else:
        same = wanted.where(r.c.version == _VERSION, r.c.version != "").limit(_FAN).subquery()
        newest = sa.select(w).where(w.c.name == _NAME, w.c.version == _VERSION)
        written = newest.order_by(w.c.time.desc(), w.c.run.desc()).limit(1).subquery()
        alone, unknown = c.reads.alias(), c.reads.alias()
        found = sa.union_all(
            sa.select(same.c.run, same.c.time),
            sa.select(alone.c.run, alone.c.time).select_from(
                written.join(alone, name_alone(alone, written, written.c.name))
            ),
            sa.select(unknown.c.run, unknown.c.time).select_from(
                written.join(unknown, unknown_version(unknown, written, written.c.name))
            ),
        ).subquery()
    return sa.select(_none(found.c.run).label("producer"), found.c.run, found.c.time)


def step(
    down: sa.FromClause, leads_on: Callable[[sa.FromClause], sa.ColumnElement[bool]] | None = None
) -> sa.Select[str, str, int]:
    """Go from runs to those that read what they wrote, by version or by time, or that named them as upstream.

    Of what they wrote only those writes are followed that lead on.
    """
    kinds = sa.union_all(*(sa.select(sa.literal(kind).label("kind")) for kind in range(4))).subquery("kinds")
    w, links = c.writes.alias(), c.run_links.alias()
    ways = {_CONTENT: _same_version, _NAME_ALONE: name_alone, _UNKNOWN_VERSION: unknown_version}
    read = {kind: c.reads.alias() for kind in ways}
    written = w.c.run == sa.case((kinds.c.kind < _NAMED, down.c.run))
    tables = down.join(kinds, sa.true()).outerjoin(w, written if leads_on is None else written & leads_on(w))
    for (
        kind,
        way,
    ) in ways.items():  # a name that is NULL finds nothing at once, where a condition on the kind would look first
        tables = tables.outerjoin(read[kind], way(read[kind], w, sa.case((kinds.c.kind == kind, w.c.name))))
    tables = tables.outerjoin(links, links.c.upstream == sa.case((kinds.c.kind == _NAMED, down.c.run)))
    found = (*read.values(), links)
    run, time = (sa.func.coalesce(*(table.c[name] for table in found)) for name in ("run", "time"))
    query = sa.select(down.c.run.label("producer"), run.label("run"), time.label("time")).select_from(tables)
    return query.where(run.is_not(None), run != down.c.run)


def _same_version(r: sa.FromClause, w: sa.FromClause, name: Text) -> sa.ColumnElement[bool]:
    """Say that a read is of a version that was written, from then on to the next write of it; of the first write, a little before.

    Of the second too: the first may be the reader's own, which passes it by. A run writes a version once.
    """
    x, p = c.writes.alias(), c.runs.alias()
    same = (x.c.name == w.c.name) & (x.c.version == w.c.version)
    earlier = sa.select(x.c.time).where(same, x.c.time < w.c.time).limit(1).offset(1).correlate(w).scalar_subquery()
    begun = sa.select(p.c.started - SKEW).where(p.c.id == w.c.run).correlate(w).scalar_subquery()
    first = sa.case((earlier.is_(None) & (begun < w.c.time), begun), else_=w.c.time)
    on = (r.c.name == name) & (r.c.version == w.c.version) & (w.c.version != "")
    return (
        on
        & (r.c.time >= _since(first))
        & (r.c.time <= _until(w, w.c.version, version=True))
        & (producer_of(r) == w.c.run)
    )


def name_alone(r: sa.FromClause, w: sa.FromClause, name: Text) -> sa.ColumnElement[bool]:
    """Say that a read is of the name without a version, while a write was the newest of it."""
    on = (r.c.name == name) & (r.c.version == "") & (r.c.time >= _since(w.c.time))
    return on & (r.c.time <= _until(w, sa.literal(""), version=False)) & (producer_of(r) == w.c.run)


def unknown_version(r: sa.FromClause, w: sa.FromClause, name: Text) -> sa.ColumnElement[bool]:
    """Say that a read is of a version that nobody had written, while a write was the newest of the name.

    Where no other version was ever read, which is seen at once, the reads are not looked through.
    """
    y = c.reads.alias()
    others = (
        sa.select(y.c.run).where(y.c.name == w.c.name, *where).correlate(w).exists()
        for where in ((y.c.version > "", y.c.version < w.c.version), (y.c.version > w.c.version,))
    )
    on = r.c.name == sa.case((name.is_not(None) & sa.or_(*others), name))
    on &= (r.c.time >= _since(w.c.time)) & (r.c.time <= sa.func.coalesce(_next(w, version=False), NEVER))
    return on & (r.c.version != "") & (r.c.version != w.c.version) & (producer_of(r) == w.c.run)


def _passed(r: sa.FromClause) -> sa.ColumnElement[bool]:
    """Say that a read comes after the one where the page before ended."""
    return (r.c.time >= _SINCE) & ((r.c.time > _SINCE) | (r.c.run > _AFTER))


def _since(time: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((time < _SINCE, _SINCE), else_=time)


def _next(w: sa.FromClause, *, version: bool) -> sa.ScalarSelect[int]:
    """Give the time of the next write of a name, or of a version of it."""
    x = c.writes.alias()
    same = [x.c.name == w.c.name, *([x.c.version == w.c.version] if version else [])]
    return (
        sa.select(x.c.time).where(*same, x.c.time > w.c.time).order_by(x.c.time).limit(1).correlate(w).scalar_subquery()
    )


def _until(w: sa.FromClause, of: sa.ColumnElement[str], *, version: bool) -> sa.ColumnElement[int]:
    """Give the time of the next write, or, where more than `fan` reads come before it, that of the last of these."""
    y = c.reads.alias()
    read = sa.select(y.c.time).where(y.c.name == w.c.name, y.c.version == of, y.c.time >= w.c.time, _passed(y))
    last = read.order_by(y.c.time).limit(1).offset(_FAN).correlate(w).scalar_subquery()
    both = sa.union_all(sa.select(last.label("time")), sa.select(_next(w, version=version))).subquery()
    return sa.func.coalesce(sa.select(sa.func.min(both.c.time)).correlate(w).scalar_subquery(), NEVER)
