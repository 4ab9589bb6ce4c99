"""Counts by block of two tables → whether they differ by more than their blocks do: tests with the design effect taken out.

Rows of a day resemble each other, so that a thousand of them tell less than a thousand drawn one by one. How much less is
read off the blocks: the variance between blocks over the variance that independent rows would have is the design effect,
and a table is worth its rows divided by it. The statistic is the score statistic of some linear functionals of the counts
(Legendre polynomials of the mid-rank after Neyman, or one indicator a value, which gives Pearson's chi-squared), corrected
to second order after Rao and Scott (Annals of Statistics 12, 1984), with an F distribution for what few blocks leave open
(Thomas and Rao, JASA 82, 1987). Blocks may follow each other too closely to be independent: the correlation of a block with
the next one widens the variance by (1 + r) / (1 − r), as of a first-order autoregression, and blocks are also joined by two,
by four, … while eight are left; the largest design effect counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import chdtrc, fdtrc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.profile.sides import Numbers, Side

    Floats = NDArray[np.float64]

FEWEST_BLOCKS: Final = 8
LEAST: Final = 5.0
"""Values that both tables together would have in fewer effective rows than this are tested as one (Cochran)."""
MOST: Final = 50
LOUDEST: Final = 0.8
"""A larger correlation of neighbouring blocks is not believed: then joined blocks tell more."""


class Scored(NamedTuple):
    """A test's statistic over its degrees of freedom, its p-value, and how many rows count as one."""

    statistic: float
    freedom: float
    p: float
    deff: float


class Matter(NamedTuple):
    """What is tested: counts (C) of both sides, their blocks (W, C), and the functionals (C, K) of a row in each bin."""

    counts: tuple[Floats, Floats]
    blocks: tuple[Floats, Floats]
    scores: Floats
    coarse: Floats


def of_numbers(numbers: Numbers) -> Matter:
    """Take location, spread and skew: Neyman's first three polynomials of the mid-rank in both tables together."""
    sides = [side.counts.astype(np.float64) for side in (numbers.reference, numbers.current)]
    together = sides[0] + sides[1]
    share = together / max(together.sum(), 1.0)
    rank = np.cumsum(share) - share / 2
    x = 2 * rank - 1
    scores = np.stack(
        [math.sqrt(3) * x, math.sqrt(5) * (3 * x**2 - 1) / 2, math.sqrt(7) * (5 * x**3 - 3 * x) / 2], axis=1
    )
    bins = numbers.reference.blocks.shape[1]
    weight = np.bincount(numbers.bins, weights=together, minlength=bins)
    coarse = np.stack(
        [np.bincount(numbers.bins, weights=together * scores[:, k], minlength=bins) for k in range(3)], axis=1
    ) / np.maximum(weight, 1.0)[:, None]  # fmt: skip
    return Matter((sides[0], sides[1]), _blocks(numbers.reference, numbers.current), scores, coarse)


def of_values(reference: Side, current: Side) -> Matter:
    """Take an indicator a value; rare ones, and those beyond the fifty commonest, are one."""
    together = reference.counts + current.counts
    least = LEAST * together.sum() / max(min(reference.there, current.there), 1)
    order = np.argsort(-together, kind="stable")
    kept = [place for place in order[:MOST].tolist() if together[place] >= least]
    place = np.full(len(together), len(kept))
    place[kept] = np.arange(len(kept))
    scores = np.zeros((len(together), len(kept) + 1))
    scores[np.arange(len(together)), place] = 1.0
    sides = (reference.counts.astype(np.float64), current.counts.astype(np.float64))
    return Matter(sides, _blocks(reference, current), scores, scores)


def of_missing(reference: Side, current: Side) -> Matter:
    """Take the share of rows that have no value."""
    blocks = [
        np.stack([side.blocks.sum(axis=1), side.missing], axis=1).astype(np.float64) for side in (reference, current)
    ]
    scores = np.array([[0.0], [1.0]])
    return Matter((blocks[0].sum(axis=0), blocks[1].sum(axis=0)), (blocks[0], blocks[1]), scores, scores)


def _blocks(reference: Side, current: Side) -> tuple[Floats, Floats]:
    return reference.blocks.astype(np.float64), current.blocks.astype(np.float64)


def score_test(matter: Matter) -> Scored | None:
    """Test whether two tables' counts differ by more than sampling; None where there is nothing to test.

    Raises nothing: a side without rows, or counts that are all in one bin, give None.
    """
    n, m = (float(side.sum()) for side in matter.counts)
    if not n or not m:
        return None
    apart = matter.counts[1] @ matter.scores / m - matter.counts[0] @ matter.scores / n
    inverse, rank = _inverse(matter.counts[0] + matter.counts[1], matter.scores)
    if not rank:
        return None
    unit = 1 / n + 1 / m
    statistic = float(apart @ inverse @ apart) / unit
    deff, freedom, left = _design(matter, unit)
    freedom = min(freedom, float(rank))
    scaled = statistic / (rank * deff)
    p = fdtrc(freedom, left, scaled) if math.isfinite(left) else chdtrc(freedom, scaled * freedom)
    return Scored(scaled, freedom, float(p), deff)


