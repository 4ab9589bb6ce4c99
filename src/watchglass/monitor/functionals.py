"""A column's history and its reference windows → linear functionals of each window's counts, ready to be compared.

A number gives location and spread (Legendre polynomials of the mid-rank in the reference, after Neyman), a clipped
standardised mean, and the shares of missing and of never-seen values; a category gives the share of each value.
Shares enter as arcsines, so that their noise does not depend on their size. Linear in the counts means additive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from watchglass.profile.grid import midpoints
from watchglass.profile.histories import CategoryHistory, NumberHistory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.profile.histories import ColumnHistory
    from watchglass.profile.weights import Numbers

Aspect = Literal["location", "spread", "mean", "missing", "new values", "share", "unseen", "stuck", "maximum"]
FEWEST_ROWS = 5
CLIP = 4.0  # standard deviations beyond which a value counts as this far
RARE = 0.01  # a category below this share in the reference is counted with the others
NOVEL_STEP = 1  # 32 buckets an octave: coarser than the counts, so that noise is not novelty


@dataclass(frozen=True, slots=True)
class Functional:
    """What one number a window says: of which column, which aspect, of which value."""

    column: int
    name: str
    aspect: Aspect
    value: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """`z` (W, J) one row a window, NaN where it does not tell a functional; `floor` (J) the noise of rows alone.

    `weight` (J) adds up to 1; `there` (W) says which windows have rows enough, `rows` (W) how many.
    """

    functionals: tuple[Functional, ...]
    z: NDArray[np.float64]
    floor: NDArray[np.float64]
    weight: NDArray[np.float64]
    there: NDArray[np.bool_]
    rows: NDArray[np.float64]


def arcsine(
    count: NDArray[np.int64] | NDArray[np.float64], of: NDArray[np.int64] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn a share into an angle whose variance is 1/rows whatever the share.

    >>> arcsine(np.array([5]), np.array([10])).round(3).tolist()
    [1.571]
    """
    return 2 * np.arcsin(np.sqrt((count + 0.5) / (of + 1.0)))


