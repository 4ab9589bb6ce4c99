"""A column of two tables → its counts on both sides: of all rows on the fine grid, and block by block on a coarse one.

A block is a stretch of rows that belong together: a day, an hour, or rows that lie one after the other. Rows of a block may
depend on each other; what blocks differ by tells how much a table's rows are worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from watchglass.profile.grid import coarse_bins, keys_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watchglass.profile.columns import Frame
    from watchglass.profile.counting import Places

Kind: TypeAlias = Literal["number", "category", "boolean", "text", "time"]
Sums: TypeAlias = tuple[int, float, float]
_BLOCK = 1 << 14  # 128 kB of doubles: what one step writes, the next still finds in the processor's cache
Unit: TypeAlias = Literal["days", "hours", "rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One table's counts of a column: `counts` (B) by bucket or value, `blocks` (W, C) by block and coarse bin, `missing` (W).

    Of a column of values the coarse bins are the values: B = C. Infinities are counted in the outermost buckets.
    """

    counts: NDArray[np.int64]
    blocks: NDArray[np.int64]
    missing: NDArray[np.int64]

    @property
    def there(self) -> int:
        """Count the rows that have a value."""
        return int(self.counts.sum())

    @property
    def rows(self) -> int:
        """Count all rows."""
        return self.there + int(self.missing.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A column of numbers: `keys` (B) are the grid's buckets around `centre`, sorted; `bins` (B) says each one's coarse bin."""

    centre: float
    scale: float
    keys: NDArray[np.int64]
    bins: NDArray[np.int64]
    reference: Side
    current: Side
    whole: bool = False
    """Whether they are whole numbers by their type, or lengths of texts."""
    sums: tuple[Sums, Sums] = ((0, 0.0, 0.0), (0, 0.0, 0.0))
    """Of each side's finite values: how many, the sum of their distances from the centre, that of the squares."""


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """A column of values: `values` (B − 1), those of the reference first, and past the last one all others together.

    `unseen` counts the current rows of values that the reference has not; None where there are too many to tell.
    """

    values: tuple[str, ...]
    reference: Side
    current: Side
    unseen: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A column of two tables: its kind, and what was counted; a text of many values has its lengths and its commonest values."""

    name: str
    kind: Kind
    numbers: Numbers | None = None
    values: Values | None = None


@dataclass(frozen=True, slots=True)
class Blocks:
    """How the two tables were parted: by days or hours of a column of time, or into rows one after the other, and how many."""

    unit: Unit
    time: str | None
    reference: int
    current: int
    untimed: tuple[int, int] = (0, 0)
    """Rows without a time that can be read; they are a block of their own."""


@dataclass(frozen=True, slots=True)
class Odd:
    """A column that cannot be compared, and why; `what` says whether one table lacks it or its type is another."""

    name: str
    what: Literal["gone", "new", "retyped", "unknown"]
    because: str


def count_twice(
    values: NDArray[np.float64], frame: Frame, blocks: Places
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count numbers, NaN where one is missing: all together by bucket, and block by block in coarse bins, missing ones last.

    Gives the occupied buckets, their counts, and the counts (W, C + 1).

    >>> from watchglass.profile.columns import Frame
    >>> from watchglass.profile.counting import Places
    >>> found = count_twice(np.array([1.0, 1.0, np.nan]), Frame(0.0, 1.0, ()), Places(np.array([0, 1, 1]), 2))
    >>> found[1].tolist(), found[2].tolist()
    ([2], [[1, 0], [1, 1]])
    """
    width = len(frame.edges) + 2
    keys, missing = keys_of(values, frame.centre)
    if not len(keys):
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros((blocks.size, width), dtype=np.int64)
    low = int(keys.min())
    codes = np.subtract(keys, low, dtype=np.intp)
    last = int(codes.max()) + 1
    if missing.any():
        codes[missing] = last
    counts = np.bincount(codes, minlength=last + 1)
    found = np.flatnonzero(counts[:last])
    table = np.full(last + 1, width - 1, dtype=np.intp)
    table[found] = coarse_bins(found + low, np.asarray(frame.edges, dtype=np.int64))
    bins = table.take(codes)
    if blocks.of_row is not None:
        bins += blocks.of_row * width
    coarse = np.bincount(bins, minlength=blocks.size * width)
    return found + low, counts[found].astype(np.int64), coarse.reshape(blocks.size, width).astype(np.int64)


def sums_of(values: NDArray[np.float64], centre: float) -> Sums:
    """Give the number of finite values, the sum of their distances from the centre, and that of the squares.

    >>> sums_of(np.array([1.0, 4.0, np.nan, np.inf]), 2.0)
    (2, 1.0, 5.0)
    """
    count, total, squares = 0, 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # what no double can hold is told as infinite
        for begin in range(0, len(values), _BLOCK):
            away = values[begin : begin + _BLOCK] - centre
            part = float(away.sum())
            if not math.isfinite(part):
                away = away[np.isfinite(away)]
                part = float(away.sum())
            count += len(away)
            total += part
            squares += float(np.einsum("i,i->", away, away))  # a product by BLAS would keep its threads spinning
    return count, total, squares
