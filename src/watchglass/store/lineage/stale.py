"""A run, or the output that it wrote → which of its inputs are stale, why, as of when it ran and as of now.

An input is stale when a newer version of it exists, when the run that made it is old, when that run's component has newer
code since, or when the same holds of anything upstream of it. A version that was made out of the one that was read (a
table updated in place) does not make stale what it was made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import UnknownName
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.judging import Found, Judged, Kind, Rules, counted, judged
from watchglass.store.lineage.names import newest_write, unknown_output
from watchglass.store.lineage.walked import Walk, beside, walked
from watchglass.store.models import microseconds, moment
from watchglass.store.runs.moments import length_of
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.lineage.edges import Resolved

WALKED: Final = 10_000
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an input is stale.

    `kind` is newer version, old, newer code, or component ran again; `run` is the run that says so, `count` how many newer
    versions or runs there are (1,000 stands for as many or more), `days` the age. `path` leads from the input to what is
    stale upstream of it, by names; it is empty where it is the input itself.
    """

    kind: Kind
    sentence: str
    run: str
    count: int | None
    days: float | None
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """What a run read, who made it, and why it was stale `then`, when the run began, and is `now`; nearest reasons first.

    The name is empty where a run was named as upstream without data.
    `more_then` and `more_now` count the reasons beyond the first 20.
    """

    name: str
    version: str | None
    producer: str | None
    component: str | None
    then: tuple[Reason, ...]
    now: tuple[Reason, ...]
    more_then: int
    more_now: int


@dataclass(frozen=True, slots=True)
class Staleness:
    """How fresh the inputs of a run were when it began (`then`) and are at the time `at` (`now`).

    `left_out` says what was not looked at: of more than 10,000 runs upstream only the nearest are.
    """

    run: str
    component: str
    version: str | None
    started: datetime
    at: datetime
    stale_then: bool
    stale_now: bool
    inputs: tuple[Input, ...]
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Stalenesses:
    """A page, by component, each by its newest run that went well; `next` is where the next one begins (`after`)."""

    runs: tuple[Staleness, ...]
    next: str | None


def staleness(folder: Folder, engine: Engine, of: str, rules: Rules, *, now: datetime | None = None) -> Staleness:
    """Judge a run, by its id, or the newest run that wrote an output of that name; raises `UnknownName` with near names."""
    take_in(folder, engine)
    with engine.connect() as connection:
        return _of_run(connection, _run_of(connection, of), rules, now or datetime.now(UTC))


def stalenesses(
    folder: Folder, engine: Engine, rules: Rules, *, limit: int = 50, after: str | None = None
) -> Stalenesses:
    """Judge the newest run of every component, a page of them by name."""
    limit, now = checked_limit(limit), datetime.now(UTC)
    take_in(folder, engine)
    names = sa.select(c.components.c.name).order_by(c.components.c.name).limit(limit + 1)
    if after is not None:
        names = names.where(c.components.c.name > after)
    with engine.connect() as connection:
        listed = connection.execute(names).scalars().all()
        newest = [run for name in listed[:limit] if (run := _newest(connection, name)) is not None]
        found = tuple(_of_run(connection, run, rules, now) for run in newest)
    return Stalenesses(found, listed[limit - 1] if len(listed) > limit else None)


def stale_counts(folder: Folder, engine: Engine, runs: Sequence[str]) -> dict[str, int]:
    """Count, of each of some runs, the inputs that were stale when it began."""
    take_in(folder, engine)
    with engine.connect() as connection:
        return stale_inputs(connection, runs, rules_of())


def stale_inputs(connection: Connection, runs: Sequence[str], rules: Rules) -> dict[str, int]:
    """Count, of each run, the inputs that were stale themselves when it began."""
    found = beside(connection, runs)
    reasons = judged(connection, found, None, rules)
    return {
        run: sum(bool(reasons.get((run, read.name, read.version or ""))) for read in found.reads.get(run, ()))
        for run in runs
    }


