"""The catalog's large tables (runs, reads, writes, artifacts) → Parquet files of the same rows, as of one writing transaction.

A mirror is one file, the base, and at most one beside it with what changed since; what changed after both stays in the
catalog alone. A question reads all three, the newest row of a key wins (asking/copies.py). The manifest lists them under the
table's name; their origin, the number of that transaction, keeps them from being taken for new data. The catalog stays the truth:
`drop` lets go of the mirrors, for who deletes or changes its rows without a number.
"""

from __future__ import annotations

import shutil
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.asking.copies import CHANGED, copy, lines_of
from watchglass.store.compact import engine_room
from watchglass.store.leases import hold
from watchglass.store.quoting import identifier
from watchglass.store.transactions import next_change, writing

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

LATE: Final = 4_000
"""Rows that a question copies out of the catalog, some 20 ms, before a mirror takes them."""
REWRITTEN: Final = 4
"""The base is written anew once what changed since is a quarter of it."""
MIRRORED: Final = {
    c.runs: ("started", "started, id"),
    c.reads: ("time", "name, version, time"),
    c.writes: ("time", "name, version, time"),
    c.artifacts: ("time", "name, version"),
}
"""Of each table: the column that says when, and what its rows lie sorted by."""
MIRRORS: Final = tuple(table.name for table in MIRRORED)
"""The kinds of files in the manifest that are copies of the catalog's tables."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written: the rows that changed after a number, up to another, in place of these files."""

    table: sa.Table
    after: int
    until: int
    replaced: tuple[int, ...]


def mirror(folder: Folder, engine: Engine, *, late: int = LATE) -> int:
    """Mirror what changed, where more than `late` rows of a table did; gives how many files were written."""
    written = 0
    for table in MIRRORED:
        if _plan(engine, table, late) is None:
            continue
        with hold(engine, "mirror") as lease:
            plan = None if lease is None else _plan(engine, table, late)
            if lease is not None and plan is not None:
                _write(folder, engine, lease, plan)
                written += 1
    return written


def _plan(engine: Engine, table: sa.Table, late: int) -> _Plan | None:
    live = sa.select(c.files.c.seq, c.files.c.origin, c.files.c.rows).where(
        c.files.c.kind == table.name, c.files.c.removed.is_(None)
    )
    with engine.connect() as connection:
        found = connection.execute(live.order_by(c.files.c.origin)).all()
        until = connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == "graph")).scalar() or 0
        if _changed(connection, table, found[-1].origin if found else -1) <= late:
            return None
        base = found[0] if found else None
        since = 0 if base is None else _changed(connection, table, base.origin)
    if base is None or since * REWRITTEN > base.rows:
        return _Plan(table, -1, until, tuple(row.seq for row in found))
    return _Plan(table, base.origin, until, tuple(row.seq for row in found[1:]))


def _changed(connection: Connection, table: sa.Table, after: int) -> int:
    return connection.execute(sa.select(sa.func.count()).where(table.c[CHANGED] > after)).scalar_one()


def _write(folder: Folder, engine: Engine, lease: Lease, plan: _Plan) -> None:
    """Write one file and publish it in place of the others."""
    if plan.until == 0:  # rows of before there were numbers: an origin of zero would say that they are new
        with writing(engine) as transaction:
            next_change(transaction)
    room = folder.scratch / f"mirror-{uuid.uuid4().hex}"  # a folder, as the sweep deletes them
    room.mkdir(parents=True)
    try:
        values, until = _copied(folder, engine, plan, room)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    if values is None:
        return
    with writing(engine) as transaction:
        lease.check(transaction)
        old = c.files.c.seq.in_(plan.replaced) & c.files.c.removed.is_(None)
        if transaction.execute(c.files.update().where(old).values(removed=time.time())).rowcount == len(plan.replaced):
            transaction.execute(c.files.insert(), [{**values, "origin": until}])


def _copied(folder: Folder, engine: Engine, plan: _Plan, room: Path) -> tuple[dict[str, object] | None, int]:
    """Write the rows as a file of the tables; gives its row of the manifest, None without rows, and the number they are of."""
    time_of, order = MIRRORED[plan.table]
    with engine.connect() as connection:  # one transaction: the rows are those of the number that is read first
        until = connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == "graph")).scalar_one()
        copied = copy(connection, plan.table, plan.after, (), room)
    with engine_room(folder) as duck:
        rows = lines_of(plan.table, copied.path)
        if time_of != "time":  # every file of the manifest tells its first and last time
            rows = f"SELECT *, {identifier(time_of)} AS time FROM ({rows})"
        return parquet.write(folder, duck, plan.table.name, "", rows, order), until


def drop(transaction: Connection) -> int:
    """Let go of all mirrors within a transaction that deletes rows of their tables; gives how many files the sweep will delete."""
    live = c.files.c.kind.in_(MIRRORS) & c.files.c.removed.is_(None)
    return transaction.execute(c.files.update().where(live).values(removed=time.time())).rowcount
