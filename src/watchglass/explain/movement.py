"""Counts of features inside a slice and outside it → how far each moved around a moment, in standard deviations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Coarse = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
LARGE = 0.25  # standard deviations that a column must move to be said to have moved


@dataclass(frozen=True, slots=True)
class Movement:
    """The column that moved most inside the slice, there and outside; with the noise of the inside figure."""

    column: str
    inside: float
    outside: float
    noise: float

    @property
    def only_inside(self) -> bool:
        """Say whether it moved inside, beyond noise, and hardly outside."""
        return abs(self.inside) > max(LARGE, 3 * self.noise) and abs(self.outside) < abs(self.inside) / 3


def _shift(
    counts: NDArray[np.float64], score: NDArray[np.float64], before: Sequence[int], after: Sequence[int]
) -> tuple[float, float]:
    """Give the change of the mean score and its standard error by rows."""
    left, right = counts[list(before)].sum(axis=0), counts[list(after)].sum(axis=0)
    if not left.sum() or not right.sum():
        return 0.0, np.inf
    value = float(right @ score / right.sum() - left @ score / left.sum())
    return value, float(np.sqrt(1 / left.sum() + 1 / right.sum()))


def most_moved(counts: Mapping[str, Coarse], before: Sequence[int], after: Sequence[int]) -> Movement | None:
    """Find the column that moved most inside the slice between two sets of windows; None without rows on a side.

    The score of a coarse bin is the mid-rank in all rows before, scaled to variance one.
    """
    found = []
    for name, (inside, outside) in counts.items():
        pooled = (inside + outside)[list(before)].sum(axis=0)
        if not pooled.sum():
            continue
        share = pooled / pooled.sum()
        score = np.sqrt(3) * (2 * (np.cumsum(share) - share / 2) - 1)
        spread = float(np.sqrt(share @ score**2)) or 1.0
        here, noise = _shift(inside, score / spread, before, after)
        there, _ = _shift(outside, score / spread, before, after)
        if np.isfinite(noise):
            found.append(Movement(name, here, there, noise))
    return max(found, key=lambda movement: abs(movement.inside) - abs(movement.outside), default=None)
