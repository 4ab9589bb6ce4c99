"""What runs read, and a time → why each input was stale then: a newer version, an old producer, newer code of its component."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.lineage.walked import Node, Walk, node_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

Kind = Literal["newer version", "old", "newer code", "component ran again"]
Judged: TypeAlias = "Mapping[tuple[str, str, str], Sequence[Found]]"
"""Of each run, name and version read (empty where only the name is known): why."""
BATCH: Final = 500
COUNTED: Final = 1000
_DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """Why a read was stale: of newer versions, between which times they lie (`counted` tells how many)."""

    kind: Kind
    run: str
    sentence: str
    count: int | None = None
    days: float | None = None
    between: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """From which age a producer is old (None: never); with `component`, mltrace's rule too: its component ran again."""

    age: timedelta | None = timedelta(days=30)
    component: bool = False


def judged(connection: Connection, walk: Walk, at: int | None, rules: Rules) -> Judged:
    """Give why each read of the walked runs was stale at a time in µs, or, with None, when its run began."""
    found: dict[tuple[str, str, str], list[Found]] = {}
    for run, name, version, reason in _newer_versions(connection, walk, at):
        found.setdefault((run, name, version), []).append(reason)
    later = _Later(connection)
    if at is not None:
        later.look({node.component for node in walk.nodes.values()}, at)
    for run, reads in walk.reads.items():
        for read in reads:
            producer = None if read.producer is None else walk.nodes.get(read.producer)
            if producer is not None and run in walk.nodes:
                when = walk.nodes[run].started if at is None else at
                found.setdefault((run, read.name, read.version or ""), []).extend(
                    _of_producer(producer, when, rules, later)
                )
    return found


def _newer_versions(connection: Connection, walk: Walk, at: int | None) -> Iterator[tuple[str, str, str, Found]]:
    runs = [run for run, reads in walk.reads.items() if reads]
    for start in range(0, len(runs), BATCH):
        values = {"runs": runs[start : start + BATCH], **({} if at is None else {"at": at})}
        for row in connection.execute(_newest(began=at is None), values):
            if row.newest is None or row.written <= row.anchor or (row.version and row.version == row.newest_version):
                continue
            if row.newest in walk.nodes and row.run in walk.upstream_of(row.newest):
                continue  # it was made out of what was read
            found = Found("newer version", row.newest, "", between=(row.anchor, row.until))
            yield row.run, row.name, row.version, found


