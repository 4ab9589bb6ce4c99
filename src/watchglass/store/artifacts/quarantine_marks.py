"""What the catalog says is in quarantine → the marks below the store by which recording processes see it, and none of what was released."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.capture.handed import MOST, there
from watchglass.capture.quarantine import digest, lift, marked, put
from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from watchglass.capture.handed import Handed
    from watchglass.store.folder import Folder

WATERMARK: Final = "quarantines"


def refresh_if_new(folder: Folder, engine: Engine) -> None:
    """Put the marks right where something was marked or released since, as by a process that records over HTTP."""
    with engine.connect() as connection:
        known = connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == WATERMARK)).scalar()
        due = (known or 0) != _state(connection)
    if due:
        refresh(folder, engine)


def refresh(folder: Folder, engine: Engine) -> None:
    """Put down the marks that stand and take away those of what was released; raises `StoreError`.

    What the catalog does not know yet stays as it is: a run marks what it writes before it logs that.
    """
    root, q = str(folder.root), c.quarantines.c
    with engine.connect() as connection:
        state = _state(connection)
        query = sa.select(q.name, q.version, sa.func.count() > sa.func.count(q.released)).group_by(q.name, q.version)
        rows = connection.execute(query).all()
    try:
        there = marked(root)
        for name, version, stands in rows:
            if stands:
                put(root, name, version, there)
            else:
                lift(root, name, version, there)
    except OSError as error:
        message = f"marks of quarantine cannot be written to {root!r}: {error}. Is the folder writable?"
        raise StoreError(message) from error
    with writing(engine) as transaction:
        mark_now = insert(c.watermarks).values(name=WATERMARK, seq=state)
        transaction.execute(mark_now.on_conflict_do_update(index_elements=["name"], set_={"seq": state}))


def handed_out(folder: Folder, engine: Engine) -> Handed:
    """Give what processes that record to a server are to be warned of, and what was released, at most `MOST` of each. Raises `StoreError`."""
    q = c.quarantines.c
    query = (
        sa.select(q.name, q.version).group_by(q.name, q.version).having(sa.func.count() == sa.func.count(q.released))
    )
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(sa.func.max(q.released).desc()).limit(MOST)).all()
    try:
        return replace(there(str(folder.root)), released=frozenset(digest(row.name, row.version) for row in rows))
    except OSError as error:
        message = f"the marks below {str(folder.root)!r} cannot be read: {error}. Let this user read them"
        raise StoreError(message) from error


def _state(connection: Connection) -> int:
    """Give a number that rises with each mark and each release."""
    q = c.quarantines.c
    return int(connection.execute(sa.select(sa.func.count() + sa.func.count(q.released))).scalar_one())
