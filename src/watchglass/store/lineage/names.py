"""The name of an output → its newest write, or the error that names the nearest ones, found in the index and not in a list of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import UnknownName
from watchglass.store import catalog as c

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

AROUND: Final = 40
_STARTS: Final = (8, 4, 2, 1)


def newest_write(
    connection: Connection, name: str, version: str | None = None, until: int | None = None
) -> Row[*tuple[object, ...]] | None:
    """Give run, name, version and time of the newest write of a name, or of one version of it, up to a time in µs."""
    w = c.writes.c
    query = sa.select(w.run, w.name, w.version, w.time).where(w.name == name)
    if version is not None:
        query = query.where(w.version == version)
    if until is not None:
        query = query.where(w.time <= until)
    return connection.execute(query.order_by(w.time.desc(), w.run.desc()).limit(1)).first()


def unknown_output(connection: Connection, name: str, noun: str = "output") -> UnknownName:
    """Make the error for a name that nobody wrote: names that begin like it, and those that lie beside it in the alphabet."""
    w = c.writes.c
    query = sa.select(w.name).distinct().limit(AROUND)
    near = list(connection.execute(query.where(w.name >= name).order_by(w.name)).scalars())
    near += connection.execute(query.where(w.name < name).order_by(w.name.desc())).scalars()
    for length in _STARTS:
        start = name[:length]
        near += connection.execute(query.where(w.name >= start).order_by(w.name)).scalars()
    return UnknownName.named(noun, name, dict.fromkeys(near), step="watchglass runs")
