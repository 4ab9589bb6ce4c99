"""A finished query → a table of rows that any library can take: dicts, Arrow, pandas, polars, JSON.

An answer stays where DuckDB put it, by columns, until it is asked for as something else: ten million rows become Python
objects only for who asks for those.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Literal, cast

import duckdb
import orjson

from watchglass.errors import StoreError, need
from watchglass.store.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    Row = tuple[object, ...]

AT_ONCE: Final = 10_000
"""So many rows are fetched as soon as the answer is there: they are at hand after the store is closed, and in a forked child."""
_NAME: Final = "answer"


@dataclass(frozen=True, slots=True)
class Held:
    """An answer as DuckDB holds it: a table of a cursor that nobody else uses."""

    cursor: duckdb.DuckDBPyConnection
    columns: tuple[tuple[str, str], ...]
    rows: int
    pid: int

    @classmethod
    def of(cls, cursor: duckdb.DuckDBPyConnection, query: str, values: dict[str, object] | None = None) -> Held:
        """Run a query and hold its rows."""
        text = f"CREATE TEMP TABLE {_NAME} AS\n{query}"
        cursor.execute(text, values) if values else cursor.execute(text)
        described = cursor.execute(f"SELECT * FROM {_NAME} LIMIT 0").description or ()
        columns = tuple((str(column[0]), str(column[1])) for column in described)
        (count,) = cursor.execute(f"SELECT count(*) FROM {_NAME}").fetchone() or (0,)
        return cls(cursor, columns, int(count), os.getpid())

    def pieces(self) -> Iterator[list[Row]]:
        """Give the rows in order, some thousands at a time; between two the cursor is free."""
        for first in range(0, self.rows, AT_ONCE):
            part = f"{self._select('TIMESTAMP')} WHERE rowid >= {first} AND rowid < {first + AT_ONCE}"
            yield [tuple(aware(value) for value in row) for row in self._mine().execute(part).fetchall()]

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Give the rows as a relation, which Arrow and pandas can take; times are of UTC."""
        return self._mine().sql(self._select("TIMESTAMPTZ"))

    @property
    def open(self) -> bool:
        """Whether it can be read: its store is open, and this is the process that asked."""
        if self.pid != os.getpid():
            return False
        try:
            self.cursor.execute(f"SELECT 1 FROM {_NAME} LIMIT 0").fetchall()
        except duckdb.Error:
            return False
        return True

    def _mine(self) -> duckdb.DuckDBPyConnection:
        if not self.open:
            message = (
                "this answer is gone with what held it: its store was closed, or this process is a fork of the one that asked."
                " Next: ask again, or take .values or .frame() before"
            )
            raise StoreError(message)
        return self.cursor

    def _select(self, time: str) -> str:
        """Write the SELECT of the rows with every time as one of UTC, or as fetched without the zone's own module."""
        shown = [
            f"{identifier(name)}::{time} AS {identifier(name)}" if kind.startswith("TIMESTAMP") else identifier(name)
            for name, kind in self.columns
        ]
        return f"SELECT {', '.join(shown)} FROM {_NAME}"


