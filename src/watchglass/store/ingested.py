"""What a server asks before it takes something in → whether the catalog has it already, and what is registered of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa

from watchglass.errors import BadInput, StoreError
from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES
from watchglass.store.graph import take_in
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

_AT_ONCE = 500


def known(engine: Engine, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Give those of some idempotency keys whose requests are in the tables, with what was accepted and rejected."""
    found: dict[str, tuple[int, int]] = {}
    try:
        with engine.connect() as connection:
            for start in range(0, len(keys), _AT_ONCE):
                query = sa.select(c.ingested.c.key, c.ingested.c.accepted, c.ingested.c.rejected)
                part = keys[start : start + _AT_ONCE]
                for row in connection.execute(query.where(c.ingested.c.key.in_(part))):
                    found[row.key] = (row.accepted, row.rejected)
    except sa.exc.SQLAlchemyError as error:
        raise _unreadable(error) from error
    return found


def published(engine: Engine, segment: str) -> bool:
    """Say whether a segment's rows are in the tables."""
    try:
        with engine.connect() as connection:
            return (
                connection.execute(sa.select(c.segments.c.name).where(c.segments.c.name == segment)).first() is not None
            )
    except sa.exc.SQLAlchemyError as error:
        raise _unreadable(error) from error


def dropped(engine: Engine) -> dict[str, int]:
    """Count what recording processes said they could not record, by reason."""
    try:
        with engine.connect() as connection:
            query = sa.select(c.drops.c.reason, sa.func.sum(c.drops.c.rows)).group_by(c.drops.c.reason)
            return {str(reason): int(rows) for reason, rows in connection.execute(query)}
    except sa.exc.SQLAlchemyError as error:
        raise _unreadable(error) from error


def columns_told(folder: Folder, engine: Engine, model: str) -> list[tuple[str, str]]:
    """Give role and name of the columns that are registered of a model."""
    try:
        take_in(folder, engine)
        with engine.connect() as connection:
            query = sa.select(c.columns.c.role, c.columns.c.name).where(
                c.columns.c.model == model, c.columns.c.role.in_(IN_FILES)
            )
            return [(row.role, row.name) for row in connection.execute(query)]
    except sa.exc.SQLAlchemyError as error:
        raise _unreadable(error) from error


def rows_of_frame(path: str, names: Sequence[str]) -> int:
    """Count the rows of a Parquet file that must have some columns; raises `BadInput` when it cannot be read or lacks one."""
    connection = duckdb.connect()
    try:
        source = f"read_parquet({literal(path)})"
        has = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        rows = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    except duckdb.Error as error:
        message = f"the Parquet file cannot be read: {str(error).splitlines()[0][:300]}"
        raise BadInput(message) from None
    finally:
        connection.close()
    missing = [name for name in names if name not in has]
    if missing:
        message = f"the Parquet file has no column {missing[0]!r}, which the first line names; it has: {', '.join(sorted(has))[:300]}"
        raise BadInput(message)
    return int(rows[0]) if rows else 0


def _unreadable(error: sa.exc.SQLAlchemyError) -> StoreError:
    return StoreError(f"the catalog cannot be asked: {getattr(error, 'orig', None) or error}")
