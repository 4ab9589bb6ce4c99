"""What was done to a store's data → a record that stays: when, by whom, what was asked, what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.models import microseconds, moment
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Json


@dataclass(frozen=True, slots=True)
class Audit:
    """One deed: its number, when it was done (UTC), what (forget, retention, restore, import, retraction, release), by whom, and its record."""

    id: int
    time: datetime
    action: str
    who: str | None
    record: dict[str, object]


def note(transaction: Connection, action: str, who: str | None, record: Mapping[str, Json], now: datetime) -> int:
    """Write a record in the transaction that does what it tells; gives its number."""
    text = json.dumps(record, ensure_ascii=False)
    values = {"time": microseconds(now), "action": action, "who": who, "record": text}
    key = transaction.execute(c.audit.insert().values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


@dataclass(frozen=True, slots=True)
class Audits:
    """A page, newest first; `next` is where the next one begins (`after`), None where there are no more."""

    audits: tuple[Audit, ...]
    next: int | None


def audits(engine: Engine, *, action: str | None = None, limit: int = 100, after: int | None = None) -> Audits:
    """List records, of one action or of all, at most `limit`, those older than the one with the id `after`."""
    limit = checked_limit(limit)
    query = sa.select(c.audit).order_by(c.audit.c.id.desc()).limit(limit + 1)
    if action is not None:
        query = query.where(c.audit.c.action == action)
    if after is not None:
        query = query.where(c.audit.c.id < after)
    with engine.connect() as connection:
        found = [
            Audit(row.id, moment(row.time), row.action, row.who, json.loads(row.record))
            for row in connection.execute(query)
        ]
    return Audits(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)
