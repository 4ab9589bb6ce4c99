"""Two tables' counts → column by column how far apart they are, whether sampling alone would do that, and what could have been seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from scipy.special import ndtri

from watchglass.monitor.designed import benjamini_hochberg, of_missing, of_numbers, of_values, score_test
from watchglass.monitor.distances import binned, jensen_shannon, kolmogorov, psi, spread, wasserstein
from watchglass.monitor.overlaid import of_numbers as number_bars
from watchglass.monitor.overlaid import of_values as value_bars
from watchglass.profile.sides import Kind  # noqa: TC001 - OpenAPI is made from the records' types
from watchglass.records import Histogram  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.monitor.designed import Scored
    from watchglass.monitor.distances import Spread
    from watchglass.profile.sides import Numbers, Odd, Pair, Side, Values

Found: TypeAlias = Literal["moved", "steady", "unknown", "gone", "new", "retyped"]
FALSE: Final = 0.05
"""The share of columns said to have moved that may be wrong."""
FEWEST: Final = 20
POWER: Final = 0.8
SHOWN: Final = 5
_NAN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Moved:
    """A value's share of the rows that have one, before and after."""

    value: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Part:
    """One side of a column: rows, the share of them without a value, and of numbers (of texts: their lengths) the spread.

    Times are seconds since 1970. `effective` is how many independent rows tell as much as those that have a value.
    """

    rows: int
    missing: float
    effective: float = _NAN
    mean: float = _NAN
    deviation: float = _NAN
    quantiles: tuple[float, float, float, float, float] = (_NAN,) * 5
    infinite: int = 0


@dataclass(frozen=True, slots=True)
class ColumnComparison:
    """A column of two tables. `found` is what is said of it, `sentence` the same in words, the effect first.

    `wasserstein` is in the reference's standard deviations; `psi` and `js` (nats) are less what sampling gives, `raw_psi`
    and `raw_js` are not. `unseen` is the share of current rows whose value the reference never has. `p` is adjusted for
    all columns; `own_p` is not, and is made of `values_p` and `missing_p`. `design_effect` says how many rows count as one. `smallest` is the least shift, in
    standard deviations or as a share, that would have been found with a chance of 80 %. `effect` orders columns: a
    Jensen–Shannon distance, of the values or of missing against there, whichever is larger.
    """

    name: str
    kind: Kind | None
    found: Found
    sentence: str
    effect: float = 0.0
    reference: Part | None = None
    current: Part | None = None
    wasserstein: float = _NAN
    ks: float = _NAN
    psi: float = _NAN
    raw_psi: float = _NAN
    js: float = _NAN
    raw_js: float = _NAN
    unseen: float = _NAN
    moved: tuple[Moved, ...] = ()
    p: float = _NAN
    own_p: float = _NAN
    values_p: float = _NAN
    missing_p: float = _NAN
    design_effect: float = _NAN
    smallest: float = _NAN
    unit: Literal["sd", "share"] | None = None
    histogram: Histogram | None = None


def compare_columns(pairs: Sequence[Pair], odd: Sequence[Odd], *, false: float = FALSE) -> tuple[ColumnComparison, ...]:
    """Compare every column, those that moved first, the largest effect first; `found` keeps to `false` among all columns.

    Sentences are empty but for columns that cannot be compared, where they are the reason.
    """
    compared = [_compared(pair, max(len(pairs), 1), false) for pair in pairs]
    there = [place for place, column in enumerate(compared) if not math.isnan(column.own_p)]
    adjusted = benjamini_hochberg([compared[place].own_p for place in there])
    for place, p in zip(there, adjusted, strict=True):
        compared[place] = replace(compared[place], p=p, found="moved" if p <= false else "steady")
    strange = [ColumnComparison(each.name, None, each.what, each.because) for each in odd]
    order = {"retyped": 0, "gone": 1, "moved": 2, "steady": 3, "new": 4, "unknown": 5}
    return tuple(sorted([*strange, *compared], key=lambda column: (order[column.found], -column.effect)))


def _compared(pair: Pair, columns: int, false: float) -> ColumnComparison:
    sides = _sides(pair)
    unknown = _unknown(sides)
    rows = [side.rows for side in sides]
    shares = [int(side.missing.sum()) / max(side.rows, 1) for side in sides]
    parts = [Part(count, share) for count, share in zip(rows, shares, strict=True)]
    if unknown is not None and not _missing_tells(sides):
        return ColumnComparison(pair.name, pair.kind, "unknown", unknown, 0.0, parts[0], parts[1])
    tests = [] if unknown is not None else _tests(pair)
    missing = score_test(of_missing(*sides))
    every = [test.p for test in tests] + ([missing.p] if missing is not None else [])
    own = min(1.0, min(every) * len(every)) if every else 1.0
    deff = max([test.deff for test in tests], default=_NAN if missing is None else missing.deff)
    worth = tuple(side.there / (deff if deff >= 1 else 1.0) for side in sides)
    blank = jensen_shannon(*_missing_counts(sides), worth=_all_worth(sides, missing)).corrected
    column = ColumnComparison(
        pair.name,
        pair.kind,
        "steady",
        unknown or "",
        blank,
        replace(parts[0], effective=worth[0]),
        replace(parts[1], effective=worth[1]),
        own_p=own,
        values_p=min((test.p for test in tests), default=_NAN),
        missing_p=_NAN if missing is None else missing.p,
        design_effect=deff,
    )
    if unknown is not None:
        return column
    least = (float(-ndtri(false / columns / 2)) + float(ndtri(POWER))) * math.sqrt(sum(1 / max(n, 1) for n in worth))
    if pair.numbers is not None:
        column = _with_numbers(column, pair.numbers, (worth[0], worth[1]), least)
    if pair.values is not None:
        column = _with_values(column, pair.values, (worth[0], worth[1]), least)
    return column


