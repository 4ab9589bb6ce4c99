"""Values of a column and what is missing among them → one canonical form whatever library held them, and a frame's digest.

Equal names, types and values in the same order give one digest:

- A missing value is one thing. pandas holds it as NaN in a column of floats, so NaN and null are the same there.
- Categories and dictionaries are the values they stand for; a timestamp's unit is how it is kept, not what it says.
- The row labels of pandas count when they are named or no integers; plain row numbers do not.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from watchglass.capture.digests import Array, hasher, put, put_buffer, put_digests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Buffer: TypeAlias = "Array | bytes"
Span = Literal["datetime", "duration", "time"]
_FINER: Final = {"us": 1, "ms": 1_000, "s": 1_000_000}
_NAN: Final = float("nan")
_LARGEST: Final = 2**63 - 1
_UTC: Final = frozenset(("UTC", "Etc/UTC", "+00:00", "Z", "GMT"))
_UNIX_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what its values are, which are missing, and either buffers or the cells themselves.

    `kind` is f64, i8, …, b8, text, datetime (with its zone), date, time, duration, list, null or other; a column of
    lists has the length of each, and `inner`, the column of all that is in them.
    """

    name: str
    kind: str
    missing: Buffer | None = None
    buffers: tuple[Buffer, ...] = ()
    cells: tuple[object, ...] = ()
    inner: Column | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's extent, and how to read its columns; a series is a frame of one column."""

    names: tuple[str, ...]
    rows: int
    series: bool
    read: Callable[[], Sequence[Column]]


def frame_digest(frame: Frame, cell: Callable[[object], bytes]) -> bytes:
    """Hash a frame; `cell` gives the digest of a value that is no plain number, time or text."""
    into = hasher("series" if frame.series else "frame")
    put(into, str(frame.rows))
    put_digests(into, [_column_digest(column, cell) for column in frame.read()])
    return into.digest()


def _column_digest(column: Column, cell: Callable[[object], bytes]) -> bytes:
    into = hasher("column")
    put(into, column.name, column.kind, "whole" if column.missing is None else "some missing")
    for buffer in (*(() if column.missing is None else (column.missing,)), *column.buffers):
        if isinstance(buffer, bytes):
            put(into, buffer)
        else:
            into.update(buffer.nbytes.to_bytes(8, "little"))
            put_buffer(into, buffer)
    put_digests(into, map(cell, column.cells))
    if column.inner is not None:
        put_digests(into, [_column_digest(column.inner, cell)])
    return into.digest()


def _some(missing: Array) -> Array | None:
    return missing if missing.any() else None


def numbers(name: str, values: Array, missing: Array) -> Column:
    """Take numbers or booleans; where one is missing the value is 0, or NaN among floats."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if values.dtype.str != f"<{kind}{size}":  # a conversion copies, even to the same
        values = values.astype(f"<{kind}{size}")
    if kind != "f":
        return Column(name, f"{kind}{8 * size}", _some(missing), (values,))
    empty = (values != values) | missing  # noqa: PLR0124 - NaN is what differs from itself
    if empty.any():
        values = values.copy()
        values[empty] = _NAN  # NaN has many bit patterns; one stands for all
    return Column(name, f"{kind}{8 * size}", None, (values,))


def days(name: str, values: Array, missing: Array) -> Column:
    """Take dates as days since the epoch, 0 where missing."""
    return Column(name, "date", _some(missing), (values.astype("<i8"),))


def moments(name: str, span: Span, values: Array, unit: str, missing: Array, *, zone: str | None = None) -> Column:
    """Take times as int64 of a unit, 0 where missing; they are kept as microseconds and, where there are any, the nanoseconds past them."""
    kind: str = span
    if zone is not None:
        kind = f"{span} {'UTC' if zone in _UTC else zone.removeprefix('UTC')}"  # Python names a fixed offset UTC+01:00
    if unit == "ns":
        whole = values // 1_000
        rest = values - whole * 1_000
        return Column(name, kind, _some(missing), (whole, rest) if rest.any() else (whole,))
    factor = _FINER[unit]
    if factor > 1 and values.size and max(int(values.max()), -int(values.min())) > _LARGEST // factor:
        return Column(name, f"{kind} in {unit}", _some(missing), (values,))  # past the year 292,000
    return Column(name, kind, _some(missing), (values * factor,))


def joined_texts(name: str, lengths: Array, data: bytes, missing: Array) -> Column:
    """Take texts as their UTF-8 bytes one after the other, and the length of each, 0 where missing."""
    return Column(name, "text", _some(missing), (lengths.astype("<i8"), data))


def texts(name: str, values: Sequence[str | None]) -> Column:
    """Take texts one by one; None is missing."""
    missing = bytes(value is None for value in values)
    encoded = [b"" if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    buffers = (array("q", map(len, encoded)).tobytes(), b"".join(encoded))
    return Column(name, "text", missing if any(missing) else None, buffers)


def lists(name: str, lengths: Array, missing: Array, inner: Column) -> Column:
    """Take lists as the length of each, 0 where missing, and the column of all that is in them."""
    return Column(name, "list", _some(missing), (lengths.astype("<i8"),), inner=inner)


def is_array(value: object) -> bool:
    """Say whether a value is a numpy array, without importing numpy."""
    return is_array_type(type(value))


def is_array_type(kind: type) -> bool:
    """Say whether a type is numpy's array, or made from it."""
    return any(one.__name__ == "ndarray" and one.__module__ == "numpy" for one in kind.__mro__)


