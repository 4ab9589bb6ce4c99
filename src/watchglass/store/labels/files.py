"""A Parquet or Arrow file of labels → its rows as dicts, some thousand at a time, read by DuckDB: no other library is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.errors import BadInput, need
from watchglass.store.compact import engine_room
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PARQUET: Final = (".parquet", ".pq")
ARROW: Final = (".arrow", ".feather", ".ipc")
_AT_ONCE: Final = 20_000


def rows_of(path: str, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """Give the rows of a file with the columns that are named; raises `BadInput` when it lacks one or cannot be read."""
    with engine_room() as connection:
        connection.execute("SET preserve_insertion_order = true")
        try:
            source = f"read_parquet({literal(path)})"
            if path.endswith(ARROW):
                feather = need("pyarrow.feather", extra="arrow", to=f"read {path!r}")
                connection.register("told", feather.read_table(path))
                source = "told"
            known = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
            for column in columns:
                if column not in known:
                    message = f"file {path!r} has no column {column!r}. It has: {', '.join(known)}"
                    raise BadInput(message)
            listed = ", ".join(identifier(column) for column in columns)
            result = connection.execute(f"SELECT {listed} FROM {source}")
            while part := result.fetchmany(_AT_ONCE):
                yield from (dict(zip(columns, row, strict=True)) for row in part)
        except (duckdb.Error, OSError) as error:
            message = f"file {path!r} cannot be read: {str(error).splitlines()[0]}"
            raise BadInput(message) from error
