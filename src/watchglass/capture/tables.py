"""Any value → its columns when it is a data frame, recognised by its library's name; no library is imported for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.capture import columns_arrow, columns_pandas, columns_polars

if TYPE_CHECKING:
    from watchglass.capture.columns import Frame

_READERS = {"pandas": columns_pandas.taken, "polars": columns_polars.taken, "pyarrow": columns_arrow.taken}


def native(value: object) -> object:
    """Take a narwhals frame for the one it wraps."""
    convert = getattr(value, "to_native", None) if library(value) == "narwhals" else None
    return convert() if callable(convert) else value


def library(value: object) -> str:
    """Name the library that a value's type comes from."""
    return str(type(value).__module__).partition(".")[0]  # of a compiled function's type it is no text


def taken(value: object) -> Frame | None:
    """Give the columns of a frame or series; None for anything else."""
    value = native(value)
    reader = _READERS.get(library(value))
    return reader(value) if reader is not None else None
