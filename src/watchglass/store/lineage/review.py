"""Flagged outputs → the runs upstream of them, those first that stand behind flagged outputs and not behind good ones.

Each run's suspiciousness is Ochiai's: f / sqrt(F · (f + p)), where the run is upstream of f of all F flagged outputs and of
p unflagged ones (A. Ochiai 1957; of the usual coefficients of fault localisation the best in R. Abreu et al., "On the
accuracy of spectrum-based fault localization", 2007). mltrace's plain count is f, its coverage f / F: what is upstream of
everything always leads by these.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.edges import parts
from watchglass.store.lineage.flags import standing_flags
from watchglass.store.lineage.upstream import upstream
from watchglass.store.models import moment
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

SAMPLE: Final = 10_000
LISTED: Final = 50_000
"""Runs of the components in question among which a sample is drawn evenly; of more, the times are drawn, which is about even."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A run upstream of flagged outputs: of how many, and of how many good ones.

    `suspiciousness` is Ochiai's, 0 to 1. `coverage` is the share of the flagged outputs that it is upstream of, `count`
    how many: mltrace's two numbers.
    """

    run: str
    component: str
    version: str | None
    started: datetime
    suspiciousness: float
    count: int
    coverage: float
    good: int


@dataclass(frozen=True, slots=True)
class Review:
    """The runs that flagged outputs have in common, the most suspicious first.

    Outputs are told by the run that wrote them: `flagged` runs against `good` ones of the same components. `sample` says
    where not all good ones were looked at, `missing` names flagged outputs whose run is gone. `next` is where the next
    page begins (`after`), None where there are no more.
    """

    flagged: int
    good: int
    runs: tuple[Suspect, ...]
    sample: str | None
    missing: tuple[str, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class Seeds:
    """The runs that wrote what is compared."""

    bad: tuple[str, ...]
    good: tuple[str, ...]
    sample: str | None


def review(folder: Folder, engine: Engine, *, limit: int = 50, after: int = 0, sample: int = SAMPLE) -> Review:
    """Contrast what stands behind flagged outputs with what stands behind at most so many others of the same components.

    None is flagged: empty. Raises `BadInput`.
    """
    limit = checked_limit(limit)
    take_in(folder, engine)
    with engine.connect() as connection:
        flagged = standing_flags(connection)
        missing = tuple(row.name for row in flagged if row.run is None)
        bad = tuple(dict.fromkeys(row.run for row in flagged if row.run is not None))
        seeds = _seeds(connection, bad, sample)
        walked = upstream(connection, (*seeds.bad, *seeds.good))
    counts = behind(walked.producers, seeds)
    found = []
    for run, (count, good) in counts.items():
        node = walked.nodes.get(run)
        if count and node is not None:
            odds = count / math.sqrt(len(bad) * (count + good))
            share = count / len(bad)
            found.append(Suspect(run, node.component, node.version, moment(node.started), odds, count, share, good))
    found.sort(key=lambda one: (one.suspiciousness, one.count, one.started, one.run), reverse=True)
    more = after + limit if len(found) > after + limit else None
    return Review(len(bad), len(seeds.good), tuple(found[after : after + limit]), seeds.sample, missing, more)


def behind(producers: Mapping[str, Iterable[str]], seeds: Seeds) -> dict[str, tuple[int, int]]:
    """Count, of each run, the bad and the good seeds that it is upstream of, itself included.

    The seeds of a run are the bits of a number that is handed upstream once all who read from the run have handed it
    theirs; then the number is let go of. Runs in a circle hand on until nothing is new.

    >>> behind({"b": ["a"], "c": ["a"]}, Seeds(("b",), ("c",), None))
    {'b': (1, 0), 'c': (0, 1), 'a': (1, 1)}
    """
    seen = {seed: 1 << place for place, seed in enumerate((*seeds.bad, *seeds.good))}
    bad = (1 << len(seeds.bad)) - 1
    waiting: dict[str, int] = {}
    for made in producers.values():
        for producer in made:
            waiting[producer] = waiting.get(producer, 0) + 1
    ready = deque(run for run in dict.fromkeys((*seen, *producers)) if not waiting.get(run))
    counts: dict[str, tuple[int, int]] = {}
    while ready:
        run = ready.popleft()
        bits = seen.pop(run, 0)
        counts[run] = ((bits & bad).bit_count(), (bits & ~bad).bit_count())
        for producer in producers.get(run, ()):
            seen[producer] = seen.get(producer, 0) | bits
            waiting[producer] -= 1
            if not waiting[producer]:
                ready.append(producer)
    for run, bits in _circles(producers, seen).items():
        counts[run] = ((bits & bad).bit_count(), (bits & ~bad).bit_count())
    return counts


def _circles(producers: Mapping[str, Iterable[str]], seen: dict[str, int]) -> dict[str, int]:
    """Hand on the seeds of runs that lie in circles, or upstream of one, until nothing is new."""
    changed = deque(seen)
    while changed:
        run = changed.popleft()
        for producer in producers.get(run, ()):
            before = seen.get(producer, 0)
            seen[producer] = before | seen[run]
            if seen[producer] != before:
                changed.append(producer)
    return seen


def _seeds(connection: Connection, bad: tuple[str, ...], sample: int) -> Seeds:
    """Choose the good outputs: runs of the components that wrote the flagged ones, none of whose outputs is flagged."""
    components: set[str] = set()
    for batch in parts(bad):
        components |= set(connection.execute(sa.select(c.runs.c.component).where(c.runs.c.id.in_(batch))).scalars())
    found: list[str] = []
    said: list[str] = []
    for component in sorted(components):
        room = max(1, sample // len(components))
        listed, drawn = _drawn(connection, component, frozenset(bad), room)
        found += listed
        said += drawn
    return Seeds(bad, tuple(found), "; ".join(said) or None)


def _drawn(connection: Connection, component: str, bad: frozenset[str], room: int) -> tuple[list[str], list[str]]:
    """Draw runs of a component that wrote something, none of it flagged; says so where there are more than it may draw."""
    r = c.runs.c
    wrote = sa.exists().where(c.writes.c.run == r.id)
    runs = sa.select(r.id).where(r.component == component, wrote)
    some = connection.execute(runs.order_by(r.started.desc(), r.id.desc()).limit(LISTED + len(bad) + 1)).scalars().all()
    good = [run for run in some if run not in bad]
    dice = random.Random(component)  # noqa: S311 - the same question is to have the same answer
    if len(good) <= LISTED:
        if len(good) <= room:
            return good, []
        return dice.sample(good, room), [f"{room:,} of {len(good):,} good runs of {component}"]
    first, last = connection.execute(
        sa.select(sa.func.min(r.started), sa.func.max(r.started)).where(r.component == component)
    ).one()
    found: dict[str, None] = {}
    for _ in range(room):
        from_here = runs.where(r.started >= dice.randint(first, last)).order_by(r.started).limit(1)
        run = connection.execute(from_here).scalar()
        if run is not None and run not in bad:
            found[run] = None
    return list(found), [f"{len(found):,} of more than {LISTED:,} good runs of {component}, drawn by their times"]
