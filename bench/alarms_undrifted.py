"""Streams without drift → false episodes a year of the default and the exact detector, at a budget of one a year.

An episode ends with its alarm; the detector begins again eight windows later, against the same reference.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.alarms_streams import REFERENCE, draw, histories, stream
from bench.record import Row
from watchglass.monitor import conformal, ted
from watchglass.monitor.functionals import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

T = 365.0
REST = 8  # windows from an alarm to the next beginning


class Episodes(NamedTuple):
    """False episodes of one run, a year of windows, and whether it had any."""

    stream: str
    default: float
    exact: float


def run(name: str, seed: int) -> Episodes:
    """Run both detectors over one draw."""
    of = draw(stream(name), seed)
    made = table(histories(of), np.arange(REFERENCE))
    level = log(2 * T) - np.log(made.weight)
    learnt = ted.learn(made.z[:REFERENCE], made.floor)
    z = made.z[REFERENCE:]
    year = T / len(z)

    def default(begin: int) -> int | None:
        return next(
            (
                place
                for place in range(begin, len(z))
                if (ted.evidence(learnt, z[begin : place + 1]).log_sr >= level).any()
            ),
            None,
        )

    def exact(begin: int) -> int | None:
        running = conformal.begin(conformal.learn(made.z[:REFERENCE], seed=seed))
        for place in range(begin, len(z)):
            running = conformal.step(running, z[place])
            if (conformal.log_sr(running) >= level).any():
                return place
        return None

    return Episodes(name, _episodes(default, len(z)) * year, _episodes(exact, len(z)) * year)


def _episodes(first_alarm: Callable[[int], int | None], windows: int) -> int:
    count, begin = 0, 0
    while begin < windows and (alarm := first_alarm(begin)) is not None:
        count, begin = count + 1, alarm + REST
    return count


def rows(found: Sequence[Episodes]) -> list[Row]:
    """Say what was promised and what came."""
    made = []
    names = sorted({run.stream for run in found})
    for kind in ("default", "exact"):
        each = {name: _mean([getattr(run, kind) for run in found if run.stream == name]) for name in names}
        mean, worst = _mean(list(each.values())), max(each.values())
        told = ", ".join(f"{name} {value:.2f}" for name, value in each.items())
        quiet = _mean([float(getattr(run, kind) == 0) for run in found])
        if kind == "default":
            made.append(
                Row(
                    what="false episodes a year, default detector, mean of the streams",
                    unit="episodes a year",
                    measured=mean,
                    bar="≤ 0.2",
                    ok=mean <= 0.2,
                    detail=f"{len(found)} runs, {quiet:.0%} without any; {told}",
                )
            )
        made.append(
            Row(
                what=f"false episodes a year, {kind} detector, worst stream",
                unit="episodes a year",
                measured=worst,
                bar="≤ 1",
                ok=worst <= 1,
                detail="" if kind == "default" else f"mean {mean:.2f}, {quiet:.0%} of runs without any; {told}",
            )
        )
    return made


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