def _sides(pair: Pair) -> tuple[Side, Side]:
    found = pair.values or pair.numbers
    if found is None:
        message = f"column {pair.name!r} was not counted"
        raise ValueError(message)
    return found.reference, found.current


def _missing_counts(sides: tuple[Side, Side]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    one, other = (np.array([side.there, int(side.missing.sum())]) for side in sides)
    return one, other


def _all_worth(sides: tuple[Side, Side], missing: Scored | None) -> tuple[float, float]:
    deff = 1.0 if missing is None else missing.deff
    return sides[0].rows / deff, sides[1].rows / deff


def _missing_tells(sides: tuple[Side, Side]) -> bool:
    """Say whether missing values alone can be compared: both tables have enough rows, and one has values."""
    return all(side.rows >= FEWEST for side in sides) and any(side.there for side in sides)


def _unknown(sides: tuple[Side, Side]) -> str | None:
    """Give the reason why the values of a column cannot be compared."""
    for side, name in zip(sides, ("reference", "current"), strict=True):
        if not side.rows:
            return f"the {name} table has no rows"
    if not any(side.there for side in sides):
        return "neither table has a value in it"
    for side, name in zip(sides, ("reference", "current"), strict=True):
        if not side.there:
            return f"the {name} table has no value in it"
        if side.there < FEWEST:
            return f"the {name} table has a value in {side.there} rows only: at least {FEWEST} would do"
    return None


def _tests(pair: Pair) -> list[Scored]:
    found = []
    if pair.numbers is not None:
        found.append(score_test(of_numbers(pair.numbers)))
    if pair.values is not None:
        found.append(score_test(of_values(pair.values.reference, pair.values.current)))
    return [test for test in found if test is not None]


def _with_numbers(
    column: ColumnComparison, numbers: Numbers, worth: tuple[float, float], least: float
) -> ColumnComparison:
    """Add what numbers tell: distances, both sides' spread, and the histogram."""
    both = (numbers.reference, numbers.current)
    sides = [spread(numbers, side.counts, sums) for side, sums in zip(both, numbers.sums, strict=True)]
    bins = binned(numbers)
    index, divergence = psi(*bins, worth), jensen_shannon(*bins, worth)
    reference, current = (_spread_out(part, side) for part, side in zip((column.reference, column.current), sides, strict=True))  # fmt: skip
    novel = int(numbers.current.counts[numbers.reference.counts == 0].sum())
    return replace(
        column,
        reference=reference,
        current=current,
        effect=max(column.effect, divergence.corrected),
        wasserstein=wasserstein(numbers, sides[0].deviation),
        ks=kolmogorov(numbers),
        psi=index.corrected,
        raw_psi=index.raw,
        js=divergence.corrected,
        raw_js=divergence.raw,
        unseen=novel / numbers.current.there,
        smallest=least,
        unit="sd",
        histogram=number_bars(column.name, numbers),
    )


def _spread_out(part: Part | None, side: Spread) -> Part | None:
    if part is None:
        return None
    return replace(part, mean=side.mean, deviation=side.deviation, quantiles=side.quantiles, infinite=side.infinite)


def _with_values(
    column: ColumnComparison, values: Values, worth: tuple[float, float], least: float
) -> ColumnComparison:
    """Add what values tell: distances, those that moved most, those never seen before; of texts beside their lengths."""
    one, other = values.reference.counts, values.current.counts
    index, divergence = psi(one, other, worth), jensen_shannon(one, other, worth)
    before, after = one / values.reference.there, other / values.current.there
    apart = after - before
    names = (*values.values, "(others)")
    order = sorted(range(len(names)), key=lambda place: (-abs(apart[place]), names[place]))
    moved = tuple(
        Moved(names[place], float(before[place]), float(after[place])) for place in order[:SHOWN] if apart[place]
    )
    first = order[0] if apart[order[0]] else int(np.argmax(one + other))
    share = float(one[first] + other[first]) / (values.reference.there + values.current.there)
    changed = replace(
        column,
        effect=max(column.effect, divergence.corrected),
        psi=max(index.corrected, 0.0 if math.isnan(column.psi) else column.psi),
        raw_psi=max(index.raw, 0.0 if math.isnan(column.raw_psi) else column.raw_psi),
        js=max(divergence.corrected, 0.0 if math.isnan(column.js) else column.js),
        raw_js=max(divergence.raw, 0.0 if math.isnan(column.raw_js) else column.raw_js),
        unseen=_NAN if values.unseen is None else values.unseen / values.current.there,
        moved=moved,
    )
    if column.unit == "sd":
        return changed
    return replace(
        changed,
        smallest=least * math.sqrt(share * (1 - share)),
        unit="share",
        histogram=value_bars(column.name, names, (before, after), order),
    )
