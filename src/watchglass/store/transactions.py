"""A store's folder → its catalog, opened on SQLite (WAL), and the transactions that write to it.

An older catalog is upgraded at the first opening, a newer one is refused at every transaction, reading or writing.
"""

from __future__ import annotations

import os
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite

from watchglass import settings
from watchglass.errors import StoreError, StoreTooNew
from watchglass.store.catalog import schema_version, watermarks
from watchglass.store.dialects import make_tables

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry, Pool

    from watchglass.store.folder import Folder

SCHEMA_VERSION = 4
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_left: list[Pool] = []
"""In a forked child, the parent's connections: SQLite says that a child must not even close them, as the garbage collector would."""


def connect(folder: Folder, *, fresh: bool = False) -> Engine:
    """Open the catalog, made when there is none. A writing transaction is asked for by `writing`.

    Raises `StoreTooNew` when a newer version of the package wrote it, `StoreError` when it cannot be opened, or when
    it is gone though there are tables, unless `fresh` says that a new one is wanted.
    """
    engine = _postgres(folder) or _sqlite(folder, fresh=fresh)
    _engines.add(engine)
    try:
        _prepare(engine)
    except Exception as error:
        engine.dispose()
        if not isinstance(error, sa.exc.OperationalError):
            raise
        message = f"the catalog {str(folder.catalog)!r} cannot be opened: {error.orig}. Is the folder writable and on a local disk?"
        raise StoreError(message) from error
    event.listen(
        engine, "begin", _check_version
    )  # only now: what made or upgraded the catalog found none, or an older one
    return engine


def _sqlite(folder: Folder, *, fresh: bool) -> Engine:
    if not fresh and not folder.catalog.exists() and (lost := next(folder.tables.glob("*/*.parquet"), None)):
        message = (
            f"the catalog {str(folder.catalog)!r} is gone, though there are tables, such as {str(lost)!r}: "
            "nothing was changed. Next: watchglass doctor --mend"
        )
        raise StoreError(message)
    engine = sa.create_engine(f"sqlite:///{folder.catalog}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own comes too late for IMMEDIATE
        try:
            for setting in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
                connection.execute(f"PRAGMA {setting}").close()
        except connection.DatabaseError as error:
            if isinstance(error, connection.OperationalError):  # it is locked, or the disk fails: whoever asked knows
                raise
            message = f"the catalog {str(folder.catalog)!r} is damaged ({error}): nothing was changed. Next: watchglass doctor --mend"
            raise StoreError(message) from error

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgres(folder: Folder) -> Engine | None:
    """Open a catalog that lies in PostgreSQL; None when it lies, or shall lie, in the folder."""
    said = settings.resolve(settings.CATALOG)
    if not said and not folder.elsewhere.exists():
        return None
    from watchglass.store.postgres import elsewhere, engine_of  # noqa: PLC0415 - costs only who has it there

    place = elsewhere(folder, said)
    return None if place is None else engine_of(place)


def _in_child() -> None:
    """Leave the parent's connections to the parent: SQLite's do not outlive a fork."""
    for engine in _engines:
        _left.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_in_child)


def _prepare(engine: Engine) -> None:
    with engine.connect() as connection:
        known = sa.inspect(connection).has_table("schema_version")
    if not known:
        with writing(engine) as connection:
            make_tables(connection)
            if connection.execute(sa.select(schema_version.c.version)).first() is None:
                connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
    with engine.connect() as connection:
        version = connection.execute(_VERSION).scalar_one()
    if version < SCHEMA_VERSION:
        from watchglass.store.migrations import upgrade  # noqa: PLC0415 - costs only who has an older store

        with writing(engine) as connection:
            version = connection.execute(_VERSION).scalar_one()
            if version < SCHEMA_VERSION:  # another process may have done it meanwhile
                upgrade(connection, version)
    _refuse_newer(version)


_VERSION = sa.select(sa.func.max(schema_version.c.version))


def _refuse_newer(version: int) -> None:
    if version > SCHEMA_VERSION:
        message = (
            f"this store has catalog version {version}, this package knows {SCHEMA_VERSION}. "
            "It was written by a newer watchglass: pip install --upgrade watchglass"
        )
        raise StoreTooNew(message)


def _check_version(connection: Connection) -> None:
    """Raise `StoreTooNew`, with nothing begun, when a newer package took the catalog over while this process had it open."""
    try:
        _refuse_newer(connection.execute(_VERSION).scalar_one())
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One writing transaction that holds SQLite's write lock from its first statement; raises `StoreTooNew` as every transaction does."""
    alone = {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {}
    with engine.connect() as connection, connection.execution_options(writing=True, **alone).begin():
        yield connection


def next_change(transaction: Connection) -> int:
    """Give the number of a writing transaction that changes rows of `runs`, `reads`, `writes` or `artifacts`."""
    statement = sqlite.insert(watermarks).values(name="graph", seq=1)
    raised = statement.on_conflict_do_update(index_elements=["name"], set_={"seq": watermarks.c.seq + 1})
    return int(transaction.execute(raised.returning(watermarks.c.seq)).scalar_one())
