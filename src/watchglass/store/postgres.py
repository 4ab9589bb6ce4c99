"""A store whose catalog lies in PostgreSQL → its engine: a schema of the database for each store, one writer at a time.

The store's folder holds `catalog.url`, which names the database and the schema, never a password: that comes from
WATCHGLASS_CATALOG, or as libpq finds it (PGPASSWORD, ~/.pgpass). A writing transaction takes an advisory lock first, so that
writers follow each other as they do on SQLite, and numbers of files rise in the order in which they are published.
"""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, cast

import sqlalchemy as sa
from sqlalchemy import event

from watchglass.errors import BadInput, StoreError, need
from watchglass.store.folder import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry

    from watchglass.store.folder import Folder

_FORM: Final = "postgresql://user@host:5432/database"
_SETTINGS: Final = {
    "timezone": "UTC",
    "client_encoding": "UTF8",
    # Each statement is a walk from place to place in an index, as SQLite does it. Of a recursive one the planner expects
    # thousands of rows where there are five, and reads whole tables for them: a chain of 10,000 runs took 6.7 s, now 0.9 s.
    **dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "enable_bitmapscan", "jit"), "off"),
    "plan_cache_mode": "force_generic_plan",  # the same walk whatever is asked for: planned once, not each time
}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a store's catalog lies: the database's address and the schema."""

    url: sa.engine.URL
    schema: str


def elsewhere(folder: Folder, said: str) -> Elsewhere | None:
    """Say where the catalog of a store's folder lies, None for the folder itself; `said` is WATCHGLASS_CATALOG or "".

    A store without a catalog takes the one that is said; raises `BadInput` when that cannot be, or is another store's.
    """
    path = folder.elsewhere
    with suppress(FileNotFoundError):
        told = json.loads(path.read_text())
        url = _address(str(told["url"]))
        given = _address(said) if said else url
        same = (given.host, given.port, given.database) == (url.host, url.port, url.database)
        return Elsewhere(given if same else url, str(told["schema"]))
    if not said or folder.catalog.exists():
        return None
    made = Elsewhere(_address(said), f"watchglass_{uuid.uuid4().hex[:12]}")
    bare = made.url.set(password=None).render_as_string()
    return elsewhere(folder, said) if _write(path, {"url": bare, "schema": made.schema}) else None


def _write(path: Path, told: dict[str, str]) -> bool:
    """Write the file once, whoever else does; gives true when it is there."""
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with aside.open("w") as file:
            file.write(json.dumps(told))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
    except OSError as error:
        message = f"{str(path)!r} cannot be written: {error}"
        raise StoreError(message) from error
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def _address(url: str) -> sa.engine.URL:
    try:
        address = sa.engine.make_url(url)
    except sa.exc.ArgumentError:
        message = f"a catalog cannot lie at {url!r}: {_FORM} would do"
        raise BadInput(message) from None
    if address.get_backend_name() not in ("postgresql", "postgres"):
        message = f"a catalog cannot lie in a database of {address.get_backend_name()!r}: {_FORM} would do"
        raise BadInput(message)
    return address.set(drivername="postgresql")


def _driver(connection: Connection) -> psycopg.Connection:
    return cast("psycopg.Connection", connection.connection.driver_connection)


def engine_of(place: Elsewhere) -> Engine:
    """Open the database, its schema made when there is none; raises `MissingLibrary` without the extra, `StoreError` when it cannot be reached."""
    need("psycopg", extra="postgres", to="keep a catalog in PostgreSQL")
    address = place.url.set(drivername="postgresql+psycopg")
    settings = {"search_path": place.schema, **_SETTINGS}
    engine = sa.create_engine(
        address,
        isolation_level="REPEATABLE READ",  # a reader sees one moment
        connect_args={"options": " ".join(f"-c {name}={value}" for name, value in settings.items())},
        pool_pre_ping=True,
    )

    @event.listens_for(engine, "connect")
    def _numbers(connection: psycopg.Connection, _: ConnectionPoolEntry) -> None:
        from watchglass.store.postgres_numbers import Number  # noqa: PLC0415 - needs the driver

        connection.adapters.register_loader("numeric", Number)

    key = int.from_bytes(blake2b(place.schema.encode(), digest_size=8).digest(), "big", signed=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writing", False)
        _driver(connection).read_only = not writes
        if writes:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({key})")

    @event.listens_for(engine, "rollback")
    def _end(connection: Connection) -> None:
        """End a transaction that only read by a commit: at a rollback the driver forgets all that it has prepared."""
        driver = _driver(connection)
        if driver.read_only and driver.info.transaction_status.name == "INTRANS":
            driver.commit()

    try:
        with (
            engine.connect().execution_options(writing=True, isolation_level="READ COMMITTED") as connection,
            connection.begin(),
        ):
            connection.execute(sa.schema.CreateSchema(place.schema, if_not_exists=True))
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        message = f"the catalog at {address.render_as_string(hide_password=True)!r} cannot be opened: {getattr(error, 'orig', None) or error}"
        raise StoreError(message) from error
    return engine