def _lists(name: str, values: Sequence[object]) -> Column:
    """Take Python's lists, and arrays in cells, as pandas holds the lists that it read from a file."""
    missing = bytes(value is None for value in values)
    held = [value for value in values if value is not None]
    lengths = array("q", (0 if value is None else len(cast("list[object]", value)) for value in values)).tobytes()
    return Column(name, "list", missing if any(missing) else None, (lengths,), inner=_inner(held))


def _inner(held: Sequence[object]) -> Column:
    """Join what lists hold: of arrays of one type the numbers as they are, of Python's numbers as 64 bits."""
    if _are_rows(held):
        joined = cast("Array", sys.modules["numpy"].concatenate(held))
        return numbers("", joined, joined != joined)  # noqa: PLR0124 - NaN is what differs from itself
    flat: list[object] = []
    for value in held:
        flat += cast("Array", value).tolist() if is_array(value) else cast("list[object]", value)
    kinds = {type(value) for value in flat} - {type(None)}
    missing = bytes(value is None for value in flat)
    if kinds == {float}:
        known = (_NAN if gone or value != value else value for value, gone in zip(flat, missing, strict=True))  # noqa: PLR0124 - NaN
        return Column("", "f64", None, (array("d", cast("Iterable[float]", known)).tobytes(),))
    whole = [0 if value is None else value for value in flat]
    if kinds == {int} and all(-_LARGEST - 1 <= value <= _LARGEST for value in cast("list[int]", whole)):
        data = array("q", cast("list[int]", whole)).tobytes()
        return Column("", "i64", missing if any(missing) else None, (data,))
    return objects("", flat)


def _are_rows(held: Sequence[object]) -> bool:
    """Say whether all are arrays of one dimension and one type of numbers."""
    arrays = [cast("Array", value) for value in held if is_array(value)]
    return (
        0 < len(arrays) == len(held)
        and arrays[0].dtype.kind in "iufb"
        and all(len(one.shape) == 1 and one.dtype.str == arrays[0].dtype.str for one in arrays)
    )


def objects(name: str, values: Sequence[object]) -> Column:
    """Take Python objects: texts, booleans, dates or lists where all are (None is missing), else cell by cell."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds and all(kind is list or is_array_type(kind) for kind in kinds):
        return _lists(name, values)
    missing = bytes(value is None for value in values)
    some = missing if any(missing) else None
    if not kinds:
        return Column(name, "null", None, (len(values).to_bytes(8, "little"),))
    if kinds == {str}:
        return texts(name, cast("Sequence[str | None]", values))
    if kinds == {bool}:
        return Column(name, "b8", some, (bytes(value is True for value in values),))
    if kinds == {date}:
        ordinals = (0 if value is None else cast("date", value).toordinal() - _UNIX_EPOCH for value in values)
        return Column(name, "date", some, (array("q", ordinals).tobytes(),))
    return Column(name, "other", None, (), tuple(values))
