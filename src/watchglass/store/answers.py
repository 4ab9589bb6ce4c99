"""A finished query → a table of rows that any library can take: dicts, Arrow, pandas, polars, JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from watchglass.errors import need

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to a question: column names and rows. Times are aware and in UTC."""

    columns: tuple[str, ...]
    values: tuple[tuple[object, ...], ...]

    @classmethod
    def of(cls, result: duckdb.DuckDBPyConnection) -> Table:
        """Take all rows of an executed statement."""
        names = tuple(column[0] for column in result.description or ())
        return cls(names, tuple(tuple(_aware(value) for value in row) for row in result.fetchall()))

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[dict[str, object]]:
        return iter(self.rows())

    def rows(self) -> list[dict[str, object]]:
        """Give the rows as dicts."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.values]

    def frame(self, library: Literal["arrow", "pandas", "polars"] = "arrow") -> object:
        """Give the rows as a frame of the library that is named; it must be installed."""
        columns = {name: [row[index] for row in self.values] for index, name in enumerate(self.columns)}
        if library == "polars":
            return need("polars", extra="polars", to="give a polars frame").DataFrame(columns, strict=False)
        if library == "pandas":
            return need("pandas", extra="pandas", to="give a pandas frame").DataFrame(columns)
        return need("pyarrow", extra="arrow", to="give an Arrow table").table(columns)

    def to_json(self) -> str:
        """Give the rows as a JSON array of objects; times in ISO 8601 with offset."""
        return json.dumps(self.rows(), default=_plain)


def _aware(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
