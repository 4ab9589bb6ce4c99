"""One broken batch in a real stream → share seen in that very window, and false alarms a year, beside the prototype.

Twelve windows a fault and draw, each broken by itself in one column: a third of the values missing, a unit changed,
half of the values stuck, a fifth of the rows in a category never seen, one standard deviation added, two in a
hundred a hundred times too large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.alarms_prototype import BUDGET, Functionals, definitions, there
from bench.alarms_streams import REFERENCE, draw, histories, stream
from bench.record import Row
from watchglass.monitor import spike
from watchglass.monitor.batches import BOUNDED, batch_table, families

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from bench.alarms_streams import Draw, Stream

    Judge = Callable[[Draw], NDArray[np.bool_]]

FAULTS = ("null 30 %", "unit × 10", "stuck 50 %", "new category 20 %", "shift 1 sd", "typo × 100 in 2 %")
BROKEN = 12
FALSE_BAR = 0.6
SHARE_BARS: Mapping[str, float] = {"stuck 50 %": 0.5, "new category 20 %": 0.5}


class Batches(NamedTuple):
    """One draw: false alarms a year and the share seen of each fault, ours and the prototype's."""

    stream: str
    false: tuple[float, float]
    seen: Mapping[str, tuple[float, float]]


def broken(of: Draw, source: Stream, fault: str, chance: np.random.Generator) -> tuple[Draw, NDArray[np.int64]]:
    """Break some windows; gives which."""
    windows = chance.choice(np.arange(REFERENCE, of.windows), BROKEN, replace=False)
    for window in windows:
        rows = np.flatnonzero(of.window == window)
        luck = chance.random(len(rows))
        if fault == "new category 20 %":
            column = str(chance.choice(list(of.categories)))
            text = of.categories[column].copy()
            text[rows[luck < 0.2]] = "never seen"
            of = of.with_category(column, text)
            continue
        column = str(chance.choice(list(of.numbers)))
        values = of.numbers[column].copy()
        _break(values, rows, luck, fault, source.numbers[column])
        of = of.with_number(column, values)
    return of, windows


def _break(
    values: NDArray[np.float64],
    rows: NDArray[np.int64],
    luck: NDArray[np.float64],
    fault: str,
    everything: NDArray[np.float64],
) -> None:
    if fault == "null 30 %":
        values[rows[luck < 0.3]] = np.nan
    elif fault == "unit × 10":
        values[rows] *= 10
    elif fault == "stuck 50 %":
        values[rows[luck < 0.5]] = np.nanmedian(everything)
    elif fault == "shift 1 sd":
        values[rows] += np.nanstd(everything)
    else:
        few = rows[luck < 0.02]
        values[few] = values[few] * 100 + 1


def run(name: str, seed: int) -> Batches:
    """Break one draw in every way and let both channels look."""
    source = stream(name)
    of, chance = draw(source, 20_000 + seed), np.random.default_rng(seed)
    judges = (_ours(of), _prototype(of) if there() else None)
    year = BUDGET / (of.windows - REFERENCE)
    false = tuple(float(judge(of)[REFERENCE:].sum()) * year if judge else float("nan") for judge in judges)
    seen = {}
    for fault in FAULTS:
        bad, windows = broken(of, source, fault, chance)
        shares = [float(judge(bad)[windows].mean()) if judge else float("nan") for judge in judges]
        seen[fault] = (shares[0], shares[1])
    return Batches(name, (false[0], false[1]), seen)


def _ours(of: Draw) -> Judge:
    reference = np.arange(REFERENCE)
    made = batch_table(histories(of), reference)
    learnt = spike.learn(made.z[reference], made.floor, families(made), bounded=BOUNDED, windows_per_false_alert=BUDGET)

    def judge(bad: Draw) -> NDArray[np.bool_]:
        z = batch_table(histories(bad), reference).z
        return np.asarray(spike.strengths(learnt, z).max(axis=1) > 1)

    return judge


def _prototype(of: Draw) -> Judge:
    functionals = Functionals(of)
    told = functionals.told(of)
    middle, scale, limit = definitions("p9_spike").pooled_thr(told.z[:REFERENCE], told.floor[0], BUDGET)

    def judge(bad: Draw) -> NDArray[np.bool_]:
        return np.asarray((np.abs(functionals.told(bad).z - middle) / scale).max(axis=1) > limit)

    return judge


def rows(found: Sequence[Batches]) -> list[Row]:
    """Hold our figures against the bars and the prototype's."""
    names = sorted({item.stream for item in found})

    def mean(values: Callable[[Batches], float]) -> dict[str, float]:
        return {name: float(np.mean([values(item) for item in found if item.stream == name])) for name in names}

    def told(each: Mapping[str, float]) -> str:
        return ", ".join(f"{name} {value:.2f}" for name, value in each.items())

    each, other = mean(lambda item: item.false[0]), mean(lambda item: item.false[1])
    average = float(np.mean(list(each.values())))
    made = [
        Row(
            what="one bad batch: false alarms",
            unit="a year",
            measured=average,
            bar=f"≤ {FALSE_BAR}",
            limit=float(np.mean(list(other.values()))) if there() else None,
            against="the prototype on the same draws",
            ok=average <= FALSE_BAR,
            detail=f"{len(found)} draws; {told(each)}",
        )
    ]
    for fault in FAULTS:
        ours = mean(lambda item, fault=fault: item.seen[fault][0])  # type: ignore[misc]
        theirs = mean(lambda item, fault=fault: item.seen[fault][1])  # type: ignore[misc]
        share, limit = float(np.mean(list(ours.values()))), float(np.mean(list(theirs.values())))
        least = SHARE_BARS.get(fault, 0.0)
        made.append(
            Row(
                what=f"one bad batch seen in its window: {fault}",
                unit="share",
                measured=share,
                bar="≥ the prototype" + (f", ≥ {least}" if least else ""),
                limit=limit if there() else None,
                against="the prototype on the same draws",
                ok=share >= least and (share >= limit or not there()),
                detail=told(ours),
            )
        )
    return made