def moved_share(count: Numbers, of: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Give the angle of a share less the angle that a given share has in as many rows: 0 where they agree, however few.

    The angle alone lies the higher the fewer rows there are: one of none in 20 rows is that of one in 100.
    """
    return arcsine(np.asarray(count, dtype=np.float64), of) - arcsine(share * of, of)


def _usual(count: Numbers, of: NDArray[np.float64], reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Hold counts (W) against the share that the reference has in all."""
    whole = float(np.nansum(of[reference]))
    return moved_share(count, of, float(count[reference].sum()) / whole if whole else 0.0)


def table(columns: Sequence[ColumnHistory], reference: NDArray[np.int64]) -> Table:
    """Give every functional of every column for all windows, relative to the reference windows (indices)."""
    found: list[Functional] = []
    parts: list[NDArray[np.float64]] = []
    rows = np.max([column.counts.sum(axis=1) + column.missing for column in columns], axis=0)
    there = rows >= FEWEST_ROWS
    reference = reference[there[reference]]
    for index, column in enumerate(columns):
        made = _number(column, reference) if isinstance(column, NumberHistory) else _category(column, reference)
        found += [Functional(index, column.name, aspect, value) for aspect, value, _ in made]
        parts += [values for _, _, values in made]
    counts = np.bincount([functional.column for functional in found], minlength=len(columns))
    weight = np.array([1 / len(columns) / counts[functional.column] for functional in found])
    floor = np.full(len(found), 1 / np.sqrt(max(float(np.mean(rows[reference])) if len(reference) else 1.0, 1.0)))
    return Table(tuple(found), np.stack(parts, axis=1), floor, weight, there, np.asarray(rows, dtype=np.float64))


def _number(
    column: NumberHistory, reference: NDArray[np.int64]
) -> list[tuple[Aspect, str | None, NDArray[np.float64]]]:
    counts = column.counts.astype(np.float64)
    rows = _told(counts.sum(axis=1))
    pooled = counts[reference].sum(axis=0)
    share = pooled / max(pooled.sum(), 1)
    rank = np.cumsum(share) - share / 2
    location = np.sqrt(3) * (2 * rank - 1)
    spread = np.sqrt(5) * (6 * rank**2 - 6 * rank + 1)
    standard = np.clip(standardised(column, reference), -CLIP, CLIP)
    everything = _told(counts.sum(axis=1) + column.missing)
    return [
        ("location", None, counts @ location / rows),
        ("spread", None, counts @ spread / rows),
        ("mean", None, counts @ standard / rows),
        ("missing", None, _usual(column.missing, everything, reference)),
        ("new values", None, _usual(novel(column, reference), rows, reference)),
    ]


def _told(rows: Numbers) -> NDArray[np.float64]:
    """Give NaN where there are no rows: a mean or a share of none is not told."""
    counted = np.asarray(rows, dtype=np.float64)
    return np.asarray(np.where(counted > 0, counted, np.nan), dtype=np.float64)


def standardised(column: NumberHistory, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give each bucket's middle as distance from the reference's median in its robust standard deviations."""
    middle = midpoints(column.keys)
    finite = np.isfinite(middle)
    inner, pooled = middle[finite], column.counts[reference][:, finite].sum(axis=0)
    if not pooled.sum():
        return np.where(finite, 0.0, middle)
    cumulated = np.cumsum(pooled) / pooled.sum()
    low, centre, high = (inner[min(int(np.searchsorted(cumulated, at)), len(inner) - 1)] for at in (0.25, 0.5, 0.75))
    _, deviation = mean_and_deviation(inner, pooled)
    scale = max((high / 1.349 - low / 1.349), deviation / 4)
    if not np.isfinite(scale) or scale <= 0:
        scale = max(abs(column.scale), 1e-12)
    with np.errstate(over="ignore"):  # farther than a double can say is infinitely far
        return np.asarray(middle / scale - centre / scale, dtype=np.float64)


def mean_and_deviation(values: NDArray[np.float64], weights: Numbers) -> tuple[float, float]:
    """Give the weighted mean and standard deviation of finite values, however large; NaN where nothing weighs anything.

    >>> mean_and_deviation(np.array([-1e308, 1e308]), np.array([1, 1]))
    (0.0, 1e+308)
    """
    if not weights.sum():
        return float("nan"), float("nan")
    unit = float(np.abs(values).max()) or 1.0
    small = values / unit
    mean = float(np.average(small, weights=weights))
    return mean * unit, float(np.sqrt(np.average((small - mean) ** 2, weights=weights))) * unit


def novel(column: NumberHistory, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Count the rows of each window in buckets never seen in the reference.

    A reference window is held against the other reference windows: counted in sample, the share would be zero there
    and the first window after it would alarm.
    """
    _, begins = np.unique(
        column.keys >> NOVEL_STEP, return_index=True
    )  # keys are sorted: a coarser bucket is a stretch of them
    counts = np.add.reduceat(column.counts, begins, axis=1) if len(begins) else column.counts
    windows = (counts[reference] > 0).sum(axis=0)
    found = counts[:, windows == 0].sum(axis=1).astype(np.float64)
    found[reference] = counts[np.ix_(reference, windows == 1)].sum(axis=1)
    return np.asarray(found)


def _category(
    column: CategoryHistory, reference: NDArray[np.int64]
) -> list[tuple[Aspect, str | None, NDArray[np.float64]]]:
    rows = column.counts.sum(axis=1)
    everything = _told(rows + column.missing)
    pooled = column.counts[reference].sum(axis=0)
    common = np.flatnonzero(pooled > RARE * max(pooled.sum(), 1))
    shown = common[1:] if len(common) == 2 else common  # noqa: PLR2004 - of two complementary shares one says it all
    others = rows - column.counts[:, common].sum(axis=1)
    made: list[tuple[Aspect, str | None, NDArray[np.float64]]] = [
        ("share", column.values[index], _usual(column.counts[:, index], everything, reference)) for index in shown
    ]
    return [
        *made,
        ("new values", None, _usual(others, everything, reference)),
        ("missing", None, _usual(column.missing, everything, reference)),
    ]
