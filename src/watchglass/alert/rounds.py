"""A store and a time → everything that is due: log compacted, rows counted, closed windows judged, incidents kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from watchglass.alert.watch import Watch
from watchglass.store.histories import environments, history
from watchglass.store.leases import hold
from watchglass.store.models import model_named, model_names
from watchglass.store.upkeep import keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from watchglass.records import Incident
    from watchglass.store.folder import Folder
    from watchglass.store.histories import History
    from watchglass.store.leases import Lease

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
                counted = history(folder, engine, model.name, environment)
                if counted is not None:
                    watches.append(Watch.take_up(folder, engine, model, counted))
        return _judge(watches, lease, now, progress)


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
        for window in range(start, end):
            watch.step(window, lease, newest=window == end - 1)
            done += 1
            if progress is not None:
                progress(done, total)
        changed += [item for item in watch.incidents if before.get(item.id) != item]
    return Round(total, tuple(changed))
