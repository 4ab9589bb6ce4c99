"""What was done to a store's data → a record that stays: when, by whom, what was asked, what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.models import microseconds, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Json

PAGE: Final = 50
MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Audit:
    """One deed: its number, when it was done (UTC), what (forget, retention, restore, import), by whom, and its record."""

    id: int
    time: datetime
    action: str
    who: str | None
    record: dict[str, Json]


def note(transaction: Connection, action: str, who: str | None, record: Mapping[str, Json], now: datetime) -> int:
    """Write a record in the transaction that does what it tells; gives its number."""
    text = json.dumps(record, ensure_ascii=False)
    values = {"time": microseconds(now), "action": action, "who": who, "record": text}
    key = transaction.execute(c.audit.insert().values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def audits(
    engine: Engine, *, action: str | None = None, before: int | None = None, limit: int = PAGE
) -> Sequence[Audit]:
    """List records, newest first; the next page is of those `before` the last one's number. Raises `BadInput` for a limit that cannot be."""
    if not 1 <= limit <= MOST:
        message = f"limit cannot be {limit}: 1 to {MOST} would do"
        raise BadInput(message)
    query = sa.select(c.audit).order_by(c.audit.c.id.desc()).limit(limit)
    if action is not None:
        query = query.where(c.audit.c.action == action)
    if before is not None:
        query = query.where(c.audit.c.id < before)
    with engine.connect() as connection:
        found = connection.execute(query).all()
    return [Audit(row.id, moment(row.time), row.action, row.who, json.loads(row.record)) for row in found]
