"""Vectors (embeddings, text as counts of tokens, images as pixels) → sums that merge, and from them how far a window moved.

Each row becomes at most 128 features: the leading standardised components and random Fourier features of all of them
(Rahimi and Recht, "Random features for large-scale kernel machines", 2007), whose mean embeds the distribution. The
sums of two halves of a window are the sum of the window. The whitening is learnt from one half of the reference's
windows and calibrated on the other: done on the same rows the false positives grow to many times what is promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = 128
WAVES = 32  # random frequencies; a sine and a cosine each
COMPONENTS = 8  # whitened ones that are functionals of their own
RIDGE = 0.1  # of the mean eigenvalue: directions that the reference hardly shows are not blown up
PAIRS = 512  # for the median distance


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What makes features of vectors (d): frozen, since sums of two frames do not add."""

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    basis: NDArray[np.float64]
    frequencies: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Give how many features a row has."""
        return int(self.basis.shape[1] + 2 * self.frequencies.shape[1])


def features_of(vectors: NDArray[np.float64], *, seed: int = 0) -> Features:
    """Choose the frame from the first vectors (n, d); rows that are not finite are left out.

    The band of the waves is the median distance between rows. Raises `ValueError` for fewer than two finite rows.
    """
    known = vectors[np.isfinite(vectors).all(axis=1)]
    if len(known) < 2:  # noqa: PLR2004 - one row has no spread
        message = f"{len(known)} finite rows of {len(vectors)} to choose features from; 2 would do"
        raise ValueError(message)
    centre, scale = known.mean(axis=0), known.std(axis=0)
    scale = np.where(scale > 1e-12 * np.maximum(np.abs(centre), 1.0), scale, np.inf)  # a constant says nothing
    standard = (known - centre) / scale
    _, _, turned = np.linalg.svd(standard, full_matrices=False)
    basis = turned[: FEATURES - 2 * WAVES].T
    chance = np.random.default_rng(seed)
    left, right = (standard[chance.integers(0, len(standard), PAIRS)] for _ in range(2))
    away = np.sqrt(((left - right) ** 2).sum(axis=1))
    band = float(np.median(away[away > 0])) if (away > 0).any() else 1.0
    return Features(centre, scale, basis, chance.normal(size=(vectors.shape[1], WAVES)) / band)


def sums(features: Features, vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Sum the features of vectors (n, d): (sums (≤ 128), rows); rows that are not finite are left out and not counted."""
    known = vectors[np.isfinite(vectors).all(axis=1)]
    standard = (known - features.centre) / features.scale
    waves = standard @ features.frequencies
    made = np.hstack([np.clip(standard @ features.basis, -1e6, 1e6), np.sin(waves), np.cos(waves)])
    return np.asarray(made.sum(axis=0)), len(known)


@dataclass(frozen=True, slots=True, eq=False)
class Whitened:
    """What a reference says of mean features: their middle, and what turns a difference into one of unit variance."""

    middle: NDArray[np.float64]
    turn: NDArray[np.float64]
    null: NDArray[np.float64]


def learn(total: NDArray[np.float64], rows: NDArray[np.int64]) -> Whitened:
    """Learn from the reference windows' sums (W, F) and rows (W): every other window whitens, the rest calibrate.

    The unit is the window: variances are those between windows. Raises `ValueError` for fewer than four windows with
    rows.
    """
    told = np.flatnonzero(rows > 0)
    if len(told) < 4:  # noqa: PLR2004 - two halves of two
        message = f"{len(told)} reference windows with rows; 4 would do"
        raise ValueError(message)
    means = total[told] / rows[told][:, None]
    half, other = means[::2], means[1::2]
    middle = half.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(half.T) if half.shape[1] > 1 else np.atleast_2d(half.var(ddof=1)))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    turn = vectors / np.sqrt(values + RIDGE * max(float(values.mean()), 1e-300))
    null = np.sort((((other - middle) @ turn) ** 2).sum(axis=1))
    return Whitened(middle, turn, null)


def distance(learnt: Whitened, total: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give T (W), the squared length of the whitened difference of each window's mean features; NaN without rows."""
    return np.asarray((_turned(learnt, total, rows) ** 2).sum(axis=1))


def p_value(learnt: Whitened, T: float) -> float:
    """Give the share of calibration windows, and the window itself, that lie as far away."""
    return float((1 + (learnt.null >= T).sum()) / (1 + len(learnt.null)))


def functionals(learnt: Whitened, total: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give log T and the leading whitened components of each window, (W, 1 + 8 or fewer): what `ted` and `spike` judge.

    NaN where a window has no rows.
    """
    turned = _turned(learnt, total, rows)
    length = np.log(np.maximum((turned**2).sum(axis=1), 1e-12))
    return np.column_stack([length, turned[:, :COMPONENTS]])


def _turned(learnt: Whitened, total: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    told = rows > 0
    found = np.full((len(rows), learnt.turn.shape[1]), np.nan)
    found[told] = (total[told] / rows[told][:, None] - learnt.middle) @ learnt.turn
    return found
