"""The first values of a column → its frame: the grid's centre, a scale and the coarse edges, frozen from then on."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watchglass.profile.grid import COARSE, keys_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NORMAL_IQR = 1.349


@dataclass(frozen=True, slots=True)
class Frame:
    """What is frozen of a numeric column: counts of two frames do not add, so it never changes."""

    centre: float
    scale: float
    edges: tuple[int, ...]


def frame_of(values: NDArray[np.float64]) -> Frame:
    """Choose a column's frame from its first values: median, robust spread, quantiles of the keys.

    Raises `ValueError` when no value is finite.

    >>> frame_of(np.arange(101.0)).centre
    50.0
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        message = "no finite value to choose a centre from"
        raise ValueError(message)
    with np.errstate(over="ignore", invalid="ignore"):  # what is farther than a double can say is left out below
        middle, low, high = (float(found) for found in (np.median(finite), *np.quantile(finite, [0.25, 0.75])))
        spreads = [(high - low) / _NORMAL_IQR, float(np.std(finite)) / 4]
    centre = middle if math.isfinite(middle) else float(np.sort(finite)[len(finite) // 2])
    spread = max((found for found in spreads if math.isfinite(found)), default=sys.float_info.max)
    keys, _ = keys_of(finite, centre)
    edges = np.unique(np.quantile(keys, np.linspace(0, 1, COARSE + 1)[1:-1], method="higher"))
    return Frame(centre, spread or max(abs(centre), 1.0), tuple(int(edge) for edge in edges))
