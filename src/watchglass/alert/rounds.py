"""A store and a time → everything that is due: log compacted, rows counted, closed windows judged, incidents kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from watchglass.alert.watch import Watch
from watchglass.store.histories import environments, first_counted, history
from watchglass.store.leases import hold
from watchglass.store.life.coarsening import coarse_from
from watchglass.store.life.coarser import first_fine_day
from watchglass.store.models import model_named, model_names
from watchglass.store.upkeep import keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from watchglass.records import Incident
    from watchglass.store.folder import Folder
    from watchglass.store.histories import History
    from watchglass.store.leases import Lease

_EPOCH = date(1970, 1, 1)
LATENESS = timedelta(hours=1)
"""A window closes this long after its end: rows that come later enter the counts, and no verdict is changed."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was judged, and the incidents that were opened or changed."""

    windows: int
    incidents: tuple[Incident, ...]


def due(folder: Folder, engine: Engine, now: datetime, progress: Callable[[int, int], None] | None = None) -> Round:
    """Do what is due at a time; nothing when another process is at it."""
    keep(folder, engine)
    with hold(engine, "monitors") as lease:
        if lease is None:
            return Round(0, ())
        with engine.connect() as connection:
            models = [model_named(connection, name) for name in model_names(connection)]
        watches = []
        for model in models:
            for environment in environments(folder, engine, model.name):
                counted = _fine(folder, engine, model.name, environment)
                if counted is not None:
                    watches.append(Watch.take_up(folder, engine, model, counted))
        return _judge(watches, lease, now, progress)


def _fine(folder: Folder, engine: Engine, model: str, environment: str) -> History | None:
    """Read what windows on the fine grid are judged by; on the coarser one where their days are there no finer."""
    first, day = first_counted(folder, engine, model, environment), first_fine_day(engine, model)
    gone = first is not None and day is not None and (first - _EPOCH).days < day
    return history(folder, engine, model, environment, coarse=gone)


def _coarser(watch: Watch, lease: Lease) -> Watch:
    """Take a watch up anew on the coarser grid, on which its windows are judged from now on."""
    watch.save(lease)
    counted = history(watch.folder, watch.engine, watch.model.name, watch.history.environment, coarse=True)
    return watch if counted is None else Watch.take_up(watch.folder, watch.engine, watch.model, counted)


def closed_windows(counted: History, now: datetime) -> int:
    """Count the windows that have closed at a time, whether or not they have rows."""
    aware = now if now.tzinfo else now.replace(tzinfo=UTC)
    return (
        aware.astimezone(UTC)
        - LATENESS
        - datetime(counted.first.year, counted.first.month, counted.first.day, tzinfo=UTC)
    ).days


def _judge(watches: list[Watch], lease: Lease, now: datetime, progress: Callable[[int, int], None] | None) -> Round:
    plans = []
    for watch in watches:
        end = min(closed_windows(watch.history, now), len(watch.history.rows) + watch.delay)
        plans.append((watch, watch.next_window(), end))
    total, done = sum(max(0, end - start) for _, start, end in plans), 0
    changed: list[Incident] = []
    for watch, start, end in plans:
        before = {item.id: item for item in watch.incidents}
        edge = coarse_from(watch.folder)
        for window in range(start, end):
            if window == max(start, edge):
                watch = _coarser(watch, lease)  # noqa: PLW2901 - the same, on another grid
            watch.step(window, lease, newest=window == end - 1)
            done += 1
            if progress is not None:
                progress(done, total)
        changed += [item for item in watch.incidents if before.get(item.id) != item]
    return Round(total, tuple(changed))
