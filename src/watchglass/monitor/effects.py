"""A column before and since a step → how far it moved, in words a person can read: standard deviations or shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from watchglass.monitor.budget import smallest
from watchglass.monitor.functionals import mean_and_deviation, novel
from watchglass.profile.grid import midpoints
from watchglass.profile.histories import CategoryHistory, NumberHistory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watchglass.monitor.functionals import Aspect, Table
    from watchglass.profile.histories import ColumnHistory


@dataclass(frozen=True, slots=True)
class Moved:
    """A column's evidence (in units of the alarm level) and effect; `smallest` is the least step the monitor could have seen."""

    name: str
    evidence: float
    aspect: Aspect
    value: str | None
    effect: float
    unit: Literal["sd", "share"]
    before: float
    after: float
    smallest: float


def moments(column: NumberHistory, windows: NDArray[np.int64]) -> tuple[float, float]:
    """Give mean and standard deviation of a column over windows, from its counts; NaN when there are none."""
    middle = midpoints(column.keys)
    finite = np.isfinite(middle)
    mean, deviation = mean_and_deviation(middle[finite], column.counts[windows][:, finite].sum(axis=0))
    return mean + column.centre, deviation


def moved(
    column: ColumnHistory,
    made: Table,
    index: int,
    windows: tuple[NDArray[np.int64], NDArray[np.int64]],
    odds: tuple[float, float],
) -> Moved:
    """Describe one column by one of its functionals; `windows` are the reference and those since the step."""
    functional = made.functionals[index]
    reference, since = windows
    log_odds, log_alarm = odds
    known = made.z[reference, index]
    known = known[~np.isnan(known)]
    spread = max(float(np.std(known, ddof=1)) if len(known) > 1 else 0.0, float(made.floor[index]))
    seen = float(
        smallest(
            np.array([spread]),
            made.weight[index : index + 1],
            math.exp(log_alarm),
            reference=max(len(reference), 1),
            since=max(len(since), 1),
        )[0]
    )
    evidence = math.exp(min(log_odds, 700.0))
    if functional.aspect in ("location", "spread", "mean") and isinstance(column, NumberHistory):
        before, deviation = moments(column, reference)
        after, deviation_after = moments(column, since)
        if functional.aspect == "spread":
            before, after = deviation, deviation_after
        unit = deviation if deviation > 0 else abs(column.scale)
        effect = after / unit - before / unit if unit else math.nan
        return Moved(column.name, evidence, functional.aspect, None, effect, "sd", before, after, seen)
    before, after = (_share(column, functional.aspect, functional.value, reference, chosen) for chosen in windows)
    return Moved(
        column.name, evidence, functional.aspect, functional.value, after - before, "share", before, after, seen / 2
    )


def _share(
    column: ColumnHistory, aspect: Aspect, value: str | None, reference: NDArray[np.int64], windows: NDArray[np.int64]
) -> float:
    body = int(column.counts[windows].sum())
    everything = body + int(column.missing[windows].sum())
    if not everything:
        return math.nan
    if aspect == "missing":
        return int(column.missing[windows].sum()) / everything
    if isinstance(column, NumberHistory):
        return float(novel(column, reference)[windows].sum()) / max(body, 1)
    if aspect == "share" and value is not None:
        return int(column.counts[windows, column.values.index(value)].sum()) / everything
    return _others(column, reference, windows) / everything


def _others(column: CategoryHistory, reference: NDArray[np.int64], windows: NDArray[np.int64]) -> int:
    pooled = column.counts[reference].sum(axis=0)
    rare = pooled <= 0.01 * max(pooled.sum(), 1)
    return int(column.counts[windows][:, rare].sum())
