"""Counts by day → histories: what a monitor judges, one array a column, windows down, buckets across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from watchglass.profile.weights import Squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watchglass.profile.weights import Numbers
    from watchglass.records import Slice


@dataclass(frozen=True, slots=True, eq=False)
class NumberHistory:
    """A numeric column: `counts` (W, B) per window and grid bucket, `keys` (B) sorted, `missing` (W).

    Where rows were sampled these are effective rows: a window's sums of weights, scaled to as many as tell as much.
    """

    name: str
    centre: float
    scale: float
    keys: NDArray[np.int64]
    counts: Numbers
    missing: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class CategoryHistory:
    """A column of text: `counts` (W, B) per window and value, `missing` (W); effective rows where rows were sampled."""

    name: str
    values: tuple[str, ...]
    counts: Numbers
    missing: Numbers


ColumnHistory: TypeAlias = NumberHistory | CategoryHistory


@dataclass(frozen=True, slots=True, eq=False)
class LabelHistory:
    """Labelled and correct predictions per window and slice, as signed changes that carry the day they became known.

    `slices` (S) begins with the empty slice, all rows; `rows` (W, S) counts predictions. The entries (E) name a
    window, a slice, the index of the day known (on the windows' axis; may lie past its end), and two changes. All are
    sums of weights; `squares` has the entries' changes of weight × (weight − 1), None while every weight is 1.
    """

    slices: tuple[Slice, ...]
    rows: NDArray[np.int64]
    window: NDArray[np.int64]
    slice: NDArray[np.int64]
    known: NDArray[np.int64]
    labelled: NDArray[np.int64]
    correct: NDArray[np.int64]
    squares: Squares | None = None

    def known_at(self, day: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give labelled and correct (W, S) as known at the end of a day."""
        return self._sum(self.labelled, day), self._sum(self.correct, day)

    def squares_at(self, day: int) -> Squares | None:
        """Give the sums of weight × (weight − 1) of the labelled and the correct (W, S); None while every weight is 1."""
        if self.squares is None:
            return None
        return Squares(self._sum(self.squares.labelled, day), self._sum(self.squares.correct, day))

    def _sum(self, change: NDArray[np.int64], day: int) -> NDArray[np.int64]:
        told = self.known <= day
        found = np.zeros_like(self.rows)
        np.add.at(found, (self.window[told], self.slice[told]), change[told])
        return found
