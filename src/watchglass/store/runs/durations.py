"""The runs of a stretch of time → how long each component takes: quantiles, its own time without its parts, its share of the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.models import moment
from watchglass.store.runs.components import required_component
from watchglass.store.runs.listing import Wanted, conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder

MOST: Final = 20_000
QUANTILES: Final = (0.5, 0.95, 0.99)
Timed = tuple[str, str, str | None, int, int]
"""A run: id, component, parent, start and end in µs."""


@dataclass(frozen=True, slots=True)
class Duration:
    """How long the runs of a component take, in seconds; quantiles are the smallest value that so many are not above.

    `own` is the mean time in which none of its parts ran, `share` what its own time is of all time from end to end: of all
    runs that are part of no other. Runs that go on side by side make shares that add to more than 1.
    """

    component: str
    runs: int
    mean: float
    p50: float
    p95: float
    p99: float
    longest: float
    own: float
    share: float


@dataclass(frozen=True, slots=True)
class Durations:
    """How long components take, the largest share first, of the ended runs that began in [first, last].

    `left_out` says what was not looked at.
    """

    components: tuple[Duration, ...]
    runs: int
    first: datetime | None
    last: datetime | None
    left_out: str | None


def durations(
    folder: Folder,
    engine: Engine,
    component: str | None = None,
    *,
    since: Time | None = None,
    until: Time | None = None,
    most: int = MOST,
) -> Durations:
    """Measure the newest ended runs that began in [since, until), at most so many; raises `UnknownName`, `BadInput`."""
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 10 * MOST:
        message = f"most cannot be {most!r}: 1 to {10 * MOST} would do"
        raise BadInput(message)
    r = c.runs.c
    where = conditions(Wanted(since=since, until=until))
    query = sa.select(r.id, r.component, r.parent, r.started, r.ended).where(*where).order_by(r.started.desc())
    take_in(folder, engine)
    with engine.connect() as connection:
        if component is not None:
            required_component(connection, component)
        rows = connection.execute(query.limit(most + 1)).all()
    ended = [
        (row.id, row.component, row.parent, row.started, row.ended) for row in rows[:most] if row.ended is not None
    ]
    found = measured(ended)
    shown = tuple(one for one in found if component in (None, one.component))
    starts = [run[3] for run in ended]
    said = f"runs before the newest {most:,}" if len(rows) > most else None
    if not ended:
        return Durations((), 0, None, None, said)
    return Durations(shown, len(ended), moment(min(starts)), moment(max(starts)), said)


def measured(runs: Sequence[Timed]) -> list[Duration]:
    """Measure runs of one stretch of time; a part whose whole is not among them counts as a whole.

    >>> day = [("a", "all", None, 0, 10_000_000), ("b", "half", "a", 0, 5_000_000)]
    >>> [(one.component, one.own, one.share) for one in measured(day)]
    [('all', 5.0, 0.5), ('half', 5.0, 0.5)]
    """
    known = {run[0] for run in runs}
    parts: dict[str, list[tuple[int, int]]] = {}
    whole = 0
    for _, _, parent, start, end in runs:
        if parent in known and parent is not None:
            parts.setdefault(parent, []).append((start, end))
        else:
            whole += end - start
    took: dict[str, list[int]] = {}
    own: dict[str, int] = {}
    for ident, component, _, start, end in runs:
        took.setdefault(component, []).append(end - start)
        within = covered(parts.get(ident, ()), start, end)
        own[component] = own.get(component, 0) + end - start - within
    found = [_duration(component, sorted(times), own[component], whole) for component, times in took.items()]
    return sorted(found, key=lambda one: (-one.share, one.component))


def _duration(component: str, times: Sequence[int], own: int, whole: int) -> Duration:
    p50, p95, p99 = (times[max(0, math.ceil(share * len(times)) - 1)] / 1e6 for share in QUANTILES)
    mean, own_mean = sum(times) / len(times) / 1e6, own / len(times) / 1e6
    return Duration(
        component, len(times), mean, p50, p95, p99, times[-1] / 1e6, own_mean, own / whole if whole else 0.0
    )


def covered(spans: Iterable[tuple[int, int]], start: int, end: int) -> int:
    """Give how much of [start, end] some spans cover together.

    >>> covered([(0, 4), (2, 6), (9, 20)], 1, 10)
    6
    """
    total, upto = 0, start
    for first, last in sorted(spans):
        begins, ends = max(first, upto), min(last, end)
        if ends > begins:
            total, upto = total + ends - begins, ends
    return total
