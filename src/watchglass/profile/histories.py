"""Counts by day → histories: what a monitor judges, one array a column, windows down, buckets across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watchglass.records import Slice


@dataclass(frozen=True, slots=True, eq=False)
class NumberHistory:
    """A numeric column: `counts` (W, B) per window and grid bucket, `keys` (B) sorted, `missing` (W)."""

    name: str
    centre: float
    scale: float
    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    missing: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CategoryHistory:
    """A column of text: `counts` (W, B) per window and value, `missing` (W)."""

    name: str
    values: tuple[str, ...]
    counts: NDArray[np.int64]
    missing: NDArray[np.int64]


ColumnHistory: TypeAlias = NumberHistory | CategoryHistory


@dataclass(frozen=True, slots=True, eq=False)
class LabelHistory:
    """Labelled and correct predictions per window and slice, as signed changes that carry the day they became known.

    `slices` (S) begins with the empty slice, all rows; `rows` (W, S) counts predictions. The entries (E) name a
    window, a slice, the index of the day known (on the windows' axis; may lie past its end), and two changes.
    """

    slices: tuple[Slice, ...]
    rows: NDArray[np.int64]
    window: NDArray[np.int64]
    slice: NDArray[np.int64]
    known: NDArray[np.int64]
    labelled: NDArray[np.int64]
    correct: NDArray[np.int64]

    def known_at(self, day: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give labelled and correct (W, S) as known at the end of a day."""
        told = self.known <= day
        labelled, correct = np.zeros_like(self.rows), np.zeros_like(self.rows)
        place = (self.window[told], self.slice[told])
        np.add.at(labelled, place, self.labelled[told])
        np.add.at(correct, place, self.correct[told])
        return labelled, correct