@cache
def _newest(*, began: bool) -> sa.Select[*tuple[object, ...]]:
    """Ask, of each read, for the newest write of its name by another run, and for when what was read was written.

    Both up to the time `at`, or to when the run began; made once, as making it takes longer than its answer.
    """
    r, w = c.reads.c, c.writes.c
    until = c.runs.c.started if began else sa.bindparam("at", type_=sa.BigInteger)
    newest = sa.select(w.run, w.version, w.time).where(w.name == r.name, w.time <= until, w.run != r.run)
    newest = newest.order_by(w.time.desc(), w.run.desc()).limit(1)
    own = (
        sa.select(w.time)
        .where(w.name == r.name, w.version == r.version, w.time <= until, r.version != "")
        .order_by(w.time.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.select(
            r.run,
            r.name,
            r.version,
            until.label("until"),
            sa.func.coalesce(own, r.time).label("anchor"),
            newest.with_only_columns(w.run).scalar_subquery().label("newest"),
            newest.with_only_columns(w.version).scalar_subquery().label("newest_version"),
            newest.with_only_columns(w.time).scalar_subquery().label("written"),
        )
        .select_from(c.reads.join(c.runs, c.runs.c.id == r.run))
        .where(r.run.in_(sa.bindparam("runs", expanding=True)))
    )


def counted(connection: Connection, found: Found, name: str, reader: str) -> Found:
    """Say how many newer versions there are, not by the reader itself; other reasons stay as they are."""
    if found.kind != "newer version":
        return found
    (after, until), w = found.between, c.writes.c
    some = sa.select(w.run).where(w.name == name, w.time > after, w.time <= until, w.run != reader).limit(COUNTED)
    count = connection.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()
    told = "a newer version" if count == 1 else f"{count:,} newer versions{' or more' if count == COUNTED else ''}"
    return replace(found, count=count, sentence=f"{name} has {told}, the newest by run {found.run}")


def _of_producer(producer: Node, when: int, rules: Rules, later: _Later) -> Iterator[Found]:
    named, age = f"{producer.component} (run {producer.id})", when - producer.started
    if rules.age is not None and age > rules.age // timedelta(microseconds=1):
        days = age / _DAY
        yield Found("old", producer.id, f"{named} ran {days:.0f} days before", days=days)
    newest = later.code(producer, when)
    if newest is not None:
        which = "version" if newest.version != producer.version else "source"
        now, then = getattr(newest, which), getattr(producer, which)
        yield Found("newer code", newest.id, f"{named} had {which} {then}; run {newest.id} since has {now}")
    count = later.runs(producer, when) if rules.component else 0
    if count:
        runs = "1 fresher run" if count == 1 else f"{count:,} fresher runs"
        yield Found("component ran again", producer.id, f"{named} has {runs} that began before", count=count)


_UP_TO: Final = (
    sa.select(*(c.runs.c[name] for name in ("id", "component", "version", "code", "started")))
    .where(
        c.runs.c.component == sa.bindparam("component"),
        c.runs.c.started <= sa.bindparam("when"),
        c.runs.c.status == "ok",
    )
    .order_by(c.runs.c.started.desc(), c.runs.c.id.desc())
    .limit(1)
)


def _newest_of() -> sa.Select[*tuple[object, ...]]:
    """Ask for the newest run that went well of each of some components, up to a time."""
    r, b = c.runs.c, c.runs.alias("before").c
    before = sa.select(b.id).where(
        b.component == c.components.c.name, b.started <= sa.bindparam("when"), b.status == "ok"
    )
    newest = before.order_by(b.started.desc(), b.id.desc()).limit(1).scalar_subquery()
    query = sa.select(r.id, r.component, r.version, r.code, r.started).select_from(
        c.components.join(c.runs, r.id == newest)
    )
    return query.where(c.components.c.name.in_(sa.bindparam("names", expanding=True)))


_NEWEST_OF: Final = _newest_of()


class _Later:
    """What components did after a run of theirs, each looked up once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._newest: dict[tuple[str, int], Node | None] = {}
        self._counted: dict[tuple[str, int], int] = {}

    def look(self, components: Iterable[str], when: int) -> None:
        """Look up many components at once."""
        names = sorted(components)
        self._newest |= {(name, when): None for name in names}
        for start in range(0, len(names), BATCH):
            for row in self._connection.execute(_NEWEST_OF, {"names": names[start : start + BATCH], "when": when}):
                self._newest[row.component, when] = node_of(row)

    def code(self, producer: Node, when: int) -> Node | None:
        """Give the newest run of a component that went well up to then, where its code is not the producer's."""
        key = producer.component, when
        if key not in self._newest:
            self._newest[key] = self._look(producer.component, when)
        newest = self._newest[key]
        if newest is None or newest.started <= producer.started:
            return None
        same = newest.version == producer.version and newest.source == producer.source
        return None if same else newest

    def runs(self, producer: Node, when: int) -> int:
        """Count the runs of a component that began after one of its runs, up to then."""
        key = producer.id, when
        if key not in self._counted:
            t = c.runs.c
            after = (
                t.component == producer.component,
                t.started >= producer.started,
                t.started <= when,
                t.id != producer.id,
            )
            some = sa.select(t.id).where(*after).limit(COUNTED)
            self._counted[key] = self._connection.execute(
                sa.select(sa.func.count()).select_from(some.subquery())
            ).scalar_one()
        return self._counted[key]

    def _look(self, component: str, when: int) -> Node | None:
        row = self._connection.execute(_UP_TO, {"component": component, "when": when}).first()
        return None if row is None else node_of(row)
