"""Two tables' counts of a column → how far apart they lie: PSI and Jensen–Shannon corrected for sampling, Wasserstein, KS.

Counts that come from one distribution lie apart too. What that gives on average is taken off: of PSI (B − 1)(1/n + 1/m), of
the squared Jensen–Shannon distance an eighth of it (both are to second order half-scaled chi-squared statistics of B − 1
degrees of freedom), with n and m the effective numbers of rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from watchglass.profile.grid import midpoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watchglass.profile.sides import Numbers, Sums

FLOOR: Final = 1e-4
"""The least share that enters a logarithm: a bin empty on one side gives a finite PSI."""
BINS: Final = 10
DISTINCT: Final = 20


class Distance(NamedTuple):
    """A distance as it is, and less what sampling alone gives, never below 0."""

    raw: float
    corrected: float


def psi(reference: NDArray[np.int64], current: NDArray[np.int64], worth: tuple[float, float]) -> Distance:
    """Give the population stability index of counts by bin, Σ (q − p) ln(q / p), with shares of at least 0.0001.

    >>> found = psi(np.array([50, 50]), np.array([90, 10]), (100, 100))
    >>> round(found.raw, 3), round(found.corrected, 3)
    (0.879, 0.859)
    """
    p, q = (np.maximum(side / max(side.sum(), 1), FLOOR) for side in (reference, current))
    raw = float(np.sum((q - p) * np.log(q / p)))
    return Distance(raw, max(0.0, raw - _by_chance(reference, current, worth)))


def jensen_shannon(reference: NDArray[np.int64], current: NDArray[np.int64], worth: tuple[float, float]) -> Distance:
    """Give the Jensen–Shannon distance of counts by bin in nats: 0 where they are alike, √ln 2 = 0.833 where they share nothing.

    >>> jensen_shannon(np.array([5, 0]), np.array([0, 5]), (math.inf, math.inf)).raw.__round__(3)
    0.833
    """
    p, q = (side / max(side.sum(), 1) for side in (reference, current))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = [float(np.sum(np.where(side > 0, side * np.log(side / middle), 0.0))) for side in (p, q)]
    squared = max(0.0, sum(divergence) / 2)
    return Distance(math.sqrt(squared), math.sqrt(max(0.0, squared - _by_chance(reference, current, worth) / 8)))


def _by_chance(reference: NDArray[np.int64], current: NDArray[np.int64], worth: tuple[float, float]) -> float:
    bins = int(np.count_nonzero(reference + current))
    return max(bins - 1, 0) * sum(1 / max(rows, 1.0) for rows in worth)


class Spread(NamedTuple):
    """Mean, standard deviation and quantiles (5, 25, 50, 75, 95 %) of a side's finite values, and how many are infinite."""

    mean: float
    deviation: float
    quantiles: tuple[float, float, float, float, float]
    infinite: int


LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


def spread(numbers: Numbers, counts: NDArray[np.int64], sums: Sums) -> Spread:
    """Describe one side's numbers by its sums and counts, values taken for the middles of their buckets; NaN where there are none."""
    middle = midpoints(numbers.keys)
    finite = np.isfinite(middle)
    own, n = middle[finite], counts[finite]
    infinite = int(counts[~finite].sum())
    if not n.sum():
        return Spread(math.nan, math.nan, (math.nan,) * 5, infinite)
    shares = n / n.sum()
    mean = float(own @ shares)
    with np.errstate(over="ignore"):
        deviation = math.sqrt(float((own - mean) ** 2 @ shares))
    if sums[0] and math.isfinite(sums[2]):
        mean = sums[1] / sums[0]
        deviation = math.sqrt(max(0.0, sums[2] / sums[0] - mean**2)) if np.count_nonzero(n) > 1 else 0.0
    reached = np.cumsum(n)
    places = [min(int(np.searchsorted(reached, level * reached[-1])), len(n) - 1) for level in LEVELS]
    low, lower, half, upper, high = (float(own[place]) + numbers.centre for place in places)
    return Spread(mean + numbers.centre, deviation, (low, lower, half, upper, high), infinite)


def wasserstein(numbers: Numbers, deviation: float) -> float:
    """Give the Wasserstein-1 distance of the finite values in standard deviations; NaN where there are none or no deviation."""
    middle = midpoints(numbers.keys)
    finite = np.isfinite(middle)
    sides = [side.counts[finite] for side in (numbers.reference, numbers.current)]
    if not 0 < deviation < math.inf or not all(side.sum() for side in sides):
        return math.nan
    apart = np.abs(np.subtract(*(np.cumsum(side) / side.sum() for side in sides)))
    return float(apart[:-1] @ np.diff(middle[finite])) / deviation


def kolmogorov(numbers: Numbers) -> float:
    """Give the largest difference between the two cumulated shares, at the buckets' edges; NaN where a side has no values."""
    sides = [side.counts for side in (numbers.reference, numbers.current)]
    if not all(side.sum() for side in sides):
        return math.nan
    return float(np.max(np.abs(np.subtract(*(np.cumsum(side) / side.sum() for side in sides)))))


def binned(numbers: Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give both sides' counts in ten bins at the reference's quantiles; where there are few values, by value."""
    reference, current = numbers.reference.counts, numbers.current.counts
    if np.count_nonzero(reference + current) <= DISTINCT:
        return reference, current
    reached = np.cumsum(reference) / max(reference.sum(), 1)
    place = np.searchsorted(np.arange(1, BINS) / BINS, reached, side="left")
    place = np.minimum(place, BINS - 1)
    return tuple(np.bincount(place, weights=side, minlength=BINS).astype(np.int64) for side in (reference, current))  # type: ignore[return-value]  # two
