"""The mirrors of a lost catalog's large tables → rows of the new catalog: runs, reads, writes and artifacts as they were last copied.

A mirror lies below tables/ as Parquet, so it outlives the catalog. Of each key the row that was changed last counts; what the
old catalog still told, or the log tells afterwards, is newer. The mirrors themselves are let go of: their numbers are the old
catalog's, and new ones are made when they are due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.asking.copies import CHANGED
from watchglass.store.asking.views import DOCUMENTED
from watchglass.store.mirror import MIRRORED, drop
from watchglass.store.quoting import identifier, literal
from watchglass.store.transactions import next_change, writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watchglass.store.doctor.visit import Visit

_AT_ONCE = 10_000


def take_mirrored(visit: Visit, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Add the rows that the new catalog lacks; gives how many of each table."""
    added = {table.name: _take(visit, connection, table) for table in MIRRORED}
    with writing(visit.engine) as transaction:
        number = next_change(transaction)
        for table in MIRRORED:
            transaction.execute(table.update().values(**{CHANGED: number}))
        drop(transaction)
    return {name: count for name, count in added.items() if count}


def _take(visit: Visit, connection: duckdb.DuckDBPyConnection, table: sa.Table) -> int:
    """Add what the mirrors of one table have: the listed ones, or, where the manifest is gone, all that lie there."""
    with visit.engine.connect() as catalog:
        listed = sa.select(c.files.c.path).where(c.files.c.kind == table.name, c.files.c.removed.is_(None))
        paths = [visit.folder.tables / path for path in catalog.execute(listed).scalars()]
    paths = paths or sorted((visit.folder.tables / table.name).glob("*.parquet"))
    readable = [path for path in paths if _readable(connection, path)]
    if not readable:
        return 0
    names = _names(connection, table, readable)
    keys = ", ".join(identifier(column.name) for column in table.primary_key)
    shown = ", ".join(f"{_kept(table, name)} AS {identifier(name)}" for name in names)
    found = connection.execute(
        f"SELECT {shown} FROM {_source(readable)} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {CHANGED} DESC) = 1"
    )
    added = 0
    with writing(visit.engine) as transaction:
        while rows := found.fetchmany(_AT_ONCE):
            missing = insert(table).on_conflict_do_nothing()
            before = _count(transaction, table)
            transaction.execute(missing, [dict(zip(names, row, strict=True)) for row in rows])
            added += _count(transaction, table) - before
    return added


def _count(transaction: sa.Connection, table: sa.Table) -> int:
    return transaction.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def _source(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], union_by_name = true)"


def _readable(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    try:
        connection.execute(f"SELECT bit_xor(hash(r)) FROM {_source([path])} r").fetchone()
    except duckdb.Error:
        return False
    return True


def _names(connection: duckdb.DuckDBPyConnection, table: sa.Table, paths: Sequence[Path]) -> list[str]:
    """List the columns that both have."""
    there = {row[0] for row in connection.execute(f"DESCRIBE FROM {_source(paths)}").fetchall()}
    return [column.name for column in table.columns if column.name in there]


def _kept(table: sa.Table, name: str) -> str:
    """Write a value as the catalog holds it: times and truths are whole numbers."""
    kind = next(
        (column.type for column in DOCUMENTED[table.name].columns if column.name == name),
        "BIGINT",
    )
    if kind == "TIMESTAMP":
        return f"epoch_us({identifier(name)})"
    return f"{identifier(name)}::INTEGER" if kind == "BOOLEAN" else identifier(name)
