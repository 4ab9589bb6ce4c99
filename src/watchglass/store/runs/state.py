"""A time → the whole system as it was then: what was deployed, which data and code were the newest, what was judged, what was open."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.records import Incident
from watchglass.store import catalog as c
from watchglass.store.codec import decode
from watchglass.store.graph import take_in
from watchglass.store.lineage.models import maker_of
from watchglass.store.models import moment
from watchglass.store.runs.moments import microseconds_of
from watchglass.store.runs.one import object_of
from watchglass.store.schemas.registered import checked_limit
from watchglass.store.tuning import document, settings_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder

AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class DeployedThen:
    """The version of a model that served in an environment, since when, and the run that had made it, where that is known."""

    model: str
    environment: str
    version: str
    since: datetime
    run: str | None


@dataclass(frozen=True, slots=True)
class CodeThen:
    """The newest run of a component: the code and the parameters that it ran with."""

    component: str
    version: str | None
    commit: str | None
    params: dict[str, object]
    run: str
    started: datetime
    status: str


@dataclass(frozen=True, slots=True)
class DataThen:
    """The newest version of an artifact, None where only its name is known, and the run that wrote it."""

    name: str
    version: str | None
    run: str
    time: datetime


@dataclass(frozen=True, slots=True)
class JudgedThen:
    """The newest verdict of a monitor: met, violated or unknown."""

    model: str
    environment: str
    kind: str
    status: str
    window: datetime


@dataclass(frozen=True, slots=True)
class OpenThen:
    """An incident that was open; its severity and title are those of now."""

    id: int
    model: str
    environment: str
    kind: str
    severity: str
    onset: datetime
    raised: datetime
    title: str


@dataclass(frozen=True, slots=True)
class State:
    """The system at a time. Data is a page by name; `next` is where the next one begins (`after`), None where there is no more.

    `settings` are those of the store as they are now: it keeps no history of them.
    """

    at: datetime
    deployed: tuple[DeployedThen, ...]
    code: tuple[CodeThen, ...]
    data: tuple[DataThen, ...]
    verdicts: tuple[JudgedThen, ...]
    incidents: tuple[OpenThen, ...]
    settings: dict[str, object]
    next: str | None


def state(
    folder: Folder, engine: Engine, at: Time | None = None, *, limit: int = 100, after: str | None = None
) -> State:
    """Give the system at a time, now without one; raises `BadInput`."""
    limit, now = checked_limit(limit), datetime.now(UTC)
    moment_of = microseconds_of(now if at is None else at, "at", now)
    take_in(folder, engine)
    with engine.connect() as connection:
        found, more = _page(connection, moment_of, limit, after)
        return State(
            at=moment(moment_of),
            deployed=deployed(connection, moment_of),
            code=code(connection, moment_of),
            data=found,
            verdicts=verdicts(connection, moment_of),
            incidents=incidents(connection, moment_of),
            settings=document(settings_of(folder)),
            next=more,
        )


def deployed(connection: Connection, at: int) -> tuple[DeployedThen, ...]:
    """Give what was deployed at a time: of each model and environment the newest deployment before."""
    d, v = c.deployments.c, c.model_versions.c
    made = sa.select(sa.func.coalesce(maker_of(c.model_versions), v.run))
    run = made.where(v.model == d.model, v.version == d.version).limit(1).scalar_subquery()
    query = sa.select(d.model, d.environment, d.version, d.time, sa.func.coalesce(run, d.run).label("run"))
    found = {
        (row.model, row.environment): row
        for row in connection.execute(query.where(d.time <= at).order_by(d.model, d.environment, d.time, d.version))
    }
    return tuple(
        DeployedThen(row.model, row.environment, row.version, moment(row.time), row.run) for row in found.values()
    )


def code(connection: Connection, at: int) -> tuple[CodeThen, ...]:
    """Give the newest run of each component that had begun by then."""
    r, b = c.runs.c, c.runs.alias("before").c
    before = sa.select(b.id).where(b.component == c.components.c.name, b.started <= at)
    newest = before.order_by(b.started.desc(), b.id.desc()).limit(1).scalar_subquery()
    query = sa.select(r.component, r.version, r.code, r.params, r.id, r.started, r.status)
    joined = c.components.join(c.runs, r.id == newest)
    return tuple(
        CodeThen(
            row.component,
            row.version,
            _commit(row.code),
            object_of(row.params),
            row.id,
            moment(row.started),
            row.status,
        )
        for row in connection.execute(query.select_from(joined).order_by(r.component))
    )


def _commit(text: str | None) -> str | None:
    found = json.loads(text) if text else {}
    return str(found["commit"]) if isinstance(found, dict) and found.get("commit") else None


def _page(connection: Connection, at: int, limit: int, after: str | None) -> tuple[tuple[DataThen, ...], str | None]:
    """Give a page of the data that had been written by a time, and where the next one begins."""
    found: list[DataThen] = []
    last = after
    while len(found) <= limit:
        rows, last = data(connection, at, last)
        found += rows
        if last is None:
            break
    return tuple(found[:limit]), found[limit - 1].name if len(found) > limit else None


def data(connection: Connection, at: int, after: str | None) -> tuple[list[DataThen], str | None]:
    """Give the newest version, at a time, of the next names that anything was written under, and the last of these names.

    A name that had no version then is passed by; the last is None where there are no more names. Each name is found by one
    step in the index, however often it was written.
    """
    one, later, w = c.writes.c, c.writes.alias("later").c, c.writes.alias("written").c
    first = sa.select(sa.func.min(one.name).label("name"), sa.literal(1).label("place"))
    names = (first if after is None else first.where(one.name > after)).cte("names", recursive=True)
    step = sa.select(sa.func.min(later.name)).where(later.name > names.c.name).scalar_subquery()
    more = sa.select(step, names.c.place + 1).where(names.c.name.is_not(None), names.c.place < AT_ONCE)
    names = names.union_all(more)
    newest = sa.select(w.run).where(w.name == names.c.name, w.time <= at)
    newest = newest.order_by(w.time.desc(), w.run.desc(), w.version).limit(1)
    query = sa.select(
        names.c.name,
        newest.with_only_columns(w.version).scalar_subquery().label("version"),
        newest.scalar_subquery().label("run"),
        newest.with_only_columns(w.time).scalar_subquery().label("time"),
    )
    rows = connection.execute(query.where(names.c.name.is_not(None)).order_by(names.c.place)).all()
    found = [DataThen(row.name, row.version or None, row.run, moment(row.time)) for row in rows if row.run is not None]
    return found, rows[-1].name if len(rows) == AT_ONCE else None


def verdicts(connection: Connection, at: int) -> tuple[JudgedThen, ...]:
    """Give the newest verdict of each monitor that had been judged by then."""
    v = c.verdicts.c
    newest = (
        sa.select(v.model, v.environment, v.kind, sa.func.max(v.window).label("window"))
        .where(v.judged <= at)
        .group_by(v.model, v.environment, v.kind)
        .subquery()
    )
    same = [v[name] == newest.c[name] for name in ("model", "environment", "kind", "window")]
    query = sa.select(v.model, v.environment, v.kind, v.status, v.window).join(newest, sa.and_(*same))
    rows = connection.execute(query.order_by(v.model, v.environment, v.kind))
    return tuple(JudgedThen(*row[:4], moment(row.window)) for row in rows)


def incidents(connection: Connection, at: int) -> tuple[OpenThen, ...]:
    """Give the incidents that had been raised and not closed by then, the newest first."""
    i = c.incidents.c
    query = sa.select(i.record).where(i.raised <= at, i.closed.is_(None) | (i.closed > at))
    found = [decode(Incident, text) for text in connection.execute(query.order_by(i.raised.desc(), i.id)).scalars()]
    return tuple(
        OpenThen(one.id, one.model, one.environment, one.kind, one.severity, one.onset, one.raised, one.title)
        for one in found
    )