class Table:
    """The answer to a question: column names and rows. Times are aware and in UTC.

    Of an answer that is one page, `next` is where the next begins (`after`); None where there are no more rows.
    """

    __slots__ = ("_held", "_json", "_values", "columns", "next")

    columns: tuple[str, ...]
    next: str | None

    def __init__(self, columns: Sequence[str], values: Sequence[Sequence[object]]) -> None:
        """Make a table of rows that are there."""
        self.columns, self.next = tuple(columns), None
        self._values: tuple[Row, ...] | None = tuple(tuple(row) for row in values)
        self._held: Held | None = None
        self._json: frozenset[str] = frozenset()  # the columns whose values are JSON

    @classmethod
    def held(cls, held: Held) -> Table:
        """Take an answer over; a small one is fetched at once."""
        table = cls([name for name, _ in held.columns], ())
        table._held, table._values = held, None
        table._json = frozenset(name for name, kind in held.columns if kind == "JSON")
        if held.rows <= AT_ONCE:
            table._values = tuple(row for part in held.pieces() for row in part)
        return table

    @property
    def values(self) -> tuple[Row, ...]:
        """The rows as tuples; of a large answer they are made when first asked for."""
        if self._values is None:
            self._values = tuple(self._each())
        return self._values

    def __len__(self) -> int:
        return self._held.rows if self._held is not None else len(self.values)

    def __iter__(self) -> Iterator[dict[str, object]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self._each())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (self.columns, self.values) == (other.columns, other.values)

    def __hash__(self) -> int:
        return hash((self.columns, len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} rows: {', '.join(self.columns)}>"

    def __reduce__(self) -> tuple[type[Table], tuple[tuple[str, ...], tuple[Row, ...]]]:
        return (Table, (self.columns, self.values))  # what goes to another process is the rows

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the rows through Arrow's PyCapsule interface, as polars, pyarrow, narwhals and others take them."""
        if self._held is None or not (self._values is None or self._held.open):
            return cast("Table", self.frame()).__arrow_c_stream__(requested_schema)
        return self._held.relation().__arrow_c_stream__(requested_schema)

    def _each(self) -> Iterator[Row]:
        if self._values is not None or self._held is None:
            return iter(self._values or ())
        return (row for part in self._held.pieces() for row in part)

    def rows(self) -> list[dict[str, object]]:
        """Give the rows as dicts."""
        return list(self)

    def frame(self, library: Literal["arrow", "pandas", "polars"] = "arrow") -> object:
        """Give the rows as a frame of the library that is named; it must be installed. No Python object is made of a value."""
        home = _library(library)
        if self._held is not None and (self._values is None or self._held.open):
            if library == "pandas":
                return _pandas(self._held.relation())
            return home.table(self._held.relation()) if library == "arrow" else home.DataFrame(self._held.relation())
        columns = {name: [row[index] for row in self.values] for index, name in enumerate(self.columns)}
        if library == "polars":
            return home.DataFrame(columns, strict=False)
        return home.DataFrame(columns) if library == "pandas" else home.table(columns)

    def first(self, rows: int) -> Table:
        """Give the first rows as a table of their own."""
        table = Table(self.columns, [row for _, row in zip(range(rows), self._each(), strict=False)])
        table._json = self._json
        return table

    def to_json(self) -> str:
        """Give the rows as a JSON array of objects: times in ISO 8601 with offset, null for a number that is none, JSON as it is."""
        try:
            rows = [self._plain(row, orjson.Fragment) for row in self]
            return orjson.dumps(rows, default=plain, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # a number of more than 64 bits
            rows = [self._plain(row, json.loads) for row in self]
            return json.dumps([{name: _finite(value) for name, value in row.items()} for row in rows], default=plain)

    def _plain(self, row: dict[str, object], nested: Callable[[str], object]) -> dict[str, object]:
        """Replace texts that are JSON by what they say."""
        if not self._json:
            return row
        return {n: nested(value) if n in self._json and isinstance(value, str) else value for n, value in row.items()}


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pandas(relation: duckdb.DuckDBPyRelation) -> object:
    with warnings.catch_warnings():  # DuckDB 1.5 calls what pandas 3.1 is about to drop
        warnings.simplefilter("ignore", DeprecationWarning)
        return relation.df()


def _library(name: str) -> ModuleType:
    if name == "polars":
        return need("polars", extra="polars", to="give a polars frame")
    if name == "pandas":
        return need("pandas", extra="pandas", to="give a pandas frame")
    return need("pyarrow", extra="arrow", to="give an Arrow table")


def aware(value: object) -> object:
    """Give a time that has no zone the zone that all have in the tables, UTC; any other value as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def plain(value: object) -> object:
    """Turn what JSON does not have into text: times into ISO 8601 with offset."""
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
