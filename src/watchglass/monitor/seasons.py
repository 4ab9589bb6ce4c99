"""Days of windows, holidays and volumes → covariates of the regression, so that what a calendar explains is no step.

They enter the same regression as the step (`ted`), so their uncertainty is accounted for: a season that a short
reference has not shown is not held for a change, and takes from what can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

YEAR = 365.25  # days
FEWEST_EACH = 3  # reference windows for each covariate


@dataclass(frozen=True, slots=True)
class Seasons:
    """What is allowed for: days of the week, the dates of holidays, the logarithm of the rows, waves of a year."""

    weekdays: bool = False
    holidays: frozenset[date] = frozenset()
    volume: bool = False
    harmonics: int = 0


def covariates(seasons: Seasons, days: Sequence[date], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the covariates (W, p) of windows that begin on these days (W) with so many rows (W); a constant comes first.

    Then follow six days of the week against Monday, holidays, the logarithm of the rows, and sines and cosines.

    >>> from datetime import date
    >>> covariates(Seasons(holidays=frozenset({date(2026, 1, 1)})), [date(2026, 1, 1), date(2026, 1, 2)], np.ones(2)).tolist()
    [[1.0, 1.0], [1.0, 0.0]]
    """
    parts = [np.ones(len(days))]
    if seasons.weekdays:
        weekday = np.array([day.weekday() for day in days], dtype=np.int64)
        parts += [(weekday == each).astype(np.float64) for each in range(1, 7)]
    if seasons.holidays:
        parts.append(np.array([float(date(day.year, day.month, day.day) in seasons.holidays) for day in days]))
    if seasons.volume:
        parts.append(np.log1p(np.maximum(rows, 0.0)))
    angle = 2 * np.pi / YEAR * np.array([day.toordinal() for day in days], dtype=np.float64)
    for wave in range(1, seasons.harmonics + 1):
        parts += [np.sin(wave * angle), np.cos(wave * angle)]
    return np.stack(parts, axis=1)


def affordable(found: NDArray[np.float64], reference: int) -> NDArray[np.float64]:
    """Keep the first covariates that a reference of so many windows can tell: three windows each, the constant always.

    >>> affordable(np.ones((40, 9)), 24).shape
    (40, 8)
    """
    return found[:, : max(1, reference // FEWEST_EACH)]
