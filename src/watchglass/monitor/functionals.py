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

Aspect = Literal["location", "spread", "mean", "missing", "new values", "share"]
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
    """`z` (W, J) one row a window; `floor` (J) the noise of rows alone; `weight` (J) adds up to 1; `there` (W) has rows."""

    functionals: tuple[Functional, ...]
    z: NDArray[np.float64]
    floor: NDArray[np.float64]
    weight: NDArray[np.float64]
    there: NDArray[np.bool_]


def arcsine(
    count: NDArray[np.int64] | NDArray[np.float64], of: NDArray[np.int64] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn a share into an angle whose variance is 1/rows whatever the share.

    >>> arcsine(np.array([5]), np.array([10])).round(3).tolist()
    [1.571]
    """
    return 2 * np.arcsin(np.sqrt((count + 0.5) / (of + 1.0)))


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
    return Table(tuple(found), np.stack(parts, axis=1), floor, weight, there)


def _number(
    column: NumberHistory, reference: NDArray[np.int64]
) -> list[tuple[Aspect, str | None, NDArray[np.float64]]]:
    counts = column.counts.astype(np.float64)
    rows = np.maximum(counts.sum(axis=1), 1)
    pooled = counts[reference].sum(axis=0)
    share = pooled / max(pooled.sum(), 1)
    rank = np.cumsum(share) - share / 2
    location = np.sqrt(3) * (2 * rank - 1)
    spread = np.sqrt(5) * (6 * rank**2 - 6 * rank + 1)
    standard = np.clip(standardised(column, reference), -CLIP, CLIP)
    body, everything = column.counts.sum(axis=1), column.counts.sum(axis=1) + column.missing
    return [
        ("location", None, counts @ location / rows),
        ("spread", None, counts @ spread / rows),
        ("mean", None, counts @ standard / rows),
        ("missing", None, arcsine(column.missing, everything)),
        ("new values", None, arcsine(novel(column, reference), body)),
    ]


def standardised(column: NumberHistory, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give each bucket's middle as distance from the reference's median in its robust standard deviations."""
    middle = midpoints(column.keys)
    pooled = column.counts[reference].sum(axis=0)
    if not pooled.sum():
        return np.zeros(len(middle))
    cumulated = np.cumsum(pooled) / pooled.sum()
    low, centre, high = (middle[min(int(np.searchsorted(cumulated, at)), len(middle) - 1)] for at in (0.25, 0.5, 0.75))
    finite = np.isfinite(middle)
    mean = np.average(middle[finite], weights=pooled[finite]) if pooled[finite].sum() else 0.0
    deviation = (
        np.sqrt(np.average((middle[finite] - mean) ** 2, weights=pooled[finite])) if pooled[finite].sum() else 0.0
    )
    scale = max((high - low) / 1.349, deviation / 4)
    if not np.isfinite(scale) or scale <= 0:
        scale = max(abs(column.scale), 1e-12)
    return np.asarray((middle - centre) / scale)


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
    everything = rows + column.missing
    pooled = column.counts[reference].sum(axis=0)
    common = np.flatnonzero(pooled > RARE * max(pooled.sum(), 1))
    shown = common[1:] if len(common) == 2 else common  # noqa: PLR2004 - of two complementary shares one says it all
    others = rows - column.counts[:, common].sum(axis=1)
    made: list[tuple[Aspect, str | None, NDArray[np.float64]]] = [
        ("share", column.values[index], arcsine(column.counts[:, index], everything)) for index in shown
    ]
    return [
        *made,
        ("new values", None, arcsine(others, everything)),
        ("missing", None, arcsine(column.missing, everything)),
    ]
