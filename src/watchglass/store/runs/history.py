"""A component → its runs, the newest first, as a sequence that is cut by number and by time.

A page is read off the index of a component's runs; how many of each run's inputs were stale when it began comes with it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, overload

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.stale import rules_of, stale_inputs
from watchglass.store.models import microseconds, moment
from watchglass.store.runs.components import required_component
from watchglass.store.runs.listing import Wanted, conditions, word_of
from watchglass.store.runs.moments import microseconds_of
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of a history: `seconds` is how long it took, None while it runs; `stale` counts the inputs that were stale when it began."""

    id: str
    version: str | None
    started: datetime
    ended: datetime | None
    seconds: float | None
    status: str
    error: str | None
    stale: int
    params: dict[str, object]
    metrics: dict[str, object]


@dataclass(frozen=True, slots=True)
class History(Sequence[PastRun]):
    """A component's runs, the newest first; `next` is where the next page begins (`after`), None where there are no more.

    `history[0]` is the newest run, `history[-1]` the oldest of the page, `history[2:-1]` several; with times
    `history["2026-06-01":"2026-06-08"]` gives those that began in [first, last), `history["2026-06-01T12:00"]` the one
    that was the newest then.
    """

    component: str
    runs: tuple[PastRun, ...]
    next: str | None

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, index: int | str | datetime) -> PastRun: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[PastRun, ...]: ...

    def __getitem__(self, index: int | str | datetime | slice) -> PastRun | tuple[PastRun, ...]:
        """Give a run or several, by number or by time; raises `IndexError` where there is none."""
        if isinstance(index, slice):
            return self._between(index) if _timed(index) else self.runs[index]
        if isinstance(index, (str, datetime)):
            at = _micros(index)
            found = next((run for run in self.runs if microseconds(run.started) <= at), None)
            if found is None:
                message = f"no run of {self.component!r} on this page began before {index!r}"
                raise IndexError(message)
            return found
        return self.runs[index]

    def _between(self, times: slice) -> tuple[PastRun, ...]:
        if times.step is not None:
            message = f"a history that is cut by time takes no step, {times.step!r} here"
            raise BadInput(message)
        first = None if times.start is None else _micros(times.start)
        last = None if times.stop is None else _micros(times.stop)
        return tuple(
            run
            for run in self.runs
            if (first is None or microseconds(run.started) >= first)
            and (last is None or microseconds(run.started) < last)
        )


def _timed(index: slice) -> bool:
    return any(isinstance(edge, (str, datetime)) for edge in (index.start, index.stop))


def _micros(value: object) -> int:
    if not isinstance(value, (str, datetime)):
        message = f"a history cannot be cut at {value!r:.80}: two numbers or two times would do"
        raise BadInput(message)
    return microseconds_of(value, "the time in a history", datetime.now().astimezone())


def history(  # noqa: PLR0913 - a keyword each
    folder: Folder,
    engine: Engine,
    component: str,
    *,
    limit: int = 10,
    after: str | None = None,
    since: Time | None = None,
    until: Time | None = None,
) -> History:
    """Give a component's runs that began in [since, until); raises `UnknownName`, `BadInput`."""
    limit, r = checked_limit(limit), c.runs.c
    where = conditions(Wanted(since=since, until=until, after=after))
    query = sa.select(c.runs).where(r.component == component, *where).order_by(r.started.desc(), r.id.desc())
    take_in(folder, engine)
    with engine.connect() as connection:
        required_component(connection, component)
        rows = connection.execute(query.limit(limit + 1)).all()
        stale = stale_inputs(connection, [row.id for row in rows[:limit]], rules_of())
    found = tuple(
        PastRun(
            id=row.id,
            version=row.version,
            started=moment(row.started),
            ended=None if row.ended is None else moment(row.ended),
            seconds=None if row.ended is None else (row.ended - row.started) / 1e6,
            status=row.status,
            error=row.error,
            stale=stale.get(row.id, 0),
            params=json.loads(row.params) if row.params else {},
            metrics=json.loads(row.metrics) if row.metrics else {},
        )
        for row in rows[:limit]
    )
    return History(component, found, word_of(rows[limit - 1]) if len(rows) > limit else None)