def _inverse(together: Floats, scores: Floats) -> tuple[Floats, int]:
    """Invert the variance of one row's scores, as far as it has one; that of indicators is known without."""
    share = together / max(together.sum(), 1.0)
    mean = share @ scores
    if np.array_equal(scores.sum(axis=1), np.ones(len(scores))) and np.isin(scores, (0.0, 1.0)).all():
        there = mean > 0
        return np.diag(np.divide(1.0, mean, out=np.zeros_like(mean), where=there)), int(there.sum()) - 1
    variance = (scores * share[:, None]).T @ scores - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(variance)
    there = values > 1e-10 * max(float(values[-1]), 1e-300) if values[-1] > 0 else np.zeros(len(values), dtype=bool)
    kept = vectors[:, there]
    return (kept / values[there]) @ kept.T, int(there.sum())


def _design(matter: Matter, unit: float) -> tuple[float, float, float]:
    """Give the design effect, the degrees of freedom it leaves, and those it is itself known by.

    Blocks are taken as they are, with what they say of the next one, and joined by two, four, … while enough are left;
    the largest design effect counts. Where a table has fewer than two, rows count as independent.
    """
    inverse, rank = _inverse(matter.blocks[0].sum(axis=0) + matter.blocks[1].sum(axis=0), matter.coarse)
    found = (1.0, float(max(rank, 1)), math.inf)
    joined = 1
    while rank:
        residuals = [_residuals(_joined(blocks, joined), matter.coarse) for blocks in matter.blocks]
        counts = [len(each) for each in residuals]
        if min(counts) < (2 if joined == 1 else FEWEST_BLOCKS):
            break
        parts = [inverse @ _variance(each) / unit for each in residuals]
        both = parts[0] + parts[1]
        echo = _echo(residuals, inverse) if joined == 1 and min(counts) >= FEWEST_BLOCKS else 0.0
        trace = float(np.trace(both)) * (1 + echo) / (1 - echo)
        squares = float(np.sum(both * both.T))
        if joined == 1 or trace / rank > found[0]:
            freedom = float(np.trace(both)) ** 2 / squares if squares > 0 else float(rank)
            known = _welch([float(np.trace(part)) for part in parts], counts) * (1 - echo**2) / (1 + echo**2)
            found = (max(1.0, trace / rank), max(freedom, 1.0), max(freedom, 1.0) * known)
        joined *= 2
    return found


def _echo(residuals: Sequence[Floats], inverse: Floats) -> float:
    """Give the correlation of a block with the next one, of all functionals together, corrected for its bias (Kendall 1954)."""
    along = sum(float(np.sum((each[:-1] @ inverse) * each[1:])) for each in residuals)
    whole = sum(float(np.sum((each @ inverse) * each)) for each in residuals)
    if not whole > 0:
        return 0.0
    found = along / whole
    fewest = min(len(each) for each in residuals)
    return min(max(0.0, found + (1 + 3 * found) / fewest), LOUDEST)


def _welch(traces: Sequence[float], blocks: Sequence[int]) -> float:
    """Give the degrees of freedom of a sum of two variances, each known from so many blocks (Welch and Satterthwaite)."""
    below = sum(trace**2 / (count - 1) for trace, count in zip(traces, blocks, strict=True))
    return sum(traces) ** 2 / below if below > 0 else math.inf


def _joined(blocks: Floats, by: int) -> Floats:
    """Add neighbouring blocks that have rows; what is left over at the end stays with the last."""
    there: Floats = blocks[blocks.sum(axis=1) > 0]
    if by == 1 or len(there) < 2 * by:
        return there
    starts = np.arange(0, len(there) - by + 1, by)
    return np.asarray(np.add.reduceat(there, starts, axis=0), dtype=np.float64)


def _residuals(blocks: Floats, scores: Floats) -> Floats:
    """Give how far each block's summed scores lie from what its rows would give on average, as parts of all rows."""
    rows = blocks.sum(axis=1)
    sums = blocks @ scores
    return np.asarray((sums - rows[:, None] * (sums.sum(axis=0) / max(rows.sum(), 1.0))) / max(rows.sum(), 1.0))


def _variance(residuals: Floats) -> Floats:
    """Give the variance of a table's mean scores as its blocks tell it (linearised ratio)."""
    count = len(residuals)
    return np.asarray(count / (count - 1) * residuals.T @ residuals)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Give the adjusted p-values: taking those at most q keeps the expected share of false ones at q (Benjamini and Hochberg 1995).

    >>> [round(value, 3) for value in benjamini_hochberg([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.053, 0.053, 0.5]
    """
    order = sorted(range(len(p)), key=lambda place: p[place])
    found = [1.0] * len(p)
    least = 1.0
    for rank in range(len(p), 0, -1):
        place = order[rank - 1]
        least = min(least, p[place] * len(p) / rank)
        found[place] = least
    return found
