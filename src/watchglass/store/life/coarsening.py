"""A store and a time → cell files whose old days are on the coarser grid, a week at a time."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.capture.retention import FINE_DAYS
from watchglass.store import catalog as c
from watchglass.store.histories import environments, first_counted
from watchglass.store.leases import hold
from watchglass.store.life.coarser import first_fine_day
from watchglass.store.life.retention import cutoff, raise_mark
from watchglass.store.merge import Part, replace
from watchglass.store.transactions import writing
from watchglass.store.tuning import settings_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

STEP_DAYS: Final = 7  # a file is read and written for days, not for each day
_DAY: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)


def coarse_from(folder: Folder) -> int:
    """Give the first window, counted from a model's first, that is judged on the coarser grid, and all after it."""
    kept = settings_of(folder).retention
    return STEP_DAYS + (FINE_DAYS if kept is None or kept.fine_days is None else kept.fine_days)


def coarsen(folder: Folder, engine: Engine, now: datetime | None = None) -> int:
    """Write the cell files anew that hold days older than `fine_days` of the setting `retention`; gives how many.

    A model's days are old when they lie so far before its newest: what was learnt of a past stays sharp while it is
    judged, and a model that rests keeps its cells. A day that a window which is not judged yet needs fine waits; a
    model that nobody judges keeps its cells fine. Killed on the way, it goes on where it was; done again, it does nothing.
    """
    days = coarse_from(folder) - STEP_DAYS
    found = _edges(engine, cutoff(now or datetime.now(UTC), days) // _DAY, days)
    due = [(model, day) for model, day in found if not _needed_fine(folder, engine, model, day)]
    if not due:
        return 0
    with hold(engine, "merger") as lease:
        return 0 if lease is None else sum(_coarsen(folder, engine, lease, model, day) for model, day in due)


def _edges(engine: Engine, latest: int, days: int) -> list[tuple[str, int]]:
    """List the models that have a week or more of days to make coarser, or one that was begun; with the first day that stays fine."""
    t = c.files.c
    spans = (
        sa.select(t.model, sa.func.min(t.first), sa.func.max(t.last))
        .where(t.kind == "cells", t.removed.is_(None), t.first.is_not(None))
        .group_by(t.model)
    )
    with engine.connect() as connection:
        found = connection.execute(spans).all()
        marks = {name: seq for name, seq in connection.execute(sa.select(c.watermarks.c.name, c.watermarks.c.seq))}  # noqa: C416 - a row is no pair to a type checker
    due = []
    for model, first, last in found:
        edge, begun = min(latest, last // _DAY - days), marks.get(f"coarse:{model}")
        if begun is not None and marks.get(f"coarsened:{model}", -1) < begun:
            due.append((model, max(begun, edge)))
        elif edge - (first // _DAY if begun is None else begun) >= STEP_DAYS:
            due.append((model, edge))
    return due


def _needed_fine(folder: Folder, engine: Engine, model: str, day: int) -> bool:
    """Say whether an environment has days before `day` on the fine grid, and windows to judge by them."""
    monitors = c.monitors.c
    query = sa.select(monitors.environment, monitors.state).where(monitors.model == model, monitors.kind == "drift")
    with engine.connect() as connection:
        judged = {row.environment: json.loads(row.state)["judged"] for row in connection.execute(query)}
    for environment in environments(folder, engine, model):
        first = first_counted(folder, engine, model, environment)
        early = first is not None and (first - _EPOCH).days < day
        if early and judged.get(environment, 0) < coarse_from(folder):
            return True
    return False


def _coarsen(folder: Folder, engine: Engine, lease: Lease, model: str, day: int) -> int:
    """Have readers take the days before `day` as coarse, then write the files that hold such days as fine ones."""
    names = (f"coarsened:{model}", f"coarsened by:{model}")
    with engine.connect() as connection:
        done, by = (
            connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == name)).scalar()
            for name in names
        )
    with writing(engine) as transaction:
        lease.check(transaction)
        raise_mark(transaction, f"coarse:{model}", day)
    t = c.files.c
    query = sa.select(t.seq, t.path, t.rows, t.first, t.last, t.origin).where(
        t.kind == "cells", t.model == model, t.removed.is_(None), t.first < day * _DAY
    )
    if done is not None and by is not None:  # days before those are coarse, but for files that came since
        query = query.where((t.last >= done * _DAY) | (t.seq > by))
    with engine.connect() as connection:
        parts = [Part(*row[:5], row.origin or row.seq) for row in connection.execute(query.order_by(t.seq))]
    for part in parts:
        replace(folder, engine, lease, ("cells", model), [part])
    with writing(engine) as transaction:
        lease.check(transaction)
        newest = transaction.execute(sa.select(sa.func.max(t.seq))).scalar_one()
        raise_mark(transaction, names[0], first_fine_day(engine, model) or day)
        raise_mark(transaction, names[1], newest)
    return len(parts)
