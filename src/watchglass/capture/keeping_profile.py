"""A value → a summary of a few kilobytes as JSON: its extent, and of each column what there is, what is missing, what is usual.

A frame's is {"rows", "columns": {name: {"type", "count", "nulls", "min", "max", "mean"} or, of what is no number,
{"type", "count", "nulls", "top": [[value, rows], …]}}}; times are ISO 8601. NaN is missing, as in a version.
"""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import tables
from watchglass.capture.columns import is_array
from watchglass.capture.contents import derived
from watchglass.capture.encode import plain
from watchglass.capture.sheets import sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

    from watchglass.capture.digests import Array
    from watchglass.capture.sheet import Sheet

TOP: Final = 5
COLUMNS: Final = 500
_CHARACTERS: Final = 80
_MAPPED: Final = 200
Said = dict[str, object]


def profile(value: object) -> Said:
    """Summarise a value in memory; what cannot be summarised gives what is known of it."""
    if tables.taken(value) is not None:
        return _frame(tables.native(value))
    if is_array(value) or derived(value, "scipy", "_spbase"):
        return _array(value)
    return _plain(value) or _model(value)


def _plain(value: object) -> Said:
    """Summarise a text or JSON; nothing for anything else."""
    if isinstance(value, str):
        return {"characters": len(value), "lines": value.count("\n") + 1}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": len(value)}
    if isinstance(value, dict):
        return {"entries": len(value), "keys": [str(key)[:_CHARACTERS] for key in list(value)[:_MAPPED]]}
    if isinstance(value, (list, tuple)):
        return {"entries": len(value), "types": dict(Counter(type(entry).__name__ for entry in value).most_common(TOP))}
    return {"value": plain(value)} if value is None or isinstance(value, (bool, int, float)) else {}


def file_profile(path: str) -> Said:
    """Summarise a file or a folder: its bytes, when it was changed (µs since the epoch, UTC), how many files there are."""
    if not os.path.isdir(path):  # noqa: PTH112 - text paths here
        about = os.stat(path)  # noqa: PTH116 - likewise
        return {"bytes": about.st_size, "changed": about.st_mtime_ns // 1000}
    sizes = [
        os.path.getsize(os.path.join(folder, name))  # noqa: PTH118, PTH202 - likewise
        for folder, _, names in os.walk(path)
        for name in names
    ]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _frame(value: object) -> Said:
    name = type(value).__name__
    if name == "Series":
        value = value.to_frame()  # type: ignore[attr-defined]  # pandas' or polars'
    elif name not in ("DataFrame", "Table", "RecordBatch"):
        value = sys.modules["pyarrow"].table({"": value})
    found = sheet(value)
    summary = {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}[tables.library(value)]
    shown = found.names[:COLUMNS]
    said: Said = {"rows": found.rows, "columns": {name[:_CHARACTERS]: summary(found, name) for name in shown}}
    if len(found.names) > COLUMNS:
        said["columns left out"] = len(found.names) - COLUMNS
    return said


def _column(found: Sheet, name: str, more: Mapping[str, object]) -> Said:
    missing = found.missing(name)
    counted = {"type": found.sort(name), "count": found.rows - missing, "nulls": missing}
    return counted | {key: plain(value) for key, value in more.items() if value is not None}


def _top(pairs: Iterable[Sequence[object]]) -> Said:
    return {"top": [[_short(value), rows] for value, rows in pairs]}


def _short(value: object) -> object:
    known = plain(value)
    return known if isinstance(known, (int, float, bool)) else str(known)[:_CHARACTERS]


def _pandas(found: Sheet, name: str) -> Said:
    series = cast("pd.Series", found.frame[name])  # type: ignore[attr-defined]  # a PandasSheet
    if found.sort(name) in ("number", "datetime", "date") and series.notna().any():
        number = found.sort(name) == "number"
        mean = float(series.mean()) if number and type(series.dtype).__name__ != "ObjectDType" else None
        return _column(found, name, {"min": _item(series.min()), "max": _item(series.max()), "mean": mean})
    if found.sort(name) == "json":  # lists and dicts are not counted
        return _column(found, name, {})
    counts = series.value_counts().head(TOP)
    return _column(found, name, _top(list(zip(counts.index.tolist(), counts.tolist(), strict=True))))


def _item(value: object) -> object:
    convert = getattr(value, "item", None)
    return convert() if callable(convert) else value


def _polars(found: Sheet, name: str) -> Said:
    series = cast("pl.Series", found.frame[name])  # type: ignore[attr-defined]  # a PolarsSheet
    known = series.drop_nulls()
    if series.dtype.is_float():
        known = known.drop_nans()
    if found.sort(name) in ("number", "datetime", "date") and len(known):
        mean = known.mean() if found.sort(name) == "number" else None
        return _column(found, name, {"min": known.min(), "max": known.max(), "mean": mean})
    if series.dtype.is_nested() or type(series.dtype).__name__ == "Object":
        return _column(found, name, {})
    counts = known.alias("value").value_counts(sort=True, name="rows").head(TOP)
    return _column(found, name, _top(counts.rows()))


def _arrow(found: Sheet, name: str) -> Said:
    compute = sys.modules["pyarrow"].compute
    cells = cast("pa.ChunkedArray", found.table.column(name)).drop_null()  # type: ignore[attr-defined]  # an ArrowSheet
    types = sys.modules["pyarrow"].types
    if types.is_floating(cells.type):
        cells = cells.filter(compute.invert(compute.is_nan(cells)))
    if found.sort(name) in ("number", "datetime", "date") and not types.is_dictionary(cells.type) and len(cells):
        ends = compute.min_max(cells).as_py()
        mean = compute.mean(cells).as_py() if found.sort(name) == "number" else None
        return _column(found, name, {**ends, "mean": mean})
    if types.is_nested(cells.type):
        return _column(found, name, {})
    counted = sorted(compute.value_counts(cells).to_pylist(), key=lambda pair: -pair["counts"])[:TOP]
    return _column(found, name, _top([(pair["values"], pair["counts"]) for pair in counted]))


def _array(value: object) -> Said:
    """Summarise an array of numpy, or what a sparse matrix holds beside its zeros."""
    array = value.data if derived(value, "scipy", "_spbase") else value  # type: ignore[attr-defined]  # recognised by name
    said: Said = {"shape": list(getattr(value, "shape", ())), "type": str(getattr(value, "dtype", ""))}
    if array is not value:
        said["entries"] = int(getattr(value, "nnz", 0))
    if not is_array(array):
        return said
    numbers = cast("NDArray[np.float64]", array)
    if numbers.dtype.kind not in "iufb" or not numbers.size:
        return said
    odd = numbers != numbers  # noqa: PLR0124 - NaN is what differs from itself
    known = numbers[~odd]
    said["nulls"] = int(odd.sum())
    if known.size:
        said |= {"min": plain(known.min()), "max": plain(known.max()), "mean": float(known.mean())}
    return said


def _model(value: object) -> Said:
    """Summarise a model by its settings."""
    said: Said = {"type": f"{type(value).__module__}.{type(value).__qualname__}"}
    ask = getattr(value, "get_params", None)
    if callable(ask):
        settings = cast("Mapping[str, object]", ask(deep=False))
        said["params"] = {
            name: entry
            for name, entry in settings.items()
            if entry is None or isinstance(entry, (bool, int, float, str))
        }
    if derived(value, "torch", "Module"):
        parts = cast("Callable[[], Iterable[Array]]", value.parameters)()  # type: ignore[attr-defined]  # recognised by name
        said["parameters"] = sum(math.prod(part.shape) for part in parts)
    return said
