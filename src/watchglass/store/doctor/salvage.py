"""A catalog that cannot be trusted → the rows that can still be read from it, table by table, and what could not be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from watchglass.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import sqlalchemy as sa

_NO_ANSWER = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)
Row: TypeAlias = "dict[str, object]"


@dataclass(frozen=True, slots=True)
class Saved:
    """The rows of one table; `whole` when its end was reached without an error."""

    rows: tuple[Row, ...]
    whole: bool


def fault_of(path: Path) -> str | None:
    """Say what is wrong with a catalog's file, or None: it opens, its pages hold together, its tables are there.

    Raises `StoreError` when that cannot be said: the file may not be opened, or another process keeps it locked.
    """
    if not path.exists():
        return "it is not there"
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            return _fault(connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in _NO_ANSWER:
            message = f"the catalog {str(path)!r} cannot be looked at: {error}. Is the folder writable, and no other process in the way?"
            raise StoreError(message) from error
        return f"it cannot be opened or read: {error}"
    except sqlite3.DatabaseError as error:
        return f"it is no catalog any more: {error}"


def _fault(connection: sqlite3.Connection) -> str | None:
    said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    if said != ["ok"]:
        return f"its pages do not hold together: {said[0]}"
    tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master")}
    if not {"files", "segments", "schema_version"} <= tables:
        return "it has no manifest"
    if not connection.execute("SELECT version FROM schema_version").fetchone():
        return "it does not say its version"
    return None


def save(path: Path, tables: Sequence[sa.Table]) -> dict[str, Saved]:
    """Read what can be read of these tables, from both ends where the middle is broken."""
    if not path.exists():
        return {table.name: Saved((), whole=False) for table in tables}
    saved = {}
    for table in tables:
        names = {column.name for column in table.columns}
        found: dict[int, Row] = {}
        whole = _read(path, table.name, "ASC", found)
        if not whole:
            _read(path, table.name, "DESC", found)
        rows = ({name: value for name, value in found[key].items() if name in names} for key in sorted(found))
        saved[table.name] = Saved(tuple(rows), whole)
    return saved


def _read(path: Path, table: str, order: str, found: dict[int, Row]) -> bool:
    """Read rows until the end or an error; says whether the end was reached."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            for row in _rows(connection, table, order):
                key = int(row["key_of_row"])
                if key in found:
                    return False
                found[key] = dict(row)
    except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError):
        return False
    return True


def _rows(connection: sqlite3.Connection, table: str, order: str) -> Iterator[sqlite3.Row]:
    # the table's own order, never an index: an index may be broken where the table is not
    yield from connection.execute(f"SELECT rowid AS key_of_row, * FROM {table} NOT INDEXED ORDER BY rowid {order}")
