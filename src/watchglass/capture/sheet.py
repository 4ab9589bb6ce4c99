"""A table's columns by name: what each holds, its values as Python's own, and a Parquet file where its engine writes one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from watchglass.capture.schema import type_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watchglass.capture.schema import ColumnType

Sort = Literal["number", "boolean", "text", "datetime", "date", "json", "empty"]
"""What a column holds; a datetime or a date is text among features, and a time where it is asked for as one."""
TYPES: dict[Sort, ColumnType | None] = {
    "number": "number",
    "boolean": "boolean",
    "text": "text",
    "datetime": "text",
    "date": "text",
    "json": "json",
    "empty": None,
}


class Sheet(Protocol):
    """What every table is taken for."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, as texts."""

    @property
    def rows(self) -> int:
        """How many rows there are."""

    @property
    def columnar(self) -> bool:
        """Whether an engine is at hand that writes Parquet."""

    def sort(self, name: str) -> Sort:
        """Say what a column holds."""

    def missing(self, name: str) -> int:
        """Count the cells of a column that hold nothing; NaN is nothing."""

    def values(self, name: str) -> Sequence[object]:
        """Give a column as Python's own values, None where it holds nothing."""

    def write(self, names: Sequence[str], path: str) -> None:
        """Write columns as a Parquet file, categories as texts."""

    def replaced(self, columns: Mapping[str, Sequence[object]]) -> Sheet:
        """Give the same table with other texts, or None, in some columns."""


@dataclass(frozen=True, slots=True)
class Lists:
    """A table as lists by name: whatever has no engine of its own."""

    columns: Mapping[str, Sequence[object]]
    rows: int
    columnar: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.columns)

    def sort(self, name: str) -> Sort:
        """Say what the first cell that holds something is."""
        return next((sort_of(value) for value in self.columns[name] if not is_missing(value)), "empty")

    def missing(self, name: str) -> int:
        """Count the cells that hold nothing."""
        return sum(map(is_missing, self.columns[name]))

    def values(self, name: str) -> Sequence[object]:
        """Give a column."""
        return [None if is_missing(value) else value for value in self.columns[name]]

    def write(self, names: Sequence[str], path: str) -> None:
        """Refuse: lists have no engine."""
        message = f"{names} cannot be written to {path}: lists have no Parquet engine"
        raise NotImplementedError(message)

    def replaced(self, columns: Mapping[str, Sequence[object]]) -> Lists:
        """Put other columns in the place of some."""
        return Lists({**self.columns, **columns}, self.rows)


def sort_of(value: object) -> Sort:
    """Say what one value is.

    >>> sort_of(0.5), sort_of("a"), sort_of(date(2026, 3, 1)), sort_of([1])
    ('number', 'text', 'date', 'json')
    """
    if isinstance(value, datetime):
        return "datetime"
    return "date" if isinstance(value, date) else type_of(value) or "empty"


def is_missing(value: object) -> bool:
    """Say whether a value is None, NaN, or another library's word for it."""
    return value is None or (type(value) is float and value != value) or type(value).__name__ in ("NAType", "NaTType")  # noqa: PLR0124 - NaN
