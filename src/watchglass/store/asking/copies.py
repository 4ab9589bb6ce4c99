"""A table of the catalog → its rows as lines of JSON in a file, and the SELECT that reads them beside the table's mirror.

SQLite writes the lines itself, which costs a quarter of what Python would take.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store.asking.views import DOCUMENTED
from watchglass.store.dialects import exact_text, json_line
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb
    from sqlalchemy.engine import Connection

    from watchglass.store.snapshot import File

CHANGED: Final = "changed"
_LINES: Final = 5_000  # written together


@dataclass(frozen=True, slots=True)
class Copy:
    """What a question reads of one table: a file of lines, how many, and the mirror's files, the oldest first."""

    table: sa.Table
    path: Path
    rows: int
    mirrors: tuple[File, ...]


def copy(connection: Connection, table: sa.Table, after: int, mirrors: tuple[File, ...], room: Path) -> Copy:
    """Write the rows of a table that changed after the transaction of that number; of one that is never mirrored, all."""
    path = room / f"{uuid.uuid4().hex}.jsonl"
    query = sa.select(_line(table))
    if CHANGED in table.c:
        query = query.where(table.c[CHANGED] > after)
    rows = 0
    with path.open("w", encoding="utf-8", errors="surrogatepass") as file:
        for lines in connection.execute(query).scalars().partitions(_LINES):
            file.write("\n".join(lines) + "\n")
            rows += len(lines)
    return Copy(table, path, rows, mirrors)


def _line(table: sa.Table) -> sa.ColumnElement[str]:
    pairs: list[object] = []
    for column in table.columns:
        if column.name not in (*DOCUMENTED[table.name].names, CHANGED):
            continue
        value: sa.ColumnElement[object] = column
        if isinstance(column.type, sa.Float):  # json_object() would round it to 15 digits
            value = sa.case((column.is_not(None), exact_text(column)))
        pairs += [sa.literal_column(literal(column.name)), value]
    return json_line(*pairs)


def lines_of(table: sa.Table, path: Path) -> str:
    """Write the SELECT of a table's rows, in the types of its view, from a file of lines."""
    kinds = {column.name: _kept(column) for column in table.columns}
    names = [name for name in (*DOCUMENTED[table.name].names, CHANGED) if name in kinds]
    typed = ", ".join(f"{literal(name)}: {literal(kinds[name])}" for name in names)
    shown = [f"{_shown(table.name, name)} AS {identifier(name)}" for name in names]
    return f"SELECT {', '.join(shown)} FROM read_json({literal(str(path))}, columns = {{{typed}}}, format = 'newline_delimited')"


def _kept(column: sa.Column[object]) -> str:
    """Give the type of a column in the catalog."""
    if isinstance(column.type, sa.Float):
        return "DOUBLE"
    return "BIGINT" if isinstance(column.type, sa.Integer) else "VARCHAR"


def _shown(view: str, name: str) -> str:
    kind = next((column.type for column in DOCUMENTED[view].columns if column.name == name), "BIGINT")
    if kind == "TIMESTAMP":
        return f"make_timestamp({identifier(name)})"
    return f"{identifier(name)} != 0" if kind == "BOOLEAN" else identifier(name)


def bind(connection: duckdb.DuckDBPyConnection, copied: Copy, tables: Path) -> None:
    """Make the view of a table: what was copied, and the mirror's rows that nothing newer has; the copy's file is gone then."""
    name = copied.table.name
    try:
        if copied.rows:  # reading lines costs 2 ms even where there are none
            connection.execute(f"CREATE TEMP TABLE told_{name} AS {lines_of(copied.table, copied.path)}")
    finally:
        copied.path.unlink(missing_ok=True)
    if not copied.rows and not copied.mirrors:
        connection.execute(f"CREATE TEMP VIEW {name} AS {DOCUMENTED[name].empty()}")
        return
    keys = [column.name for column in copied.table.primary_key]
    paths = [f"read_parquet({literal(str(tables / file.path))})" for file in copied.mirrors]
    sources = [*paths, *([f"told_{name}"] if copied.rows else [])]
    parts = [_newest(sources, place, keys, name) for place in range(len(sources))]
    connection.execute(f"CREATE TEMP VIEW {name} AS {' UNION ALL '.join(parts)}")


def _newest(sources: Sequence[str], place: int, keys: Sequence[str], name: str) -> str:
    """Write the SELECT of a source's rows that no later source has; what is newer is small."""
    listed = ", ".join(f"s.{identifier(column)}" for column in DOCUMENTED[name].names)
    select = f"SELECT {listed} FROM {sources[place]} AS s"
    same = " AND ".join(f"n.{identifier(key)} = s.{identifier(key)}" for key in keys)
    later = " UNION ALL ".join(
        f"SELECT {', '.join(identifier(key) for key in keys)} FROM {source}" for source in sources[place + 1 :]
    )
    return f"{select} ANTI JOIN ({later}) AS n ON {same}" if later else select
