"""A pandas frame → a sheet; pandas is never imported here, it came with the frame."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.columns_pandas import cells
from watchglass.capture.sheet import is_missing, sort_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from watchglass.capture.sheet import Sort

_SORTS: Final[dict[str, Sort]] = {"i": "number", "u": "number", "f": "number", "b": "boolean", "M": "datetime"}
# What pandas finds in a column of Python objects by a look at each; where it finds anything else, we look ourselves.
_INFERRED: Final[dict[str, Sort]] = {"string": "text", "boolean": "boolean", "empty": "empty"}


@dataclass(frozen=True, slots=True)
class PandasSheet:
    """A pandas frame whose columns are named by texts."""

    frame: pd.DataFrame

    @property
    def columnar(self) -> bool:
        """Whether pyarrow, which writes Parquet for pandas, is installed."""
        return find_spec("pyarrow") is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.frame.columns)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.frame)

    def sort(self, name: str) -> Sort:
        """Say what a column holds; one of Python objects is what they all are, else JSON."""
        series = self.frame[name]
        dtype = series.dtype
        if type(dtype).__name__ == "StringDtype":
            return "text"
        if type(dtype).__name__ == "ObjectDType":
            quick = _INFERRED.get(sys.modules["pandas"].api.types.infer_dtype(series, skipna=True))
            if quick is not None:
                return quick
        if type(dtype).__name__ in ("ObjectDType", "CategoricalDtype", "ArrowDtype"):
            found = {
                sort_of(value)
                for value in cells(series.drop_duplicates() if type(dtype).__name__ == "CategoricalDtype" else series)
                if not is_missing(value)
            }
            return found.pop() if len(found) == 1 else "json" if found else "empty"
        return _SORTS.get(str(dtype.kind), "json")

    def missing(self, name: str) -> int:
        """Count what pandas takes for missing."""
        return int(self.frame[name].isna().sum())

    def values(self, name: str) -> Sequence[object]:
        """Give a column."""
        return cells(self.frame[name])

    def write(self, names: Sequence[str], path: str) -> None:
        """Write columns with pyarrow, categories as the values they stand for."""
        chosen = self.frame[list(names)]
        categories = [name for name in names if type(chosen[name].dtype).__name__ == "CategoricalDtype"]
        if categories:
            chosen = chosen.astype(cast("dict[str, type]", dict.fromkeys(categories, object)))
        chosen.to_parquet(path, engine="pyarrow", index=False)

    def replaced(self, columns: Mapping[str, Sequence[object]]) -> PandasSheet:
        """Put columns of texts in the place of others."""
        series = sys.modules["pandas"].Series
        made = {name: series(list(values), index=self.frame.index, dtype=object) for name, values in columns.items()}
        return PandasSheet(self.frame.assign(**made))