def rules_of(age: str | timedelta | None = "30d", *, component: bool = False) -> Rules:
    """Make the rules: the age from which a producer is old (None: never), and whether mltrace's rule of components counts too."""
    return Rules(None if age is None else length_of(age, "age"), component=component)


def _run_of(connection: Connection, of: str) -> str:
    if connection.execute(sa.select(c.runs.c.id).where(c.runs.c.id == of)).first() is not None:
        return of
    written = newest_write(connection, of)
    if written is None:
        raise unknown_output(connection, of, "run or output")
    return str(written.run)


def _newest(connection: Connection, component: str) -> str | None:
    query = sa.select(c.runs.c.id).where(c.runs.c.component == component, c.runs.c.status == "ok")
    return connection.execute(query.order_by(c.runs.c.started.desc(), c.runs.c.id.desc()).limit(1)).scalar()


def _of_run(connection: Connection, run: str, rules: Rules, now: datetime) -> Staleness:
    found = walked(connection, run, WALKED)
    node = found.nodes.get(run)
    if node is None:
        message = f"run {run!r} is named by what it wrote, but was never recorded itself. Next: watchglass runs"
        raise UnknownName(message)
    began = node.started
    at = {"then": began, "now": microseconds(now)}
    reasons = {when: judged(connection, found, time, rules) for when, time in at.items()}
    inputs = tuple(_input(connection, found, read, reasons) for read in found.reads.get(run, ()))
    return Staleness(
        run=run,
        component=node.component,
        version=node.version,
        started=moment(began),
        at=now,
        stale_then=any(one.then for one in inputs),
        stale_now=any(one.now for one in inputs),
        inputs=inputs,
        left_out=f"runs upstream beyond the nearest {WALKED:,}" if found.cut else None,
    )


def _input(connection: Connection, found: Walk, read: Resolved, reasons: Mapping[str, Judged]) -> Input:
    producer = found.nodes.get(read.producer) if read.producer is not None else None
    listed = {when: _reasons(found, read, told) for when, told in reasons.items()}
    shown = {when: tuple(_told(connection, *one) for one in islice(several, SHOWN)) for when, several in listed.items()}
    return Input(
        name=read.name,
        version=read.version,
        producer=read.producer,
        component=None if producer is None else producer.component,
        then=shown["then"],
        now=shown["now"],
        more_then=len(listed["then"]) - len(shown["then"]),
        more_now=len(listed["now"]) - len(shown["now"]),
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """A read on the way upstream from an input, and the one that it was reached by."""

    read: Resolved
    via: _Step | None

    @property
    def path(self) -> tuple[str, ...]:
        names: list[str] = []
        step = self
        while step.via is not None:
            names.append(step.read.name or f"run {step.read.producer}")
            step = step.via
        return tuple(reversed(names))


def _reasons(found: Walk, first: Resolved, told: Judged) -> list[tuple[_Step, Found]]:
    """Collect why an input is stale: by itself, then by what lies upstream of it, nearest first, each once."""
    listed: list[tuple[_Step, Found]] = []
    seen: set[tuple[str, str, str]] = set()
    known = {first.run}
    waiting = [_Step(first, None)]
    for step in waiting:
        read = step.read
        for one in told.get((read.run, read.name, read.version or ""), ()):
            if (one.kind, one.run, read.name) not in seen:
                seen.add((one.kind, one.run, read.name))
                listed.append((step, one))
        if read.producer is not None and read.producer not in known:
            known.add(read.producer)
            waiting += [_Step(one, step) for one in found.reads.get(read.producer, ())]
    return listed


def _told(connection: Connection, step: _Step, found: Found) -> Reason:
    one = counted(connection, found, step.read.name, step.read.run)
    return Reason(one.kind, one.sentence, one.run, one.count, one.days, step.path)
