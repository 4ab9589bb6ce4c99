"""Histories → functionals of one window that a single broken batch moves: missing, never seen, stuck, far out.

Beside the location, spread, mean and shares that `functionals` gives, those that are rare in the reference: counts of
a share near zero are told as signed roots of the binomial deviance, whose noise is one whatever the share, so that
five rows of a value never seen in a thousand weigh what they should. A reference window is held against the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

from watchglass.monitor.functionals import Functional, Table, novel, standardised, table
from watchglass.profile.histories import CategoryHistory, NumberHistory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.monitor.functionals import Aspect
    from watchglass.profile.histories import ColumnHistory

KEPT: frozenset[Aspect] = frozenset({"location", "spread", "mean", "share"})
FARTHEST = 1e12  # standard deviations; an infinity counts as this far
NOISE: dict[Aspect, float] = {"missing": 1.2, "new values": 1.2, "unseen": 1.2, "stuck": 0.055, "maximum": 0.65}
"""The standard deviation that each functional has at least: more than 1 for deviances, whose rows come together.

The logarithm of the farthest value has a heavy tail of its own: a factor of 20 is what real streams have by themselves.
"""
STUCK_ROWS = 0.4  # of 1/√rows: the noise of the largest of many shares
FAMILIES: dict[Aspect, int] = {
    "location": 0,
    "spread": 0,
    "mean": 0,
    "share": 0,
    "missing": 1,
    "new values": 1,
    "unseen": 1,
    "stuck": 2,
    "maximum": 3,
}
"""Whose tails are alike."""
BOUNDED = frozenset({2})


def families(made: Table) -> NDArray[np.int64]:
    """Number the family of each functional, for `spike.learn`."""
    return np.array([FAMILIES[functional.aspect] for functional in made.functionals], dtype=np.int64)


def deviance(count: NDArray[np.float64], of: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the signed root of the binomial deviance of counts against shares strictly between 0 and 1.

    >>> deviance(np.array([5.0, 0.0]), np.array([24.0, 24.0]), np.array([0.0005, 0.0005])).round(2).tolist()
    [7.17, -0.15]
    """
    n = np.maximum(of, 1e-300)
    found = np.clip(count / n, 0.0, 1.0)
    far = xlogy(found, found / share) + xlogy(1 - found, (1 - found) / (1 - share))
    return np.asarray(np.sign(found - share) * np.sqrt(2 * of * np.maximum(far, 0.0)))


def rare(count: NDArray[np.float64], of: NDArray[np.float64], reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Hold each window's count (W) against the share that the reference has, a reference window against the others."""
    others, whole = np.full(len(count), count[reference].sum()), np.full(len(count), of[reference].sum())
    others[reference] -= count[reference]
    whole[reference] -= of[reference]
    return np.where(of > 0, deviance(count, of, (others + 0.5) / (whole + 1.0)), np.nan)


def unseen(column: CategoryHistory, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Count the rows of each window whose value no reference window has; of a reference window, no other one."""
    windows = (column.counts[reference] > 0).sum(axis=0)
    found = column.counts[:, windows == 0].sum(axis=1).astype(np.float64)
    found[reference] = column.counts[np.ix_(reference, windows == 1)].sum(axis=1)
    return np.asarray(found)


def stuck(column: ColumnHistory, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give by how much the share of one bucket or value exceeds the largest that it has in a reference window; NaN without rows.

    Of all buckets the largest excess; a reference window is held against the others.
    """
    counts = column.counts.astype(np.float64)
    rows = counts.sum(axis=1)
    found = np.where(rows > 0, 0.0, np.nan)
    if not counts.shape[1] or not len(reference):
        return found
    share = counts / np.maximum(rows, 1e-300)[:, None]
    known = np.sort(share[reference], axis=0)
    largest, second = known[-1], known[-2] if len(known) > 1 else np.zeros(share.shape[1])
    excess = share - largest
    own = share[reference]
    excess[reference] = own - np.where(own == largest, second, largest)
    return np.where(rows > 0, excess.max(axis=1), np.nan)


def maximum(column: NumberHistory, reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the logarithm of the farthest value's distance from the reference's median, in standard deviations, at least 0."""
    away = np.clip(np.abs(standardised(column, reference)), 1.0, FARTHEST)
    farthest = np.max(np.where(column.counts > 0, np.log(away), 0.0), axis=1, initial=0.0)
    return np.where(column.counts.sum(axis=1) > 0, farthest, np.nan)


def batch_table(columns: Sequence[ColumnHistory], reference: NDArray[np.int64]) -> Table:
    """Give every functional that a broken batch moves, for all windows, relative to the reference windows (indices)."""
    base = table(columns, reference)
    reference = reference[base.there[reference]]
    kept = [place for place, functional in enumerate(base.functionals) if functional.aspect in KEPT]
    found = [base.functionals[place] for place in kept]
    parts, floor = [base.z[:, kept]], [base.floor[kept]]
    for index, column in enumerate(columns):
        made = _rare(column, reference)
        found += [Functional(index, column.name, aspect) for aspect in made]
        parts += [values[:, None] for values in made.values()]
        least = {**NOISE, "stuck": max(NOISE["stuck"], STUCK_ROWS * float(base.floor[0]))}
        floor.append(np.array([least[aspect] for aspect in made]))
    weight = np.full(len(found), 1 / max(len(found), 1))
    return Table(tuple(found), np.hstack(parts), np.concatenate(floor), weight, base.there, base.rows)


def _rare(column: ColumnHistory, reference: NDArray[np.int64]) -> dict[Aspect, NDArray[np.float64]]:
    rows = column.counts.sum(axis=1).astype(np.float64)
    missing = column.missing.astype(np.float64)
    gone = rare(missing, rows + missing, reference)
    if isinstance(column, CategoryHistory):
        return {"missing": gone, "unseen": rare(unseen(column, reference), rows, reference)}
    return {
        "missing": gone,
        "new values": rare(novel(column, reference), rows, reference),
        "stuck": stuck(column, reference),
        "maximum": maximum(column, reference),
    }
