"""One window's functionals → is this batch broken by itself, whatever the windows around it say.

Each functional's distance from the reference's median is held against a limit that all J together should pass once in
T windows: the tail above a functional's own 90 % quantile is generalised Pareto, its scale the functional's own mean
excess (never less than its noise's), its shape common to a family of functionals, by moments over the pooled excesses
of the reference windows, between 0 and 0.5 (Hosking and Wallis, "Parameter and quantile estimation for the
generalized Pareto distribution", 1987); never below the reference's own largest distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUTER = 0.9  # the tail begins at this quantile
NORMAL_BASE, NORMAL_EXCESS = 1.645, 0.42  # where it begins for a normal functional, and its mean excess, in sd
HEAVIEST = 0.5  # shape of the tail: a heavier one has no variance to be fitted by
MARGIN = 1.25  # a tenth of sixty windows tells a mean excess to two fifths of itself
FEWEST_BEYOND = 3  # excesses of a functional that are pooled


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What the reference windows say of each functional (J): centre, scale, and the limit of its distance in scales."""

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    limit: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spike:
    """What a window says: its largest distance in units of its limit, and which functional has it; 0 where none is told."""

    strength: float
    functional: int

    @property
    def violated(self) -> bool:
        """Say whether the batch is broken."""
        return self.strength > 1


def learn(
    reference: NDArray[np.float64],
    floor: NDArray[np.float64],
    families: NDArray[np.int64],
    *,
    bounded: frozenset[int] = frozenset(),
    windows_per_false_alert: float = 365.0,
) -> Learnt:
    """Learn from reference windows (n0, J), NaN untold; `floor` (J) is the standard deviation that rows alone would give.

    `families` (J) numbers functionals whose tails are alike; those of a `bounded` one end: shape 0, no margin. What
    no reference window tells has no limit. Once in `windows_per_false_alert` windows any of the J passes its own.
    """
    functionals = reference.shape[1]
    n = (~np.isnan(reference)).sum(axis=0)
    known = np.where(n > 0, reference, 0.0)
    centre = np.nanmedian(known, axis=0)
    away = np.abs(known - centre) * np.sqrt(n / np.maximum(n - 1, 1))  # one learnt from lies nearer than a new one
    scale = np.maximum(1.4826 * np.nanmedian(away, axis=0), np.maximum(floor, 1e-12))
    base = np.nanquantile(away, OUTER, axis=0)
    over = np.where(away > base, away - base, np.nan)
    count = (~np.isnan(over)).sum(axis=0)
    mean = np.nansum(over, axis=0) / np.maximum(count, 1)
    alive = (mean > 0.1 * scale) & (count >= FEWEST_BEYOND)  # a constant's excess says nothing about a tail
    far, margin = np.empty(functionals), np.empty(functionals)
    for family in np.unique(families):
        chosen = families == family
        pooled = alive & chosen
        margin[chosen] = 1.0 if int(family) in bounded else MARGIN
        shape = 0.0 if int(family) in bounded else shape_of(over[:, pooled] / mean[pooled], count[pooled])
        far[chosen] = _excesses(shape, 1 / (functionals * windows_per_false_alert * (1 - OUTER)))
    limit = np.maximum(base, NORMAL_BASE * scale) + far * np.maximum(mean, NORMAL_EXCESS * scale)
    limit = np.maximum(margin * limit, np.nanmax(away, axis=0)) / scale
    return Learnt(centre, scale, np.where(n > 0, limit, np.inf))


def shape_of(over: NDArray[np.float64], count: NDArray[np.int64]) -> float:
    """Fit the common shape of excesses (n0, J), each functional's in units of its mean, NaN below its base; `count` (J).

    By moments: the square of the coefficient of variation is 1/(1 − 2 shape). A mean of k is itself off by 1/k.

    >>> shape_of(np.array([[1.0], [1.0], [1.0]]), np.array([3]))
    0.0
    """
    if not over.size:
        return 0.0
    second = np.nanmean(over**2, axis=0) * (count + 1) / count
    spread = float(np.average(second, weights=count)) - 1
    return min(max(0.5 * (1 - 1 / spread), 0.0), HEAVIEST) if spread > 0 else 0.0


def _excesses(shape: float, chance: float) -> float:
    """Give how many mean excesses beyond its base a tail has with a chance, given that it is beyond."""
    within = min(chance, 1.0)
    return float(-np.log(within)) if shape < 1e-6 else (1 - shape) / shape * (within**-shape - 1)  # noqa: PLR2004 - the limit of a shape of 0


def strengths(learnt: Learnt, windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each functional's distance in units of its limit, of one window (J) or several (W, J); an untold one is 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = np.abs(windows - learnt.centre) / learnt.scale / learnt.limit
    return np.nan_to_num(found, nan=0.0)


def judge(learnt: Learnt, window: NDArray[np.float64]) -> Spike:
    """Hold one window's functionals (J) against their limits; what it does not tell is passed over."""
    found = strengths(learnt, window)
    if not len(found):
        return Spike(0.0, 0)
    place = int(np.argmax(found))
    return Spike(float(found[place]), place)
