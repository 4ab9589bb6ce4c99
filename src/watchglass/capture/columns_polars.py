"""A polars frame or series → columns in canonical form; polars is never imported here, it came with the frame."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import columns_arrow
from watchglass.capture.columns import Column, Frame, days, joined_texts, lists, moments, numbers, objects

if TYPE_CHECKING:
    import polars as pl

    from watchglass.capture.columns import Span
    from watchglass.capture.digests import Array

_TEXTS: Final = ("String", "Categorical", "Enum")
_SPANS: Final[dict[str, Span]] = {"Datetime": "datetime", "Duration": "duration", "Time": "time"}
_UNLIKE_NUMPY: Final = ("Decimal", "Int128", "UInt128")


def taken(value: object) -> Frame | None:
    """Recognise polars' frames and series."""
    name = type(value).__name__
    if name == "DataFrame":
        frame = cast("pl.DataFrame", value)
        return Frame(
            tuple(frame.columns),
            frame.height,
            series=False,
            read=lambda: [_column(series) for series in frame.get_columns()],
        )
    if name == "Series":
        series = cast("pl.Series", value)
        return Frame((series.name,), len(series), series=True, read=lambda: [_column(series)])
    return None


def _column(series: pl.Series) -> Column:
    dtype, name = series.dtype, series.name
    kind = type(dtype).__name__
    missing = cast("Array", series.is_null().to_numpy())
    if kind in _TEXTS:
        return _texts(series, missing)
    if kind == "Boolean":
        return numbers(name, cast("Array", series.fill_null(value=False).to_numpy()), missing)
    if kind in _SPANS:
        unit, zone = getattr(dtype, "time_unit", "ns"), getattr(dtype, "time_zone", None)
        return moments(name, _SPANS[kind], _values(series), unit, missing, zone=zone)
    if kind == "Date":
        return days(name, _values(series), missing)
    if dtype.is_numeric() and kind not in _UNLIKE_NUMPY:
        return numbers(name, _values(series), missing)
    return _other(series, kind, missing)


def _other(series: pl.Series, kind: str, missing: Array) -> Column:
    """Read lists as what is in them, all else as Python's own values."""
    if kind not in ("List", "Array"):
        return objects(series.name, series.to_list())
    whole = series.arr.to_list() if kind == "Array" else series
    lengths = whole.list.len()
    inner = whole.filter(lengths > 0).explode().alias("")  # a list that is missing or empty would leave a row
    return lists(series.name, _values(lengths), missing, _column(inner))


def _values(series: pl.Series) -> Array:
    return cast("Array", series.to_physical().fill_null(0).to_numpy())


def _texts(series: pl.Series, missing: Array) -> Column:
    polars = sys.modules["polars"]
    if "pyarrow" in sys.modules:  # it gives the bytes as they lie, a third quicker
        return columns_arrow.column(series.name, series.cast(polars.String).to_arrow())
    texts = series.cast(polars.String).fill_null("")
    data: str = texts.str.join("").item() if len(texts) else ""
    return joined_texts(series.name, cast("Array", texts.str.len_bytes().to_numpy()), data.encode(), missing)
