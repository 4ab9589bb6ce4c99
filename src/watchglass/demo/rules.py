"""Numeric columns by day → the days on which each of three rules in common use would have rung.

Each holds every later day against the first days, column by column, and rings when any column crosses its limit:
the Kolmogorov–Smirnov test at p < .05, the population stability index above 0.2, the day's mean beyond three
standard deviations of the reference's daily means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import kolmogorov

from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

REFERENCE: Final = 30
P_LIMIT: Final = 0.05
PSI_LIMIT: Final = 0.2
DEVIATIONS: Final = 3.0
PSI_BINS: Final = 10
_TWO: Final = 2


@dataclass(frozen=True, slots=True)
class Rung:
    """A rule, on how many of the days after the reference it rang, and on which (numbers as in what came in)."""

    rule: str
    days: int
    of: int
    on: tuple[int, ...]


def rung(by_day: Sequence[Numbers], reference: int = REFERENCE) -> tuple[Rung, Rung, Rung]:
    """Hold each day's (rows, columns) against those of the first days; NaN and empty days are left out.

    Raises `BadInput` when there are fewer than two reference days with rows, or none after them.
    """
    before = [day for day in by_day[:reference] if len(day)]
    if len(before) < _TWO or len(by_day) <= reference:
        message = f"{len(by_day)} days are too few: {reference} of reference, at least two of them with rows, and one more would do"
        raise BadInput(message)
    columns = range(before[0].shape[1])
    daily = [[_present(day[:, column]) for day in before] for column in columns]
    rings: list[tuple[str, list[Callable[[Numbers], bool]]]] = [
        (f"KS p < {P_LIMIT:g}", [_ks_rule(days) for days in daily]),
        (f"PSI > {PSI_LIMIT:g}", [_psi_rule(days) for days in daily]),
        (f"mean ± {DEVIATIONS:g} sd", [_mean_rule(days) for days in daily]),
    ]
    found = []
    for name, rules in rings:
        on = tuple(
            number
            for number in range(reference, len(by_day))
            if len(by_day[number]) and any(_rings(rules[column], by_day[number][:, column]) for column in columns)
        )
        found.append(Rung(name, len(on), len(by_day) - reference, on))
    return found[0], found[1], found[2]


def _rings(rule: Callable[[Numbers], bool], values: Numbers) -> bool:
    seen = _present(values)
    return len(seen) > 0 and rule(seen)


def _present(values: Numbers) -> Numbers:
    return values[~np.isnan(values)]


def _ks_rule(days: list[Numbers]) -> Callable[[Numbers], bool]:
    pooled = np.sort(np.concatenate(days))
    return lambda values: ks(pooled, values)[1] < P_LIMIT


def _psi_rule(days: list[Numbers]) -> Callable[[Numbers], bool]:
    pooled = np.concatenate(days)
    return lambda values: psi(pooled, values) > PSI_LIMIT


def _mean_rule(days: list[Numbers]) -> Callable[[Numbers], bool]:
    means = np.array([day.mean() for day in days if len(day)])
    centre, limit = means.mean(), DEVIATIONS * means.std(ddof=1)
    return lambda values: bool(abs(values.mean() - centre) > limit)


def ks(reference: Numbers, current: Numbers) -> tuple[float, float]:
    """Measure the largest distance of the two distribution functions; gives it and its two-sided p-value.

    The p-value is Kolmogorov's limit at D √(nm / (n + m)).

    >>> ks(np.arange(8.0), np.arange(8.0) + 4)
    (0.5, 0.26999967167735456)
    """
    first, second = np.sort(reference), np.sort(current)
    places = np.concatenate([first, second])
    below_first = np.searchsorted(first, places, side="right") / len(first)
    below_second = np.searchsorted(second, places, side="right") / len(second)
    distance = float(np.abs(below_first - below_second).max())
    rows = len(first) * len(second) / (len(first) + len(second))
    return distance, float(kolmogorov(np.sqrt(rows) * distance))


def psi(reference: Numbers, current: Numbers) -> float:
    """Measure the population stability index over the reference's ten quantile bins; equal edges make fewer bins.

    A bin without rows counts as half a row.

    >>> round(psi(np.arange(100.0), np.arange(100.0) + 20), 2)
    0.79
    """
    edges = np.unique(np.quantile(reference, np.arange(1, PSI_BINS) / PSI_BINS))
    shares = []
    for values in (reference, current):
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        shares.append(np.maximum(counts, 0.5) / len(values))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
