"""A table as people hold it (polars, pyarrow, pandas, structured array, dict of columns, list of rows) → a sheet.

No library is imported that did not come with the table.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.columns import is_array
from watchglass.capture.sheet import Lists
from watchglass.capture.sheets_arrow import ArrowSheet
from watchglass.capture.sheets_pandas import PandasSheet
from watchglass.capture.sheets_polars import PolarsSheet
from watchglass.capture.tables import library, native
from watchglass.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

    from watchglass.capture.digests import Array
    from watchglass.capture.sheet import Sheet

WOULD_DO: Final = (
    "a frame of polars, pandas or pyarrow, a structured numpy array, a dict of columns or a list of dicts would do"
)


def sheet(table: object) -> Sheet:
    """Take a table for a sheet, or raise `BadInput` that says what would do."""
    table = native(table)
    found = _framed(table)
    if found is None:
        found = _listed(table)
    if found is None:
        message = f"a table cannot be a {type(table).__module__}.{type(table).__name__}: {WOULD_DO}"
        raise BadInput(message)
    twice = [name for name, count in Counter(found.names).items() if count > 1]
    if twice:
        message = f"the table has more than one column {twice[0]!r}: rename one, so that a name says which is meant"
        raise BadInput(message)
    return found


def _framed(table: object) -> Sheet | None:
    where, what = library(table), type(table).__name__
    if where == "polars" and what == "LazyFrame":
        message = "a LazyFrame has no rows yet: log frame.collect()"
        raise BadInput(message)
    if where == "polars" and what == "DataFrame":
        return PolarsSheet(table)  # type: ignore[arg-type]  # recognised by name
    if where == "pyarrow" and what in ("Table", "RecordBatch"):
        whole = table if what == "Table" else sys.modules["pyarrow"].Table.from_batches([table])
        return ArrowSheet(whole)
    if where == "pandas" and what == "DataFrame":
        frame = cast("pd.DataFrame", table)
        texts = [str(name) for name in frame.columns]
        return PandasSheet(frame if texts == list(frame.columns) else frame.set_axis(texts, axis=1))
    return None


def _listed(table: object) -> Lists | None:
    if is_array(table):
        return _structured(cast("Array", table))
    if isinstance(table, Mapping):
        return _columns(table)
    if (
        isinstance(table, Sequence)
        and not isinstance(table, (str, bytes))
        and all(isinstance(row, Mapping) for row in table)
    ):
        names = dict.fromkeys(str(key) for row in table for key in row)
        texts = [{str(key): value for key, value in row.items()} for row in table]
        return Lists({name: [row.get(name) for row in texts] for name in names}, len(table))
    return None


def _structured(array: Array) -> Lists | None:
    names = array.dtype.names
    if names is None:
        return None
    flat = array.reshape(-1)
    return Lists({name: _list(flat[name]) for name in names}, flat.size)


def _columns(table: Mapping[object, object]) -> Lists:
    columns = {str(name): _list(values) for name, values in table.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        message = f"the columns of a table must be equally long; these have {lengths} rows"
        raise BadInput(message)
    return Lists(columns, next(iter(lengths.values()), 0))


def _list(values: object) -> Sequence[object]:
    """Make a column Python's own values; numpy's nanoseconds would come as bare integers."""
    if is_array(values) and cast("Array", values).dtype.kind == "M":
        values = cast("Array", values).astype("datetime64[us]")
    for method in ("to_pylist", "to_list", "tolist"):
        convert = getattr(values, method, None)
        if callable(convert):
            return cast("list[object]", convert())
    if isinstance(values, (list, tuple)):
        return values
    message = f"a column of a table cannot be a {type(values).__name__}: a list or an array would do"
    raise BadInput(message)
