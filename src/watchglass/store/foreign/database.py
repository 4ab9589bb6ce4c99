"""The URL of somebody's database → a connection that only reads, and its rows a few thousand at a time, in one order.

All is read in one transaction, so that what is written there meanwhile is seen whole or not at all.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import BadInput, StoreError, need

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

ROWS_AT_ONCE: Final = 2000
_FORM: Final = "postgresql://user:password@host:5432/name"


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """Open a database of PostgreSQL for reading.

    Raises `BadInput` for a URL of another kind, `MissingLibrary` without the driver, `StoreError` when it cannot be reached.
    """
    engine = sa.create_engine(_address(url))
    try:
        with engine.connect() as connection:
            one = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with one.begin():
                yield one
    except sa.exc.SQLAlchemyError as error:
        message = (
            f"the database {shown(url)!r} cannot be read: {str(getattr(error, 'orig', None) or error).strip()[:500]}"
        )
        raise StoreError(message) from error
    finally:
        engine.dispose()


def shown(url: str) -> str:
    """Write a database's URL without its password."""
    return sa.engine.make_url(url).render_as_string(hide_password=True)


def _address(url: str) -> sa.engine.URL:
    try:
        address = sa.engine.make_url(url)
    except sa.exc.ArgumentError:
        message = f"{url!r} is no URL of a database: {_FORM} would do"
        raise BadInput(message) from None
    if address.get_backend_name() not in ("postgresql", "postgres"):
        message = f"a database of {address.get_backend_name()!r} cannot be read: {_FORM} would do"
        raise BadInput(message)
    need("psycopg", extra="postgres", to="read a database of PostgreSQL")
    return address.set(drivername="postgresql+psycopg")


def table(connection: Connection, name: str, needed: Sequence[str]) -> sa.Table | None:
    """Look at a table as it is there; None when there is none. Raises `BadInput` when it lacks a column that is needed."""
    if not sa.inspect(connection).has_table(name):
        return None
    found = sa.Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)
    missing = [column for column in needed if column not in found.c]
    if missing:
        message = f"table {name!r} has no column {missing[0]!r}; it has: {', '.join(found.c.keys())}"
        raise BadInput(message)
    return found


def rows(connection: Connection, query: sa.Executable) -> Iterator[tuple[object, ...]]:
    """Give a query's rows as they come, a few thousand in memory."""
    for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query):
        yield tuple(row)


def named(connection: Connection, query: sa.Executable) -> Iterator[dict[str, object]]:
    """Give a query's rows by the names of their columns."""
    for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).mappings():
        yield dict(row)
