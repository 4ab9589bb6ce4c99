"""The components → their catalogue: what each does, who owns it, its tags, how its newest run went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, get_args

import sqlalchemy as sa

from watchglass.errors import BadInput, UnknownName
from watchglass.records import Status
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.models import moment
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine, Row

    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class Component:
    """A named step; the last five are those of its newest run, None before the first."""

    name: str
    description: str | None
    owner: str | None
    tags: tuple[str, ...]
    since: datetime | None
    run: str | None
    version: str | None
    started: datetime | None
    status: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Components:
    """A page of components by name; `next` is where the next one begins (`after`), None where there are no more."""

    components: tuple[Component, ...]
    next: str | None


def components(  # noqa: PLR0913 - a keyword each
    folder: Folder,
    engine: Engine,
    *,
    tag: str | None = None,
    owner: str | None = None,
    status: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> Components:
    """List components of a tag, of an owner, whose newest run has a status, or all.

    Raises `UnknownName` for a tag or an owner that none has, `BadInput`.
    """
    limit = checked_limit(limit)
    if status is not None:
        checked_status(status)
    take_in(folder, engine)
    with engine.connect() as connection:
        names = [name for name in named_components(connection, tag, owner) if after is None or name > after]
        if status is not None:
            so = _ended_so(connection, status)
            names = [name for name in names if name in so]
        rows = connection.execute(sa.select(c.components).where(c.components.c.name.in_(names[:limit])))
        told = {row.name: row for row in rows}
        found = tuple(_component(connection, told[name]) for name in names[:limit])
    return Components(found, names[limit - 1] if len(names) > limit else None)


def _ended_so(connection: Connection, status: str) -> frozenset[str]:
    """Name the components whose newest run has a status."""
    r = c.runs.c
    newest = (
        sa.select(r.status).where(r.component == c.components.c.name).order_by(r.started.desc(), r.id.desc()).limit(1)
    )
    found = connection.execute(sa.select(c.components.c.name).where(newest.scalar_subquery() == status))
    return frozenset(found.scalars())


def checked_status(status: str) -> str:
    """Take a run's status; raises `BadInput`."""
    if status not in get_args(Status):
        message = f"status cannot be {status!r:.80}: {', '.join(get_args(Status))} would do"
        raise BadInput(message)
    return status


def _component(connection: Connection, row: Row[*tuple[object, ...]]) -> Component:
    table = c.runs.c
    newest = (
        sa.select(table.id, table.version, table.started, table.status, table.error)
        .where(table.component == row.name)
        .order_by(table.started.desc(), table.id.desc())
        .limit(1)
    )
    run = connection.execute(newest).first()
    return Component(
        name=row.name,
        description=row.description,
        owner=row.owner,
        tags=tags_of(row.tags),
        since=None if row.time is None else moment(row.time),
        run=None if run is None else run.id,
        version=None if run is None else run.version,
        started=None if run is None else moment(run.started),
        status=None if run is None else run.status,
        error=None if run is None else run.error,
    )


def tags_of(text: str | None) -> tuple[str, ...]:
    """Read the tags of a component, each once and sorted.

    >>> tags_of('["daily", "etl", "daily"]')
    ('daily', 'etl')
    """
    return tuple(sorted({str(tag) for tag in json.loads(text)})) if text else ()


def named_components(connection: Connection, tag: str | None, owner: str | None) -> list[str]:
    """Name the components with a tag and an owner, sorted; raises `UnknownName` for one that none has."""
    table = c.components.c
    query = sa.select(table.name, table.owner, table.tags).order_by(table.name)
    rows = [(row.name, row.owner, tags_of(row.tags)) for row in connection.execute(query)]
    for noun, wanted, known in (
        ("tag", tag, {one for _, _, tags in rows for one in tags}),
        ("owner", owner, {kept for _, kept, _ in rows if kept is not None}),
    ):
        if wanted is not None and wanted not in known:
            raise UnknownName.named(noun, wanted, known, step="watchglass components")
    return [name for name, kept, tags in rows if (owner is None or kept == owner) and (tag is None or tag in tags)]


def required_component(connection: Connection, name: str) -> Row[*tuple[object, ...]]:
    """Give the row of a component; raises `UnknownName` with the nearest one."""
    row = connection.execute(sa.select(c.components).where(c.components.c.name == name)).first()
    if row is None:
        known = connection.execute(sa.select(c.components.c.name)).scalars()
        raise UnknownName.named("component", name, known, step="watchglass components")
    return row
