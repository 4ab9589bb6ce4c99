"""Which runs are wanted → those runs, the newest first, a page at a time.

A page is read off an index on when runs began, from the place where the one before ended; nothing is counted.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

import sqlalchemy as sa

from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.models import moment
from watchglass.store.runs.components import checked_status, named_components, required_component
from watchglass.store.runs.moments import microseconds_of
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine, Row

    from watchglass.records import Time
    from watchglass.store.folder import Folder

Condition: TypeAlias = "sa.ColumnElement[bool] | sa.TextClause"
APART: Final = 100
"""Components that are walked side by side; of more, all runs are walked and the others passed by."""
COLUMNS: Final = tuple(
    c.runs.c[name]
    for name in ("id", "component", "version", "parent", "trace", "started", "ended", "status", "error", "host")
)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list: `seconds` is how long it took, None while it runs."""

    id: str
    component: str
    version: str | None
    parent: str | None
    trace: str | None
    started: datetime
    ended: datetime | None
    seconds: float | None
    status: str
    error: str | None
    host: str | None


@dataclass(frozen=True, slots=True)
class Runs:
    """A page of runs, the newest first; `next` is where the next one begins (`after`), None where there are no more."""

    runs: tuple[RunSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs: of a component, with a status, of components with a tag or an owner, begun in [since, until)."""

    component: str | None = None
    status: str | None = None
    tag: str | None = None
    owner: str | None = None
    since: Time | None = None
    until: Time | None = None
    limit: int = 50
    after: str | None = None


def runs(folder: Folder, engine: Engine, wanted: Wanted) -> Runs:
    """List runs; raises `UnknownName` for a component, tag or owner that is not recorded, `BadInput`."""
    limit = checked_limit(wanted.limit)
    where = conditions(wanted)
    take_in(folder, engine)
    with engine.connect() as connection:
        found = _walked(connection, wanted, where, limit + 1)
    shown = tuple(summary(row) for row in found[:limit])
    return Runs(shown, word_of(found[limit - 1]) if len(found) > limit else None)


def conditions(wanted: Wanted) -> list[Condition]:
    """Write what holds of the wanted runs, their component left out; raises `BadInput`."""
    table, now = c.runs.c, datetime.now(UTC)
    found: list[Condition] = []
    if wanted.since is not None:
        found.append(table.started >= microseconds_of(wanted.since, "since", now))
    if wanted.until is not None:
        found.append(table.started < microseconds_of(wanted.until, "until", now))
    if wanted.status is not None:
        found.append(table.status == checked_status(wanted.status))
        if wanted.status != "ok":
            found.append(sa.text(c.NOT_OK))
    if wanted.after is not None:
        started, ident = place_of(wanted.after)
        found += [table.started <= started, (table.started < started) | (table.id < ident)]
    return found


def word_of(row: Row[*tuple[object, ...]]) -> str:
    """Write the place of a run among others as a word that can stand in an address."""
    return f"{row.started}~{row.id}"


def place_of(word: object) -> tuple[int, str]:
    """Read such a word; raises `BadInput`.

    >>> place_of("1780272000000000~run-7")
    (1780272000000000, 'run-7')
    """
    started, tilde, ident = str(word).partition("~")
    if not tilde or not started.lstrip("-").isdecimal():
        message = f"after cannot be {str(word)[:80]!r}: the `next` of a page of runs would do"
        raise BadInput(message)
    return int(started), ident


def summary(row: Row[*tuple[object, ...]]) -> RunSummary:
    """Make the record of a row of `COLUMNS`."""
    ended = None if row.ended is None else moment(row.ended)
    seconds = None if row.ended is None else (row.ended - row.started) / 1e6
    return RunSummary(
        row.id,
        row.component,
        row.version,
        row.parent,
        row.trace,
        moment(row.started),
        ended,
        seconds,
        row.status,
        row.error,
        row.host,
    )


def _walked(
    connection: Connection, wanted: Wanted, where: Sequence[Condition], most: int
) -> list[Row[*tuple[object, ...]]]:
    """Give the newest rows: along the index of each component that is wanted, or along that of all."""
    query = sa.select(*COLUMNS).where(*where).order_by(c.runs.c.started.desc(), c.runs.c.id.desc()).limit(most)
    names = _components(connection, wanted)
    if names is None:
        return list(connection.execute(query))
    if len(names) > APART:
        return list(connection.execute(query.where(c.runs.c.component.in_(names))))
    each = [connection.execute(query.where(c.runs.c.component == name)).all() for name in names]
    merged = heapq.merge(*each, key=lambda row: (row.started, row.id), reverse=True)
    return list(islice(merged, most))


def _components(connection: Connection, wanted: Wanted) -> list[str] | None:
    """Name the components whose runs are wanted; None is all."""
    if wanted.component is not None:
        required_component(connection, wanted.component)
    if wanted.tag is None and wanted.owner is None:
        return None if wanted.component is None else [wanted.component]
    names = named_components(connection, wanted.tag, wanted.owner)
    return names if wanted.component is None else [name for name in names if name == wanted.component]


def required_run(connection: Connection, ident: str) -> Row[*tuple[object, ...]]:
    """Give the row of a run; raises `UnknownName` that names the newest runs."""
    row = connection.execute(sa.select(c.runs).where(c.runs.c.id == ident)).first()
    if row is None:
        newest = sa.select(c.runs.c.id).order_by(c.runs.c.started.desc()).limit(12)
        raise UnknownName.named("run", ident, connection.execute(newest).scalars(), step="watchglass runs")
    return row
