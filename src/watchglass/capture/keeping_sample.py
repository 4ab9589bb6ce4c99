"""A value → a value of its kind with at most so many of its rows: every so-manyth, in order, the same each time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import tables
from watchglass.capture.columns import is_array
from watchglass.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from watchglass.capture.digests import Array

ROWS: Final = 1000
BYTES: Final = 65_536


def sample(value: object, rows: int = ROWS) -> object:
    """Thin a value out: frames, arrays and lists by rows, texts to their first 65,536 characters.

    Raises `BadInput` for a value that has no rows, as a model or a dict.

    >>> sample(list(range(10)), rows=4)
    [0, 3, 6, 9]
    """
    frame = tables.taken(value)
    if frame is not None:
        return _frame(tables.native(value), _step(frame.rows, rows))
    if is_array(value) and cast("Array", value).shape:
        array = cast("Array", value)
        return array[slice(None, None, _step(len(array), rows))]
    if isinstance(value, (list, tuple)):
        return list(value[:: _step(len(value), rows)])
    if isinstance(value, (str, bytes, bytearray)):
        return value[:BYTES]
    message = f"a {type(value).__name__} has no rows to take a sample of: keep='profile' or keep='full' would do"
    raise BadInput(message)


def _step(there: int, wanted: int) -> int:
    return max(1, -(-there // wanted))


def _frame(value: object, step: int) -> object:
    name = tables.library(value)
    if name == "pandas":
        return cast("pd.DataFrame", value).iloc[::step]
    if name == "polars":
        return cast("pl.DataFrame", value).gather_every(step)
    pa = sys.modules["pyarrow"]
    chosen = pa.array(range(0, len(cast("Array", value)), step), pa.int64())
    return value.take(chosen)  # type: ignore[attr-defined]  # a table, a batch or an array of pyarrow
