"""Labelled and correct predictions by window → accuracy, its change and its recovery, with honest intervals.

The unit of evidence is the window: the interval comes from the spread between windows, widened by their lag-1
correlation, and is never narrower than what rows alone would give.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np  # noqa: F401 - the doctests need it
from scipy.special import ndtri, stdtrit

from watchglass.records import Estimate

if TYPE_CHECKING:
    from watchglass.profile.weights import Numbers

LEVEL = 0.95
FEW = 3  # fewer windows than this say nothing about the spread between windows
NONE = Estimate(math.nan, math.nan, math.nan, 0)


def wilson(correct: float, labelled: float, level: float = LEVEL) -> tuple[float, float]:
    """Give Wilson's interval of a share; effective numbers of weighted rows need not be whole.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    z = float(ndtri(0.5 + level / 2))
    share = correct / labelled
    middle = (share + z**2 / (2 * labelled)) / (1 + z**2 / labelled)
    half = z / (1 + z**2 / labelled) * math.sqrt(share * (1 - share) / labelled + z**2 / (4 * labelled**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _variance(labelled: Numbers, correct: Numbers) -> tuple[float, int]:
    """Give the variance of a pooled share over windows, and its degrees of freedom (0 = rows alone)."""
    n = float(labelled.sum())
    share = (correct.sum() + 0.5) / (n + 1)
    rows_alone = share * (1 - share) / n
    used = labelled > 0
    windows = int(used.sum())
    if windows < FEW:
        return float(rows_alone), 0
    rest = (correct - correct.sum() / n * labelled)[used]
    between = windows / (windows - 1) * float((rest**2).sum()) / n**2
    power = float((rest**2).sum())
    rho = min(max(float((rest[1:] * rest[:-1]).sum()) / power, 0.0), 0.9) if power > 0 else 0.0
    return max(float(rows_alone), between * (1 + rho) / (1 - rho)), windows - 1


def _quantile(freedom: float, level: float) -> float:
    return float(stdtrit(freedom, 0.5 + level / 2)) if freedom else float(ndtri(0.5 + level / 2))


def accuracy(labelled: Numbers, correct: Numbers, level: float = LEVEL) -> Estimate:
    """Give the share correct over windows (W,), with its interval; of weighted rows their effective numbers (profile/weights).

    >>> found = accuracy(np.array([10, 10, 10, 10]), np.array([9, 10, 8, 9]))
    >>> round(found.value, 2), found.rows
    (0.9, 40)
    """
    n = float(labelled.sum())
    if not n:
        return NONE
    share = float(correct.sum() / n)
    variance, freedom = _variance(labelled, correct)
    half = _quantile(freedom, level) * math.sqrt(variance)
    low, high = wilson(float(correct.sum()), n, level)
    rows = max(1, round(n))
    if not freedom:
        return Estimate(share, low, high, rows)
    return Estimate(share, max(0.0, min(low, share - half)), min(1.0, max(high, share + half)), rows)


def change(
    before: tuple[Numbers, Numbers],
    after: tuple[Numbers, Numbers],
    level: float = LEVEL,
) -> Estimate:
    """Give accuracy after minus before, each as (labelled, correct) by window, with its interval; negative is a fall."""
    if not before[0].sum() or not after[0].sum():
        return NONE
    value = float(after[1].sum() / after[0].sum() - before[1].sum() / before[0].sum())
    (left, left_freedom), (right, right_freedom) = _variance(*before), _variance(*after)
    freedom = _welch(left, left_freedom, right, right_freedom)
    half = _quantile(freedom, level) * math.sqrt(left + right)
    return Estimate(value, value - half, value + half, max(1, round(float(after[0].sum()))))


def _welch(left: float, left_freedom: int, right: float, right_freedom: int) -> float:
    """Give the degrees of freedom of a difference (Welch and Satterthwaite)."""
    parts = [(variance, freedom) for variance, freedom in ((left, left_freedom), (right, right_freedom)) if freedom]
    if len(parts) < 2:  # noqa: PLR2004 - one side rests on its rows alone
        return 0.0
    return (left + right) ** 2 / sum(variance**2 / freedom for variance, freedom in parts)


def recovered(before: Estimate, during: Estimate, recent: tuple[Numbers, Numbers]) -> bool:
    """Say whether three labelled windows, pooled, have a lower bound above the midpoint of before and during."""
    labelled, correct = recent
    if len(labelled) < FEW or not labelled.all():
        return False
    low, _ = wilson(float(correct.sum()), float(labelled.sum()))
    return low > (before.value + during.value) / 2
