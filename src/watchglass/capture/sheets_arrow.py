"""A pyarrow table → a sheet; pyarrow is never imported here but for its own Parquet writer, it came with the table."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from watchglass.capture.sheet import Sort


@dataclass(frozen=True, slots=True)
class ArrowSheet:
    """A pyarrow table."""

    table: pa.Table
    columnar: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.table.column_names)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    def sort(self, name: str) -> Sort:
        """Say what a column holds."""
        return sort_of(self.table.column(name).type)

    def missing(self, name: str) -> int:
        """Count nulls and NaN."""
        cells = self.table.column(name)
        nan = sys.modules["pyarrow"].types.is_floating(cells.type)
        return int(cells.is_null(nan_is_null=nan).to_numpy().sum())

    def values(self, name: str) -> Sequence[object]:
        """Give a column."""
        cells = self.table.column(name)
        found = cells.to_pylist()
        if sys.modules["pyarrow"].types.is_floating(cells.type):
            return [None if value is None or value != value else value for value in found]  # noqa: PLR0124 - NaN
        return list(found)

    def write(self, names: Sequence[str], path: str) -> None:
        """Write columns, dictionaries as the values they stand for."""
        pa = sys.modules["pyarrow"]
        chosen = self.table.select(names)
        for place, cells in enumerate(chosen.columns):
            chosen = chosen.set_column(place, chosen.column_names[place], _decoded(pa.types, cells))
        import_module("pyarrow.parquet").write_table(chosen, path)

    def replaced(self, columns: Mapping[str, Sequence[object]]) -> ArrowSheet:
        """Put columns of texts in the place of others."""
        pa, made = sys.modules["pyarrow"], self.table
        for name, values in columns.items():
            made = made.set_column(made.column_names.index(name), name, pa.array(values, pa.string()))
        return ArrowSheet(made)


def _decoded(types: pa.types, cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return cells.cast(cells.type.value_type) if types.is_dictionary(cells.type) else cells


def sort_of(kind: pa.DataType) -> Sort:
    """Say what a type holds."""
    types = sys.modules["pyarrow"].types
    if types.is_dictionary(kind):
        return sort_of(kind.value_type)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    known: tuple[tuple[object, Sort], ...] = (
        (types.is_boolean, "boolean"),
        (types.is_timestamp, "datetime"),
        (types.is_date, "date"),
        (types.is_null, "empty"),
    )
    return next((sort for fits, sort in known if fits(kind)), "json")  # type: ignore[operator]  # pyarrow has no types
