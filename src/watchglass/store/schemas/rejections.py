"""A page of what could not be taken → lines and values with their reason and what they were, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the API is described from it
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.models import model_named, moment
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that could not be taken, or a value that is kept as NULL because it is not of its column's type.

    `time` is when it was kept aside (None in a store of an older version). `role` and `name` are the column's, None for
    a whole line; `model` is None where the line does not tell. `raw` is the line as it was, or a frame's row as JSON,
    up to 100,000 characters; None where it lies in quarantine, or where `rows` stands for many that were not kept each.
    """

    id: int
    time: datetime | None
    model: str | None
    role: str | None
    name: str | None
    reason: str
    rows: int
    segment: str
    line: int | None
    raw: str | None


@dataclass(frozen=True, slots=True)
class Rejections:
    """A page; `next` is where the next one begins (`after`), None where there are no more."""

    rejections: tuple[Rejection, ...]
    next: int | None


def rejections(
    folder: Folder, engine: Engine, model: str | None = None, *, limit: int = 100, after: int | None = None
) -> Rejections:
    """List what was rejected, of a model or of all, at most `limit`, those older than the one with the id `after`."""
    limit = checked_limit(limit)
    take_in(folder, engine)
    query = sa.select(c.rejected).order_by(c.rejected.c.id.desc()).limit(limit + 1)
    with engine.connect() as connection:
        if model is not None:
            model_named(connection, model)
            query = query.where(c.rejected.c.model == model)
        if after is not None:
            query = query.where(c.rejected.c.id < after)
        found = [
            Rejection(
                id=row.id,
                time=None if row.time is None else moment(row.time),
                model=row.model,
                role=row.role,
                name=row.name,
                reason=row.reason,
                rows=row.rows,
                segment=row.segment,
                line=row.line,
                raw=row.raw,
            )
            for row in connection.execute(query)
        ]
    return Rejections(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)
