"""Columns of a model and a stretch of time → how their values are distributed: quantiles, a histogram, the commonest values.

The counts are the cells' own, or are made from the rows on the same grid, so that both give the same answer for the
same rows. A bucket of the grid is known by its middle: a value is known to 0.8 % of its distance from the column's
centre. Counts of several days add up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from watchglass.capture.times import micros
from watchglass.errors import BadInput, UnknownName
from watchglass.profile.grid import midpoints
from watchglass.store.counts import Counted, from_cells, from_rows
from watchglass.store.graph import take_in
from watchglass.store.life.coarser import first_fine_day
from watchglass.store.models import features_of, model_named, moment
from watchglass.store.outputs import output_of, outputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder
    from watchglass.store.models import Feature

ERROR: Final = 1 / 128
"""How far a value may lie from the middle of its bucket, in parts of its distance from the column's centre."""
COARSE_ERROR: Final = 1 / 32
"""The same for days whose cells were made coarser."""
LEVELS: Final = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
MIDDLE: Final = (0.005, 0.995)
VALUES: Final = 12
MOST_BINS: Final = 1000
_DAY: Final = timedelta(days=1)
_EPOCH: Final = date(1970, 1, 1)
Source: TypeAlias = Literal["cells", "rows"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which distributions: of which columns (None: every feature; prediction, score and latency are asked by name), from when to when, by day or as a whole, from what."""

    columns: Sequence[str] | None = None
    environment: str = "live"
    start: Time | None = None
    end: Time | None = None
    by: str | None = None
    source: str = "cells"
    bins: int = 32


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is wanted, checked."""

    model: str
    environment: str
    start: datetime | None
    end: datetime | None
    source: Source
    bins: int
    by_day: bool
    fine: datetime | None
    """Days before have coarser cells."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a column's values are distributed in [start, end); all counts are sums of the rows' weights.

    Of numbers there are `mean`, `quantiles` (level, value) and the histogram: `counts` between neighbours of `edges`,
    equal bins over the middle 99 %, the outermost holding what lies beyond. They are exact to `error` times a value's
    distance from `centre`. Of texts there are the commonest `values` with their counts, and `others`.
    """

    model: str
    environment: str
    column: str
    type: str
    start: datetime | None
    end: datetime | None
    rows: int
    missing: int
    source: Source
    mean: float | None = None
    quantiles: tuple[tuple[float, float], ...] = ()
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    others: int = 0
    centre: float | None = None
    error: float = ERROR


def distribution(folder: Folder, engine: Engine, model: str, wanted: Wanted) -> tuple[Distribution, ...]:
    """Give the distribution of each column, sorted by column and, with `by="day"`, by day; days without rows are left out.

    From cells it is of what was compacted and counted, in whole days; from rows of everything, the log's tail too.
    Raises `UnknownName` for a model or a column that is not recorded, `BadInput` for what cannot be done.
    """
    take_in(folder, engine)
    with engine.connect() as connection:
        model_named(connection, model)
        known = {item.name: item for item in features_of(connection, model) if item.type != "json"}
        outputs = {str(output_of(item.name)): item for item in outputs_of(connection, model)}
    plan = _plan(engine, model, wanted)
    names = list(known) if wanted.columns is None else list(dict.fromkeys(wanted.columns))
    known = {**outputs, **known}
    for name in names:
        if name not in known:
            noun = f"column of model {model!r}"
            raise UnknownName.named(noun, name, known, step=f"watchglass distribution {model}")
    chosen = sorted((known[name] for name in names), key=lambda item: item.name)
    count = from_cells if plan.source == "cells" else from_rows
    counted = count(folder, engine, (model, plan.environment), chosen, (plan.start, plan.end), by_day=plan.by_day)
    return tuple(
        replace(found, column=output_of(feature.name) or feature.name)
        for feature in chosen
        for found in _described(plan, feature, counted[feature.name])
    )


def _plan(engine: Engine, model: str, wanted: Wanted) -> _Plan:
    if wanted.source not in ("cells", "rows"):
        message = f"source cannot be {wanted.source!r}: 'cells' or 'rows' would do"
        raise BadInput(message)
    if wanted.by not in (None, "day"):
        message = f"by cannot be {wanted.by!r}: 'day' would do, or None for the whole stretch"
        raise BadInput(message)
    if not 1 <= wanted.bins <= MOST_BINS:
        message = f"bins cannot be {wanted.bins!r}: a whole number from 1 to {MOST_BINS} would do"
        raise BadInput(message)
    start, end = (
        None if given is None else moment(micros(given, name))
        for name, given in (("start", wanted.start), ("end", wanted.end))
    )
    for name, when in (("start", start), ("end", end)):
        if wanted.source == "cells" and when is not None and when != _midnight(when.date()):
            message = f"{name} cannot be {when.isoformat()}: cells are counted by day, so a midnight (UTC) would do, or source='rows'"
            raise BadInput(message)
    source: Source = "cells" if wanted.source == "cells" else "rows"
    old = first_fine_day(engine, model) if source == "cells" else None
    fine = None if old is None else _midnight(_EPOCH + timedelta(days=old))
    return _Plan(model, wanted.environment, start, end, source, wanted.bins, wanted.by == "day", fine)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _described(plan: _Plan, feature: Feature, counted: Counted) -> list[Distribution]:
    """Describe a column, window by window; all windows of a column have the same edges."""
    edges = _edges(feature, counted, plan.bins) if feature.type == "number" else None
    found = []
    for window in np.unique(counted.window).tolist() if plan.by_day else [None]:
        chosen = counted if window is None else counted.at(window)
        start, end = plan.start, plan.end
        if window is not None:
            day = _midnight(_EPOCH + timedelta(days=window))
            start, end = max(start or day, day), min(end or day + _DAY, day + _DAY)
        missing = int(chosen.n[chosen.missing].sum())
        about = (plan.model, plan.environment, feature.name, feature.type, start, end, int(chosen.n.sum()), missing)
        there = ~chosen.missing
        if edges is None:
            found.append(_of_texts(about, plan.source, chosen.value[there], chosen.n[there]))
            continue
        error = COARSE_ERROR if plan.fine is not None and (start is None or start < plan.fine) else ERROR
        counts = (chosen.bucket[there], chosen.n[there])
        found.append(replace(_of_numbers(about, plan.source, feature, counts, edges), error=error))
    return found


_About: TypeAlias = "tuple[str, str, str, str, datetime | None, datetime | None, int, int]"


def _pooled(keys: NDArray[np.int64], n: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found, index = np.unique(keys, return_inverse=True)
    return found, np.bincount(index, weights=n, minlength=len(found)).astype(np.int64)


def _at(level: float, n: NDArray[np.int64]) -> int:
    """Find the bucket that holds a quantile."""
    reached = np.cumsum(n)
    return min(int(np.searchsorted(reached, level * reached[-1], side="left" if level else "right")), len(n) - 1)


def _edges(feature: Feature, counted: Counted, bins: int) -> NDArray[np.float64]:
    """Part the middle 99 % of all windows into equal bins."""
    keys, n = _pooled(counted.bucket[~counted.missing], counted.n[~counted.missing])
    middle = midpoints(keys) + (feature.centre or 0.0)
    finite = np.isfinite(middle)
    middle, n = middle[finite], n[finite]
    if not n.sum():
        return np.zeros(0)
    low, high = (float(middle[_at(level, n)]) for level in MIDDLE)
    high = high if high > low else low + 1.0
    return (
        np.linspace(low / 2, high / 2, bins + 1) * 2
    )  # what lies between the largest doubles is more than one of them


def _of_numbers(
    about: _About,
    source: Source,
    feature: Feature,
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
    edges: NDArray[np.float64],
) -> Distribution:
    centre = feature.centre or 0.0
    keys, n = _pooled(*counts)
    middle = midpoints(keys) + centre
    if not n.sum() or not len(edges):
        return Distribution(*about, source, centre=centre)
    finite = np.isfinite(middle)
    total = int(n[finite].sum())
    mean = float(np.sum(middle[finite] * (n[finite] / total))) if total else None
    place = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, len(edges) - 2)
    drawn = np.bincount(place, weights=n, minlength=len(edges) - 1).astype(np.int64)
    quantiles = tuple((level, float(middle[_at(level, n)])) for level in LEVELS)
    return Distribution(
        *about, source, mean, quantiles, tuple(edges.tolist()), tuple(int(each) for each in drawn), centre=centre
    )


def _of_texts(about: _About, source: Source, values: NDArray[np.object_], n: NDArray[np.int64]) -> Distribution:
    summed: dict[str, int] = {}
    for value, count in zip(values.tolist(), n.tolist(), strict=True):
        summed[value] = summed.get(value, 0) + count
    ordered = sorted(summed.items(), key=lambda item: (-item[1], item[0]))
    return Distribution(
        *about, source, values=tuple(ordered[:VALUES]), others=sum(count for _, count in ordered[VALUES:]), error=0.0
    )
