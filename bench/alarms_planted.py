"""Shifts planted in real streams → share found, delay, first column and onset, beside the prototype on the same draws.

A shift begins 60 windows after the reference and lasts 30, in one column drawn at random, or as rows of one value of
a category that come more often. A detector is judged at its alarm level, with no regard to what it said before.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.alarms_prototype import BUDGET, Functionals, definitions, there
from bench.alarms_streams import REFERENCE, draw, histories, stream
from bench.record import Row
from watchglass.monitor import ted
from watchglass.monitor.functionals import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.alarms_streams import Draw

ONSET, LENGTH = 60, 30
KINDS: tuple[tuple[str, float], ...] = (
    ("mean", 0.1),
    ("mean", 0.25),
    ("mean", 0.5),
    ("scale", 0.3),
    ("missing", 0.05),
    ("stuck", 0.2),
    ("recode", 0.1),
    ("recode", 0.25),
    ("ramp", 0.5),
    ("mix", 0.1),
    ("mix", 0.2),
    ("mix", 0.4),
)


class Seen(NamedTuple):
    """What one detector made of one planted shift: windows until found (30: missed), right column, onset's error in windows."""

    delay: int
    right: bool
    error: int

    @property
    def found(self) -> bool:
        """Say whether it was found in time."""
        return self.delay < LENGTH


class Planted(NamedTuple):
    """One planted shift: our detector and the prototype's, where it is there."""

    stream: str
    kind: str
    ours: Seen
    prototype: Seen | None


def plant(of: Draw, kind: str, size: float, chance: np.random.Generator) -> tuple[Draw, str] | None:
    """Plant a shift; gives the column too, None where the stream has nothing to plant it in."""
    of = of.upto(REFERENCE + ONSET + LENGTH)
    since = of.window - REFERENCE - ONSET
    hit = since >= 0
    if kind == "mix":
        return _mixed(of, size, hit, chance)
    if kind == "recode":
        column = str(chance.choice(list(of.categories)))
        text = of.categories[column].copy()
        values, counts = np.unique(text[of.reference].astype(str), return_counts=True)
        text[hit & (chance.random(len(text)) < size)] = str(values[counts.argmax()])
        return of.with_category(column, text), column
    column = str(chance.choice(list(of.numbers)))
    values = of.numbers[column].copy()
    spread, middle = float(np.nanstd(values[of.reference])), float(np.nanmedian(values[of.reference]))
    if kind == "mean":
        values[hit] += size * spread
    elif kind == "ramp":
        values[hit] += size * spread * (since[hit] + 1) / LENGTH
    elif kind == "scale":
        values[hit] = middle + (values[hit] - middle) * (1 + size)
    else:
        values[hit & (chance.random(len(values)) < size)] = np.nan if kind == "missing" else middle
    return of.with_number(column, values), column


def _mixed(of: Draw, size: float, hit: NDArray[np.bool_], chance: np.random.Generator) -> tuple[Draw, str] | None:
    """Replace a share of the rows by reference rows that have one value of one category."""
    reference = np.flatnonzero(of.reference)
    pairs = [
        (column, str(value))
        for column, text in of.categories.items()
        for value, count in zip(*np.unique(text[reference].astype(str), return_counts=True), strict=True)
        if 0.08 < count / len(reference) < 0.45
    ]
    if not pairs:
        return None
    column, value = pairs[chance.integers(len(pairs))]
    pool = reference[of.categories[column][reference] == value]
    rows = np.arange(len(of.window))
    chosen = hit & (chance.random(len(rows)) < size)
    rows[chosen] = chance.choice(pool, int(chosen.sum()))
    for name, numbers in of.numbers.items():
        of = of.with_number(name, numbers[rows])
    for name, text in of.categories.items():
        of = of.with_category(name, text[rows])
    return of, column


def run(name: str, seed: int) -> Planted | None:
    """Plant the shift of one seed and let both detectors look."""
    kind, size = KINDS[seed % len(KINDS)]
    whole = draw(stream(name), 10_000 + seed)
    if whole.windows < REFERENCE + ONSET + LENGTH:
        return None
    planted = plant(whole, kind, size, np.random.default_rng(seed))
    if planted is None:
        return None
    of, column = planted
    return Planted(name, f"{kind} {size:g}", _ours(of, column), _prototype(of, column) if there() else None)


def _ours(of: Draw, column: str) -> Seen:
    made = table(histories(of), np.arange(REFERENCE))
    level = log(2 * BUDGET) - np.log(made.weight)
    learnt, z = ted.learn(made.z[:REFERENCE], made.floor), made.z[REFERENCE:]
    for delay in range(LENGTH):
        found = ted.evidence(learnt, z[: ONSET + delay + 1])
        odds = found.log_sr - level
        if (odds >= 0).any():
            best = int(odds.argmax())
            onset = int(found.starts[found.log_bf[:, best].argmax()])
            return Seen(delay, made.functionals[best].name == column, abs(onset - ONSET))
    return Seen(LENGTH, right=False, error=LENGTH)


def _prototype(of: Draw, column: str) -> Seen:
    told = Functionals(of).told(of)
    detector = definitions("ted2").TED(told.z[:REFERENCE], told.weights, ns=1.0, ar=True, floor=told.floor)
    detector.run(told.z[REFERENCE:])
    late = detector.mx[ONSET:] >= np.log(BUDGET)
    if not late.any():
        return Seen(LENGTH, right=False, error=LENGTH)
    delay = int(late.argmax())
    best = int((detector.per[ONSET + delay] + np.log(told.weights)).argmax())
    onset = int(detector.kst[ONSET + delay][best])
    return Seen(delay, told.names[best].split("|")[0] == column, abs(onset - ONSET))


def rows(found: Sequence[Planted]) -> list[Row]:
    """Hold our figures against the prototype's."""
    ours, other = [item.ours for item in found], [item.prototype for item in found if item.prototype is not None]
    kinds = sorted({item.kind for item in found})
    detail = f"{len(found)} shifts; " + ", ".join(
        f"{kind} {np.mean([item.ours.found for item in found if item.kind == kind]):.2f}"
        + (
            f"/{np.mean([item.prototype.found for item in found if item.kind == kind and item.prototype]):.2f}"
            if other
            else ""
        )
        for kind in kinds
    )
    made = []
    for what, unit, slack, more in (
        ("found within 30 windows", "share", 0.02, True),
        ("first column right, of those found", "share", 0.02, True),
        ("mean delay, missed = 30", "windows", 0.5, False),
        ("mean error of the onset, of those found", "windows", 0.5, False),
    ):
        measured, limit = _figure(what, ours), _figure(what, other) if other else None
        ok = None
        if limit is not None:
            ok = measured >= limit - slack if more else measured <= limit + slack
        made.append(
            Row(
                what=f"planted shifts: {what}",
                unit=unit,
                measured=measured,
                bar=f"{'≥' if more else '≤'} the prototype {'−' if more else '+'} {slack}",
                limit=limit,
                against="the prototype on the same draws",
                ok=ok,
                detail=detail if what.startswith("found") else "",
            )
        )
    return made


def _figure(what: str, seen: Sequence[Seen]) -> float:
    hits = [item for item in seen if item.found]
    if what.startswith("found"):
        return len(hits) / max(len(seen), 1)
    if what.startswith("mean delay"):
        return float(np.mean([item.delay for item in seen]))
    if not hits:
        return float("nan")
    return float(np.mean([item.right if what.startswith("first") else item.error for item in hits]))
