"""Wrong and labelled counts by window, before and since → rates and their differences, with intervals.

Days differ by more than their rows explain, so the window is the unit of evidence: each rate's rows are divided by
the dispersion between windows (never less than one), which both stretches of a group of rows give together, so that
three windows since an onset need not tell their own spread. Rates near 0 or 1 keep lopsided intervals: Wilson's for one
rate, and for sums and differences of rates the square-and-add of Newcombe (Statistics in Medicine 17, 1998, method 10).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from watchglass.records import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.profile.weights import Numbers

Counts = tuple["Numbers", "Numbers"]
"""Labelled and correct predictions by window (W,); of weighted rows their effective numbers."""

LEVEL = 0.95
FEWEST = 20  # labelled rows on either side of an onset, below which nothing is said
NONE = Estimate(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows before and since an onset: wrong and labelled of each, their dispersion and its degrees of freedom."""

    wrong: tuple[float, float]
    labelled: tuple[float, float]
    dispersion: float
    freedom: int

    @classmethod
    def of(cls, before: Counts, after: Counts) -> Group:
        """Add the windows up, and take their dispersion from both stretches."""
        residuals = [_residuals(*before), _residuals(*after)]
        freedom = sum(max(len(rest) - 1, 0) for rest in residuals)
        spread = sum(float(rest @ rest) for rest in residuals) / freedom if freedom else 1.0
        wrong = tuple(float((labelled - correct).sum()) for labelled, correct in (before, after))
        labelled = tuple(float(labelled.sum()) for labelled, _ in (before, after))
        widened = max(1.0, spread) * _clustering(residuals)
        return cls((wrong[0], wrong[1]), (labelled[0], labelled[1]), widened, max(freedom, 1))

    @property
    def enough(self) -> bool:
        """Say whether both sides have labels enough to say anything."""
        return min(self.labelled) >= FEWEST

    def rate(self, side: int) -> float:
        """Give the share wrong before (0) or since (1)."""
        return self.wrong[side] / self.labelled[side]

    def limits(self, side: int, level: float) -> tuple[float, float]:
        """Give the interval of the share wrong on a side."""
        z = float(stdtrit(self.freedom, 0.5 + level / 2))
        rows, share = self.labelled[side] / self.dispersion, self.rate(side)
        middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
        half = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    def accuracy(self, side: int, level: float = LEVEL) -> Estimate:
        """Give the accuracy before (0) or since (1)."""
        if not self.labelled[side]:
            return NONE
        low, high = self.limits(side, level)
        return Estimate(1 - self.rate(side), 1 - high, 1 - low, max(1, round(self.labelled[side])))


def _residuals(labelled: Numbers, correct: Numbers) -> NDArray[np.float64]:
    """Give each labelled window's distance from the pooled rate in standard deviations of its rows."""
    used = labelled > 0
    rows, right = labelled[used].astype(np.float64), correct[used].astype(np.float64)
    share = (right.sum() + 0.5) / (rows.sum() + 1)
    return np.asarray(
        (right - right.sum() / max(rows.sum(), 1) * rows) / np.sqrt(share * (1 - share) * rows), dtype=np.float64
    )


def _clustering(residuals: Sequence[NDArray[np.float64]]) -> float:
    """Give how much neighbours that are alike widen a mean, (1 + ρ) / (1 − ρ), for a correlation ρ of neighbours that is not negative."""
    power = sum(float(rest @ rest) for rest in residuals)
    pairs = sum(max(len(rest) - 1, 0) for rest in residuals)
    if not power or not pairs:
        return 1.0
    rho = sum(float(rest[1:] @ rest[:-1]) for rest in residuals) / power
    rho = min(max(rho, 0.0), 0.9)
    return (1 + rho) / (1 - rho)


def contrast(terms: Sequence[tuple[int, Group, int]], level: float = LEVEL) -> Estimate:
    """Add and subtract shares wrong, each term a sign, a group and its side; NaN when a group has too few labels."""
    if not all(group.enough for _, group, _ in terms):
        return NONE
    value = below = above = 0.0
    for sign, group, side in terms:
        rate, (low, high) = group.rate(side), group.limits(side, level)
        down, up = (rate - low, high - rate) if sign > 0 else (high - rate, rate - low)
        value, below, above = value + sign * rate, below + down**2, above + up**2
    return Estimate(value, value - math.sqrt(below), value + math.sqrt(above), round(terms[0][1].labelled[1]))


def fall(group: Group, level: float = LEVEL) -> Estimate:
    """Give how far accuracy fell; positive is worse.

    >>> before, after = (np.full(20, 40), np.full(20, 38)), (np.full(4, 40), np.full(4, 30))
    >>> found = fall(Group.of(before, after))
    >>> round(found.value, 2), round(found.low, 2), round(found.high, 2), found.rows
    (0.2, 0.13, 0.28, 160)
    """
    return contrast([(1, group, 1), (-1, group, 0)], level)


def excess(group: Group, rest: Group, level: float = LEVEL) -> Estimate:
    """Give how much more a group fell than the rest; positive is worse."""
    return contrast([(1, group, 1), (-1, group, 0), (-1, rest, 1), (1, rest, 0)], level)
