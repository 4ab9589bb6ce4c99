"""A compared column, or all of them → what a person reads first: how far it moved, whether sampling does that, what would have been seen."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from watchglass.show import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.monitor.comparison import ColumnComparison, Part
    from watchglass.profile.sides import Blocks

SURE: Final = 0.05
MOST_OF: Final = 0.6
"""The part of the distance between two distributions that a shift of the mean must explain to be named in its place."""
WIDER: Final = 1.1
NAMED: Final = 5
LONG: Final = 40
SORTED: Final = "; the rows lie sorted by it, which hides a move: name a column of time, or shuffle them"


def sentence(column: ColumnComparison, blocks: Blocks) -> str:
    """Say what was found of a column, the effect first."""
    if column.found not in ("moved", "steady"):
        return column.sentence
    if column.found == "steady":
        return _steady(column) + (SORTED if _is_sorted(column, blocks) else "")
    parts = []
    if not math.isnan(column.values_p) and 2 * column.values_p <= SURE:
        parts.append(_values(column) if column.unit == "share" else _numbers(column))
    if not math.isnan(column.missing_p) and 2 * column.missing_p <= SURE:
        parts.append(_missing(column))
    if not parts:
        parts.append(_missing(column) if column.missing_p < column.values_p else _values(column) if column.unit == "share" else _numbers(column))  # fmt: skip
    told = "; ".join(parts)
    return f"{told}: surely more than sampling"


def _is_sorted(column: ColumnComparison, blocks: Blocks) -> bool:
    """Say whether nearly all that a column varies by lies between neighbouring stretches of rows."""
    if blocks.unit != "rows" or math.isnan(column.design_effect):
        return False
    sides = zip(_parts(column), (blocks.reference, blocks.current), strict=True)
    return column.design_effect > min(part.rows / max(count, 1) for part, count in sides) / 2 > 1


def value_of(value: float, kind: str | None) -> str:
    """Write a value of a column: a time as its day.

    >>> value_of(0.0, "time"), value_of(0.5, "number")
    ('1970-01-01', '0.500')
    """
    if kind != "time" or not math.isfinite(value):
        return words.number(value)
    try:
        return words.day(datetime.fromtimestamp(value, UTC))
    except (OverflowError, ValueError, OSError):  # beyond the years 1 to 9999
        return words.number(value)


def _numbers(column: ColumnComparison) -> str:
    before, after = _parts(column)
    what = "its length " if column.kind == "text" else ""
    if math.isnan(column.wasserstein) and before.deviation != 0:
        return f"{what}moved by {words.number(column.js)} (JS)"
    if math.isnan(column.wasserstein):
        return f"{what}was always {value_of(before.mean, column.kind)}, and is not in {words.percent(column.unseen)} of the current rows"
    apart = f"{words.number(column.wasserstein)} sd"
    if after.deviation == 0:
        return f"{what}is always {value_of(after.mean, column.kind)} now, {apart} from what it was"
    shift = (after.mean - before.mean) / before.deviation
    if abs(shift) >= MOST_OF * column.wasserstein:
        means = f"mean {value_of(before.mean, column.kind)} → {value_of(after.mean, column.kind)}"
        text = f"{what}moved {'up' if shift > 0 else 'down'} by {apart} ({means})"
    elif not 1 / WIDER <= after.deviation / before.deviation <= WIDER:
        way = "wider" if after.deviation > before.deviation else "narrower"
        text = f"{what}spread {way} by {apart} (sd {_length(before, column.kind)} → {_length(after, column.kind)})"
    else:
        text = f"{what}changed its shape by {apart}, mean and spread about as before"
    if column.kind == "text" and column.moved and abs(column.moved[0].after - column.moved[0].before) >= SURE:
        return f"{text}, and {_values(column)}"
    return text


def _length(part: Part, kind: str | None) -> str:
    """Write a standard deviation; of times in days."""
    return f"{words.number(part.deviation / 86_400)} days" if kind == "time" else words.number(part.deviation)


def _values(column: ColumnComparison) -> str:
    if not column.moved:
        return "its values moved"
    first = column.moved[0]
    text = f"{words.cut(first.value, LONG)!r} went from {words.percent(first.before)} to {words.percent(first.after)}"
    return text + _unseen(column)


def _unseen(column: ColumnComparison) -> str:
    if not column.unseen > 0:
        return ""
    return f"; {words.percent(column.unseen)} of the current rows have a value that the reference never has"


def _missing(column: ColumnComparison) -> str:
    before, after = _parts(column)
    return f"missing in {words.percent(after.missing)} of the rows, {words.percent(before.missing)} in the reference"


def _steady(column: ColumnComparison) -> str:
    if column.sentence:
        return f"missing as often as before; its values are not compared: {column.sentence}"
    if math.isnan(column.values_p):
        few = column.unit == "sd" or column.histogram is None or len(column.histogram.values) == 1
        return (
            "the same in all rows of both tables"
            if few
            else f"no value is common enough to be compared{_unseen(column)}"
        )
    if column.unit == "share":
        first = column.moved[0] if column.moved else None
        told = (
            "every value has the same share in both"
            if first is None
            else f"{words.cut(first.value, LONG)!r} {words.percent(first.before)} → {words.percent(first.after)}"
        )
        return f"{told}: no more than sampling; a move of {words.percent(column.smallest)} of the rows would have been seen"
    if math.isnan(column.wasserstein):
        return f"{words.number(column.raw_js)} apart (JS): no more than sampling"
    return f"{words.number(column.wasserstein)} sd apart: no more than sampling; a shift of {words.number(column.smallest)} sd would have been seen"


def _parts(column: ColumnComparison) -> tuple[Part, Part]:
    if column.reference is None or column.current is None:
        message = f"column {column.name!r} has no counts"
        raise ValueError(message)
    return column.reference, column.current


def headline(columns: Sequence[ColumnComparison]) -> str:
    """Say in one sentence what two tables differ by."""
    moved = [column.name for column in columns if column.found == "moved"]
    compared = sum(column.found in ("moved", "steady") for column in columns)
    text = (
        f"{len(moved)} of {words.counted(compared, 'column')} moved by more than sampling: {listed(moved)}."
        if moved
        else f"None of {words.counted(compared, 'column')} moved by more than sampling."
        if compared
        else "No column could be compared."
    )
    for found, told in (
        ("retyped", "of another type now"),
        ("gone", "gone"),
        ("new", "new"),
        ("unknown", "not comparable"),
    ):
        names = [column.name for column in columns if column.found == found]
        if names:
            text += f" {listed(names)} {'is' if len(names) == 1 else 'are'} {told}."
    return text


def listed(names: Sequence[str]) -> str:
    """List a few names.

    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    shown = ", ".join(words.cut(name, LONG) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def parting(blocks: Blocks) -> str:
    """Say how it was found out how much the rows of a table are worth."""
    if blocks.unit == "rows":
        many = blocks.reference > 1 and blocks.current > 1
        how = (
            f"Rows were parted as they lie, into {blocks.reference} and {blocks.current} stretches: rows that resemble their neighbours count for less."
            if many
            else "The tables are too small to tell whether rows resemble their neighbours: rows count as independent."
        )
        return how + (
            " Name a column of time, so that days are compared."
            if blocks.time is None
            else f" Column {blocks.time!r} has too few days and hours to part by."
        )
    text = f"Rows were parted by {blocks.unit} of column {blocks.time!r}, into {blocks.reference} and {blocks.current} blocks: rows that resemble those of the same time count for less."
    lost = sum(blocks.untimed)
    return text + (f" {words.counted(lost, 'row')} without a readable time are a block of their own." if lost else "")
