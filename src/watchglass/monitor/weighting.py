"""Values of sampled rows and the rows' weights → the mean of all rows, and how many there were, with intervals.

A row that was kept with a chance stands for itself and for those left out; its weight says for how many. In SQL:
`sum(weight)` counts, `sum(weight * x) / sum(weight) FILTER (x IS NOT NULL)` is a mean.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from watchglass.records import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.95


def weighted_mean(values: ArrayLike, weights: ArrayLike, level: float = LEVEL) -> Estimate:
    """Give the mean of all rows from those that were kept; NaN is no value.

    Hájek's ratio Σwy / Σw with its linearised variance Σ w² (y − mean)² / (Σw)² (Särndal, Swensson and Wretman, Model
    Assisted Survey Sampling, 1992, 5.7) and Student's quantile at Kish's effective number of rows less one.
    Raises `ValueError` when values and weights differ in number.

    >>> found = weighted_mean([1.0, 2.0, 3.0, 4.0], [1, 1, 10, 10])
    >>> round(found.value, 3), found.rows
    (3.318, 4)
    """
    y, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if y.shape != w.shape:
        message = f"{y.size} values and {w.size} weights: one weight a value would do"
        raise ValueError(message)
    y, w = y[~np.isnan(y)], w[~np.isnan(y)]
    if not len(y):
        return Estimate(math.nan, math.nan, math.nan, 0)
    total, squares = float(w.sum()), float((w**2).sum())
    mean = float(w @ y) / total
    freedom = total**2 / squares - 1
    if len(y) == 1 or freedom <= 0:
        return Estimate(mean, -math.inf, math.inf, len(y))
    variance = len(y) / (len(y) - 1) * float(((w * (y - mean)) ** 2).sum()) / total**2
    half = float(stdtrit(freedom, 0.5 + level / 2)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, len(y))


def weighted_count(weights: ArrayLike, level: float = LEVEL) -> Estimate:
    """Give how many rows there were, kept or not: Σw, with variance Σ w (w − 1); never fewer than were kept.

    That is the variance of rows kept each by a chance of its own. A reservoir keeps a fixed number of rows, and its
    count is surer than this.

    >>> weighted_count([10, 10, 1]).value
    21.0
    """
    w = np.asarray(weights, dtype=np.float64)
    total = float(w.sum())
    half = float(ndtri(0.5 + level / 2)) * math.sqrt(float((w * (w - 1)).sum()))
    return Estimate(total, max(float(len(w)), total - half), total + half, len(w))
