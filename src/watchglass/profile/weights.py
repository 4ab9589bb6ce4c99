"""Counts of weighted rows → as many rows of weight 1 as tell as much, so that intervals stay honest when rows were sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64] | NDArray[np.float64]


class Squares(NamedTuple):
    """Sums of weight × (weight − 1) over labelled and over correct rows: what sums of squares exceed plain sums by."""

    labelled: NDArray[np.int64]
    correct: NDArray[np.int64]


def effective_rows(labelled: Numbers, correct: Numbers, squares: Squares) -> NDArray[np.float64]:
    """Give, for each pair of sums of weights, the number of rows whose share is as uncertain.

    The variance of the ratio Σw·correct / Σw is Σ w² (correct − share)² / (Σw)² (linearised; Särndal, Swensson and
    Wretman, Model Assisted Survey Sampling, 1992, 5.7), with half a mean row added to each side, so that a side
    without rows says no more than Kish's (Σw)² / Σw² would.

    >>> effective_rows(np.array([40]), np.array([30]), Squares(np.array([360]), np.array([270]))).round(1).tolist()
    [4.0]
    """
    total = np.maximum(np.asarray(labelled, dtype=np.float64), 1e-300)
    mean = (total + squares.labelled) / total
    right = np.asarray(correct, dtype=np.float64)
    whole, share = total + mean, (right + mean / 2) / (total + mean)
    power_right = right + squares.correct
    power_wrong = total + squares.labelled - power_right
    variance = (1 - share) ** 2 * (power_right + mean**2 / 2) + share**2 * (power_wrong + mean**2 / 2)
    found = share * (1 - share) * whole * total / variance
    return np.where(np.asarray(labelled) > 0, found, 0.0)


def by_window(labelled: Numbers, correct: Numbers, squares: Squares | None) -> tuple[Numbers, Numbers]:
    """Scale each pair of sums of weights to its effective rows; the shares stay."""
    if squares is None:
        return labelled, correct
    scale = effective_rows(labelled, correct, squares) / np.maximum(labelled, 1)
    return np.asarray(labelled * scale, dtype=np.float64), np.asarray(correct * scale, dtype=np.float64)


def pooled(labelled: Numbers, correct: Numbers, squares: Squares | None) -> tuple[Numbers, Numbers]:
    """Scale windows (W,) by one factor, so that their sum is the effective rows of all; the pooled share stays.

    >>> one = np.array([10, 10])
    >>> [side.round(2).tolist() for side in pooled(one, one // 2, Squares(9 * one, 9 * one // 2))]
    [[1.0, 1.0], [0.5, 0.5]]
    """
    if squares is None or not labelled.sum():
        return labelled, correct
    sums = Squares(squares.labelled.sum(keepdims=True), squares.correct.sum(keepdims=True))
    total = labelled.sum(keepdims=True)
    scale = float(effective_rows(total, correct.sum(keepdims=True), sums)[0]) / float(total[0])
    return np.asarray(labelled * scale, dtype=np.float64), np.asarray(correct * scale, dtype=np.float64)
