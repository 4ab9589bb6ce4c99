"""Coarse counts of a number → a histogram: edges in the column's own unit, shares that add up to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from watchglass.profile.grid import DROPPED_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def edge_values(edges: NDArray[np.int64], centre: float) -> NDArray[np.float64]:
    """Give the values at which coarse bins part, with one edge more at each end, as far out as the outer bins are wide.

    >>> edge_values(np.array([0, 4]), 10.0).round(3).tolist()
    [10.0, 10.0, 10.0, 10.0]
    """
    magnitude = np.where(edges < 0, -edges, edges)
    lower = (magnitude << DROPPED_BITS).view(np.float64)
    values = np.where(edges < 0, -lower, lower) + centre
    if not len(values):
        return np.array([centre - 1, centre + 1])
    width = max(float(values[-1] - values[0]) / max(len(values) - 1, 1), 0.0)
    return np.concatenate([[values[0] - width], values, [values[-1] + width]])


def shares(counts: NDArray[np.float64] | NDArray[np.int64]) -> tuple[float, ...]:
    """Turn counts into shares; all zero when there are no rows."""
    total = float(counts.sum())
    return tuple(float(count) / total if total else 0.0 for count in counts)
