"""Marks of quarantine, given and taken back in whatever order → since when each artifact version is in quarantine, NULL where none stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.transactions import next_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

_AT_ONCE: Final = 500


def settle(transaction: Connection, touched: Iterable[Mapping[str, object]]) -> None:
    """Put right what the catalog says of versions: rows with their name and version; those that were never marked stay as they are."""
    keys = sorted({(str(row["name"]), str(row["version"])) for row in touched})
    if not keys:
        return
    a, q = c.artifacts, c.quarantines.c
    of = (q.name == a.c.name) & (q.version == a.c.version)
    since = sa.select(sa.func.min(q.time)).where(of, q.released.is_(None)).scalar_subquery()
    known = sa.exists().where(of)
    number = next_change(transaction)
    for first in range(0, len(keys), _AT_ONCE):
        chosen = sa.tuple_(a.c.name, a.c.version).in_(keys[first : first + _AT_ONCE])
        transaction.execute(a.update().where(chosen, known).values(quarantined=since, changed=number))
