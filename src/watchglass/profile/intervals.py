"""Counts of right and of all → the interval of the share, at 95 % unless another level is asked for."""

from __future__ import annotations

import math
from statistics import NormalDist

LEVEL = 0.95


def wilson(correct: float, labelled: float, level: float = LEVEL) -> tuple[float, float]:
    """Give Wilson's interval of a share; effective numbers of weighted rows need not be whole.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = correct / labelled
    middle = (share + z**2 / (2 * labelled)) / (1 + z**2 / labelled)
    half = z / (1 + z**2 / labelled) * math.sqrt(share * (1 - share) / labelled + z**2 / (4 * labelled**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def same_side(one: int, other: int) -> float:
    """Give the chance that counts lie at least so far apart when each event falls on either side alike (two-sided, exact).

    Of pairs that differ this is McNemar's exact test (McNemar, Psychometrika 12, 1947, in its binomial form).

    >>> round(same_side(2, 10), 4), same_side(0, 0)
    (0.0386, 1.0)
    """
    total, least = one + other, min(one, other)
    if not total:
        return 1.0
    logs = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) - total * math.log(2)
        for k in range(least, -1, -1)
    ]
    tail = math.fsum(math.exp(each) for each in logs)
    return min(1.0, 2 * tail)
