"""A pandas frame or series → columns in canonical form; pandas is never imported here, it came with the frame."""

from __future__ import annotations

import sys
from datetime import timezone
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import columns_arrow
from watchglass.capture.columns import Column, Frame, moments, numbers, objects, texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta, tzinfo

    import pandas as pd

    from watchglass.capture.digests import Array


def taken(value: object) -> Frame | None:
    """Recognise pandas' frames and series."""
    name = type(value).__name__
    if name == "DataFrame":
        frame = cast("pd.DataFrame", value)
        return Frame(tuple(map(str, frame.columns)), len(frame), series=False, read=lambda: _columns(frame))
    if name == "Series":
        series = cast("pd.Series", value)
        return Frame(
            (str(series.name),),
            len(series),
            series=True,
            read=lambda: [*_labels(series.index), _column("" if series.name is None else str(series.name), series)],
        )
    return None


def _columns(frame: pd.DataFrame) -> list[Column]:
    return [
        *_labels(frame.index),
        *(_column(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)),
    ]


def _labels(index: pd.Index) -> list[Column]:
    """Read row labels that say something: plain row numbers are how pandas counts, not content."""
    if index.nlevels == 1 and index.name is None and index.dtype.kind in "iu":
        return []
    levels = index.to_frame(index=False)
    return [_column(f"label {name}", levels.iloc[:, place]) for place, name in enumerate(index.names)]


def _column(name: str, series: pd.Series) -> Column:
    dtype = series.dtype
    sort = type(dtype).__name__
    if sort == "ArrowDtype" or (sort == "StringDtype" and getattr(dtype, "storage", "") == "pyarrow"):
        return columns_arrow.column(name, sys.modules["pyarrow"].array(series.array))
    if sort in _PLAINER:
        return _column(name, _PLAINER[sort](series))
    if sort == "StringDtype":
        return texts(name, cast("list[str | None]", cells(series)))
    missing = cast("Array", series.isna().to_numpy())
    if dtype.kind in "mM":
        return _moments(name, series, missing)
    plain = getattr(dtype, "numpy_dtype", dtype)  # that of a column with a mask
    if plain.kind in "iufb":
        filled = series if plain is dtype else series.fillna(value=False if plain.kind == "b" else 0)
        return numbers(name, cast("Array", filled.to_numpy(dtype=str(plain))), missing)
    return objects(name, cells(series))


def _moments(name: str, series: pd.Series, missing: Array) -> Column:
    zone = _zone(series.dt.tz) if type(series.dtype).__name__ == "DatetimeTZDtype" else None
    held = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy() if zone else series.to_numpy()
    unit = str(held.dtype).partition("[")[2].rstrip("]")
    values = cast("Array", held.view("i8").copy())
    values[missing] = 0  # where missing, pandas keeps the smallest integer
    return moments(name, "datetime" if held.dtype.kind == "M" else "duration", values, unit, missing, zone=zone)


def _zone(zone: tzinfo) -> str:
    """Name a zone; pytz has another name for those of a fixed offset."""
    fixed = type(zone).__name__ == "_FixedOffset"
    return str(timezone(cast("timedelta", zone.utcoffset(None)))) if fixed else str(zone)


def _uncategorised(series: pd.Series) -> pd.Series:
    kind = series.cat.categories.dtype
    whole = kind.kind in "iub" and bool(series.isna().any())  # such a column cannot hold what is missing
    return series.astype(object) if whole or kind.kind == "O" else series.astype(kind)


def cells(series: pd.Series) -> list[object]:
    """Give a column as Python's own values, None where it holds nothing."""
    missing = series.isna()
    if not missing.any():
        return list(series.tolist())
    return [None if gone else value for value, gone in zip(series.tolist(), missing.tolist(), strict=True)]


_PLAINER: Final[dict[str, Callable[[pd.Series], pd.Series]]] = {
    "CategoricalDtype": _uncategorised,
    "SparseDtype": lambda series: cast("pd.Series", series.sparse.to_dense()),  # type: ignore[attr-defined]  # pandas' stubs know no accessor
}
