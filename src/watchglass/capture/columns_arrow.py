"""A pyarrow table, batch or array → columns in canonical form; pyarrow is never imported here, it came with the table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from watchglass.capture.columns import Column, Frame, days, joined_texts, lists, moments, numbers, objects

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from watchglass.capture.columns import Span
    from watchglass.capture.digests import Array


def taken(value: object) -> Frame | None:
    """Recognise pyarrow's tables, batches and arrays."""
    name = type(value).__name__
    if name in ("Table", "RecordBatch"):
        table = cast("pa.Table", value)
        return Frame(
            tuple(table.column_names),
            table.num_rows,
            series=False,
            read=lambda: list(map(column, table.column_names, table.columns)),
        )
    if name == "ChunkedArray" or (name.endswith("Array") and hasattr(value, "null_count")):
        cells = cast("pa.ChunkedArray", value)
        return Frame(("",), len(cells), series=True, read=lambda: [column("", cells)])
    return None


def column(name: str, cells: pa.ChunkedArray | pa.Array) -> Column:
    """Read one column."""
    pa = sys.modules["pyarrow"]
    if not isinstance(cells, pa.ChunkedArray):
        cells = pa.chunked_array([cells])
    cells = _plain(cells)
    kind = cells.type
    if _is_text(kind):
        return _texts(name, cells)
    missing = cast("Array", cells.is_null().to_numpy())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return numbers(name, _values(cells), missing)
    if pa.types.is_boolean(kind):
        return numbers(name, cast("Array", cells.fill_null(False).to_numpy()), missing)
    if pa.types.is_date(kind):
        day = cells.cast(pa.date32()).cast(pa.int32())
        return days(name, _values(day), missing)
    spans: tuple[tuple[Span, Callable[[object], bool]], ...] = (
        ("datetime", pa.types.is_timestamp),
        ("duration", pa.types.is_duration),
        ("time", pa.types.is_time),
    )
    for span, fits in spans:
        if fits(kind):
            return moments(name, span, _values(_whole(cells)), kind.unit, missing, zone=getattr(kind, "tz", None))
    return _other(name, cells, missing)


def _other(name: str, cells: pa.ChunkedArray, missing: Array) -> Column:
    """Read lists as what is in them, all else as Python's own values."""
    pa, kind = sys.modules["pyarrow"], cells.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pa.compute.list_value_length(cells)
        return lists(name, _values(lengths), missing, column("", pa.compute.list_flatten(cells)))
    return objects(name, cells.to_pylist())


def _plain(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give the values that runs and dictionaries stand for."""
    pa = sys.modules["pyarrow"]
    if pa.types.is_run_end_encoded(cells.type):
        cells = pa.compute.run_end_decode(cells)
    if pa.types.is_dictionary(cells.type):
        value_type = cells.type.value_type
        cells = cells.cast(pa.large_string() if _is_text(value_type) else value_type)
    return cells


def _whole(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """See times as the integers that they are kept as."""
    pa = sys.modules["pyarrow"]
    return cells.cast(pa.int32() if cells.type.bit_width == 32 else pa.int64()).cast(pa.int64())  # noqa: PLR2004 - bits


def _values(cells: pa.ChunkedArray) -> Array:
    return cast("Array", cells.fill_null(0).to_numpy())


def _is_text(kind: pa.DataType) -> bool:
    types = sys.modules["pyarrow"].types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _texts(name: str, cells: pa.ChunkedArray) -> Column:
    """Take the offsets and the bytes as they lie in memory; a slice begins in the middle of them."""
    pa = sys.modules["pyarrow"]
    missing = cast("Array", cells.is_null().to_numpy())
    whole = cells.cast(pa.large_string()).fill_null("").combine_chunks()
    whole = whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
    offsets = cast(
        "Array",
        pa.Array.from_buffers(pa.int64(), len(whole) + 1, [None, whole.buffers()[1]], offset=whole.offset).to_numpy(),
    )
    data = whole.buffers()[2]
    first, last = int(offsets[0]), int(offsets[-1])
    return joined_texts(
        name,
        offsets[1:] - offsets[:-1],
        data.slice(first, last - first).to_pybytes() if data is not None else b"",
        missing,
    )
