"""Two tables' counts of a column → the shares of a few bins of both, to be drawn over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.profile.grid import midpoints
from watchglass.records import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.profile.sides import Numbers

BINS: Final = 24
MIDDLE: Final = (0.01, 0.99)
DISTINCT: Final = 24
VALUES: Final = 6
OTHERS: Final = "all others"


def of_numbers(name: str, numbers: Numbers) -> Histogram | None:
    """Part the middle 98 % of both tables into equal bins, the outermost holding what lies beyond; few values have a bin each."""
    middle = midpoints(numbers.keys) + numbers.centre
    finite = np.isfinite(middle)
    middle = np.rint(middle[finite]) if numbers.whole else middle[finite]
    sides = [side.counts[finite] for side in (numbers.reference, numbers.current)]
    if not len(middle) or not all(side.sum() for side in sides):
        return None
    with np.errstate(over="ignore"):
        edges = _edges(middle, sides, whole=numbers.whole)
    if not np.isfinite(edges).all():
        return None
    place = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, len(edges) - 2)
    one, other = (np.bincount(place, weights=side / side.sum(), minlength=len(edges) - 1).tolist() for side in sides)
    return Histogram(name, tuple(edges.tolist()), (), tuple(one), tuple(other))


def _edges(middle: NDArray[np.float64], sides: Sequence[NDArray[np.int64]], *, whole: bool) -> NDArray[np.float64]:
    apart = np.unique(middle)
    if len(apart) <= DISTINCT:
        return _between(apart)
    low, high = _ends(middle, sides)
    if whole:
        return _steps(low, high)
    return np.linspace(low / 2, high / 2, BINS + 1) * 2  # between the largest doubles lies more than one of them


def _ends(middle: NDArray[np.float64], sides: Sequence[NDArray[np.int64]]) -> tuple[float, float]:
    """Give where the bins begin and end, so that each table's middle 98 % lies inside."""
    ends = []
    for side in sides:
        reached = np.cumsum(side) / side.sum()
        ends.append([float(middle[min(int(np.searchsorted(reached, level)), len(middle) - 1)]) for level in MIDDLE])
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return low, high if high > low else low + 1.0


def _steps(low: float, high: float) -> NDArray[np.float64]:
    """Part whole numbers into bins of as many each, so that none is fuller for holding more of them.

    >>> _steps(0.2, 4.9).tolist()
    [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    """
    first, last = round(low), round(high)
    step = -(-(last - first + 1) // BINS)
    return np.arange(first, last + step + 1, step, dtype=np.float64) - 0.5


def _between(middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put an edge half way between neighbouring values."""
    if len(middle) == 1:
        return np.array([middle[0] - 0.5, middle[0] + 0.5])
    half = middle[:-1] / 2 + middle[1:] / 2
    first, last = half[0] - middle[0], middle[-1] - half[-1]
    return np.array([middle[0] - first, *half, middle[-1] + last])


def of_values(
    name: str,
    names: Sequence[str],
    shares: tuple[NDArray[np.float64], NDArray[np.float64]],
    order: Sequence[int],
) -> Histogram:
    """Take the values that moved most and those that are commonest, in the order of how common they are, and the rest as one."""
    before, after = shares
    common = np.argsort(-(before + after), kind="stable").tolist()
    chosen = list(dict.fromkeys([*order[: VALUES // 2], *common]))[:VALUES]
    chosen = [place for place in common if place in chosen and (before[place] or after[place])]
    told = [names[place] for place in chosen]
    one, other = ([float(side[place]) for place in chosen] for side in shares)
    if len(chosen) < np.count_nonzero(before + after):
        told.append(OTHERS)
        one.append(max(0.0, 1 - sum(one)))
        other.append(max(0.0, 1 - sum(other)))
    return Histogram(name, (), tuple(told), tuple(one), tuple(other))
