"""A polars frame → a sheet; polars is never imported here, it came with the frame."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from watchglass.capture.sheet import Sort

_SORTS: Final[dict[str, Sort]] = {
    "Boolean": "boolean",
    "String": "text",
    "Categorical": "text",
    "Enum": "text",
    "Datetime": "datetime",
    "Date": "date",
    "Null": "empty",
}


@dataclass(frozen=True, slots=True)
class PolarsSheet:
    """A polars frame."""

    frame: pl.DataFrame
    columnar: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.frame.columns)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.frame.height

    def sort(self, name: str) -> Sort:
        """Say what a column holds."""
        dtype = self.frame.schema[name]
        return "number" if dtype.is_numeric() else _SORTS.get(type(dtype).__name__, "json")

    def missing(self, name: str) -> int:
        """Count nulls and NaN."""
        series = self.frame[name]
        return series.null_count() + (int(series.is_nan().sum()) if series.dtype.is_float() else 0)

    def values(self, name: str) -> Sequence[object]:
        """Give a column."""
        series = self.frame[name]
        return (series.fill_nan(None) if series.dtype.is_float() else series).to_list()

    def write(self, names: Sequence[str], path: str) -> None:
        """Write columns, categories as texts."""
        polars = sys.modules["polars"]
        texts = [name for name in names if type(self.frame.schema[name]).__name__ in ("Categorical", "Enum")]
        self.frame.select(names).with_columns(polars.col(texts).cast(polars.String)).write_parquet(path)

    def replaced(self, columns: Mapping[str, Sequence[object]]) -> PolarsSheet:
        """Put columns of texts in the place of others."""
        polars = sys.modules["polars"]
        made = [polars.Series(name, list(values), dtype=polars.String) for name, values in columns.items()]
        return PolarsSheet(self.frame.with_columns(made))
