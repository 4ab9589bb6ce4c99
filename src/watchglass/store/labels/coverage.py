"""Cells → how many of a model's predictions have a label, day by day, how late the labels came, and how many came too late.

No row is read: a cell of labels carries the day of its predictions and the day on which they became known, so what was
known on any day is a sum. Where rows stand for several, so do the counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date  # noqa: TC003 - the API is described from it
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.capture.times import micros
from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.anew import planned_anew
from watchglass.store.compact import engine_room
from watchglass.store.labels.late import too_late
from watchglass.store.models import moment, require_model
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder

_SHARES = (50, 90, 99)  # per cent


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """The labels of a day's predictions. `share` is labelled / predictions.

    `lag_p50` is how many days passed until half of the labels that are known were known, 0 for the same day (UTC);
    `lag_p90` and `lag_p99` likewise; None without labels.
    """

    day: date
    predictions: int
    labelled: int
    share: float | None
    lag_p50: int | None
    lag_p90: int | None
    lag_p99: int | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """A model's labels in an environment as known at the end of the day `at`, None for all that is known.

    The totals are of all days; `days` are the newest first, `next` the day to go on from when there are more.
    `too_late` labels came after their prediction was let go by retention; they are in no other count.
    """

    model: str
    environment: str
    at: date | None
    predictions: int
    labelled: int
    share: float | None
    lag_p50: int | None
    lag_p90: int | None
    lag_p99: int | None
    too_late: int
    days: tuple[DayCoverage, ...]
    next: date | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: in which environment, as known at which day, which days; None: all."""

    environment: str = "live"
    at: Time | date | None = None
    limit: int | None = None
    before: Time | date | None = None


@planned_anew
def coverage(folder: Folder, engine: Engine, model: str, asked: Asked) -> Coverage:
    """Count a model's labels by day, from the cells: of what was compacted and counted.

    Raises `UnknownName` for a model that is not recorded, `BadInput` for a day that cannot be read.
    """
    require_model(folder, engine, model)
    at, before = _day(asked.at, "at"), _day(asked.before, "before")
    if asked.limit is not None and asked.limit < 1:
        message = f"limit cannot be {asked.limit}: one day or more would do"
        raise BadInput(message)
    rows, lags = _counts(folder, engine, model, asked.environment, at)
    every: Counter[int] = Counter()
    for told in lags.values():
        every.update(told)
    shown = [day for day in sorted({*rows, *lags}, reverse=True) if before is None or day < before]
    end = len(shown) if asked.limit is None else asked.limit
    days = tuple(DayCoverage(day, *_figures(rows.get(day, 0), lags.get(day, {}))) for day in shown[:end])
    return Coverage(
        model,
        asked.environment,
        at,
        *_figures(sum(rows.values()), every),
        too_late(engine, model, asked.environment),
        days,
        shown[end - 1] if len(shown) > end else None,
    )


def _day(value: Time | date | None, what: str) -> date | None:
    """Read a day as people give it; of a time it is the day in UTC."""
    return None if value is None else moment(micros(value, what)).date()


def _counts(
    folder: Folder, engine: Engine, model: str, environment: str, at: date | None
) -> tuple[dict[date, int], dict[date, Counter[int]]]:
    """Give the predictions of each day, and its labels by how many days later they became known; a retraction is less one."""
    paths = _cells(engine, model)
    rows: dict[date, int] = {}
    lags: dict[date, Counter[int]] = {}
    if not paths:
        return rows, lags
    listed = ", ".join(literal(str(folder.tables / path)) for path in paths)
    query = (
        "SELECT day, kind, coalesce(date_diff('day', day, known), 0) AS lag, sum(n)::BIGINT AS n"
        f" FROM read_parquet([{listed}]) WHERE environment = $environment AND slice = '' AND name = ''"
        " AND kind IN ('rows', 'labelled') AND ($at IS NULL OR (day <= $at::DATE AND (known IS NULL OR known <= $at::DATE)))"
        " GROUP BY ALL HAVING sum(n) != 0"
    )
    with engine_room(folder) as connection:
        found: Iterable[tuple[date, str, int, int]] = connection.execute(
            query, {"environment": environment, "at": at}
        ).fetchall()
    for day, kind, lag, n in found:
        if kind == "rows":
            rows[day] = rows.get(day, 0) + n
        else:
            lags.setdefault(day, Counter())[lag] += n
    return rows, lags


def _cells(engine: Engine, model: str) -> Sequence[str]:
    query = sa.select(c.files.c.path).where(
        c.files.c.model == model, c.files.c.kind == "cells", c.files.c.removed.is_(None)
    )
    with engine.connect() as connection:
        return connection.execute(query).scalars().all()


def _figures(
    predictions: int, lags: Mapping[int, int]
) -> tuple[int, int, float | None, int | None, int | None, int | None]:
    """Give predictions, labelled, its share, and after how many days the shares of those labelled were known.

    >>> _figures(8, {0: 1, 2: 3})
    (8, 4, 0.5, 2, 2, 2)
    """
    labelled = sum(lags.values())
    median, ninety, last = (_reached(lags, labelled * share) for share in _SHARES)
    return predictions, labelled, labelled / predictions if predictions else None, median, ninety, last


def _reached(lags: Mapping[int, int], hundredfold: int) -> int | None:
    """Give the first lag by which so many hundredths of a label were known; None when there are none."""
    held = 0
    for lag, n in sorted(lags.items()):
        held += n
        if held > 0 and 100 * held >= hundredfold > 0:
            return lag
    return None
