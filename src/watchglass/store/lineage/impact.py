"""An output, or a run → what came of it: the runs downstream by page, the models and versions they made, the predictions of these.

The runs are listed nearest first, and of these by when they read. Up to `WALKED` of them are walked to be counted; beyond that
the count is of what surely is, until all are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.records import Run  # noqa: TC001 - the description of the API reads it
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.downwards import From, readers, readers_at_least, walk
from watchglass.store.lineage.edges import parts, producers
from watchglass.store.lineage.models import content_of, made_by
from watchglass.store.lineage.names import unknown_output
from watchglass.store.lineage.steps import Edge, records, shown
from watchglass.store.lineage.trace import checked_depth
from watchglass.store.query import Question, ask
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.lineage.downwards import Reached

WALKED: Final = 2_000
ALL: Final = 2**31 - 1
_PREDICTIONS: Final = (
    "SELECT count(*) AS n FROM predictions WHERE run IN (SELECT unnest($runs::VARCHAR[]))"
    " OR (model, version) IN (SELECT m.model, m.version FROM (SELECT unnest($models::STRUCT(model VARCHAR, version VARCHAR)[]) AS m))"
)


@dataclass(frozen=True, slots=True)
class Impact:
    """What came of a run, or of a version of an artifact.

    `steps` are a page of the runs downstream as pairs of hops and run, each run once, nearest first; `edges` are all that
    these runs read; `next` is where the next page begins (`after`). `runs` counts the runs downstream, `models` are the
    versions of models that they, or the artifact itself, became, as (model, version), and `predictions` counts those of
    these versions and those made in these runs; None where it was not asked for. Where `exact` is False there are at least
    so many of each.
    """

    of: str
    version: str | None
    run: str | None
    steps: tuple[tuple[int, Run], ...]
    edges: tuple[Edge, ...]
    next: str | None
    runs: int
    exact: bool
    models: tuple[tuple[str, str], ...]
    predictions: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of what: `depth` hops at most, `limit` runs from `after` on; with `exact` all is counted, however much it is."""

    depth: int | None = None
    limit: int = 50
    after: str | None = None
    exact: bool = False
    predictions: bool = True


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a run stands: hops, when it read in µs, its id."""

    hops: int
    time: int
    run: str

    def word(self) -> str:
        return f"{self.hops}~{self.time}~{self.run}"


def impact(folder: Folder, engine: Engine, of: str, version: str | None, wanted: Wanted) -> Impact:
    """Walk downstream from a run, by its id, or from the newest version of a name, or a version of it that is named.

    Raises `UnknownName`, which names near names, and `BadInput`.
    """
    limit, after = checked_limit(wanted.limit), None if wanted.after is None else _place(wanted.after)
    checked_depth(wanted.depth)
    take_in(folder, engine)
    with engine.connect() as connection:
        begin = _begin(connection, of, version)
        least = readers_at_least(connection, begin)
        places, complete = _places(connection, begin, wanted, after, least)
        later = [place for place in places if after is None or place > after]
        page = later[:limit]
        downstream = [place.run for place in places]
        runs = len(places) if complete else max(len(places), least)
        steps, edges = _steps(connection, page)
        models = _models(connection, begin, downstream)
    counted = predictions_of(folder, engine, (*begin.runs, *downstream), models) if wanted.predictions else None
    return Impact(
        of=of,
        version=begin.version or None,
        run=begin.runs[0] if begin.runs else None,
        steps=steps,
        edges=edges,
        next=page[-1].word() if len(later) > limit else None,
        runs=runs,
        exact=complete,
        models=models,
        predictions=counted,
    )


def _begin(connection: Connection, of: str, version: str | None) -> From:
    """Find what is meant: a run, a version of a name that was written last, else a name that was read."""
    w, r = c.writes.c, c.reads.c
    if version is None:
        if connection.execute(sa.select(c.runs.c.id).where(c.runs.c.id == of)).first() is not None:
            return From(runs=(of,))
        newest = sa.select(w.version).where(w.name == of).order_by(w.time.desc(), w.run.desc()).limit(1)
        found = connection.execute(newest).scalar()
        if found is not None:
            return From(name=of, version=str(found))
    told = [sa.select(e.name).where(e.name == of, *([] if version is None else [e.version == version])) for e in (w, r)]
    if not any(connection.execute(query.limit(1)).first() for query in told):
        raise unknown_output(connection, of if version is None else f"{of}@{version}", "run or artifact")
    return From(name=of, version=version)


def _places(
    connection: Connection, begin: From, wanted: Wanted, after: _Place | None, least: int
) -> tuple[list[_Place], bool]:
    """Find the runs downstream, or the nearest of them, and say whether these are all."""
    reached = [] if wanted.exact or least > WALKED else walk(connection, begin, WALKED + 1, WALKED + 1)
    if wanted.exact or least > WALKED or len(reached) > WALKED:
        places = None if wanted.exact else _nearest(connection, begin, after, wanted)
        if places is not None:
            return places, False
        reached = walk(connection, begin, ALL, ALL)
    return _placed(reached, begin, wanted.depth), True


def _placed(reached: Iterable[Reached], begin: From, depth: int | None) -> list[_Place]:
    """Give each run its least number of hops and when it read first at that distance, in order."""
    read: dict[str | None, list[Reached]] = {}
    for one in reached:
        read.setdefault(one.producer, []).append(one)
    level: Sequence[str | None] = begin.runs or (None,)
    known: dict[str, _Place] = {}
    hops = 0
    while level and (depth is None or hops < depth):
        hops += 1
        found: dict[str, int] = {}
        for one in (one for producer in level for one in read.get(producer, ())):
            if one.run not in known and one.run not in begin.runs:
                found[one.run] = min(one.time, found.get(one.run, one.time))
        known |= {run: _Place(hops, time, run) for run, time in found.items()}
        level = list(found)
    return sorted(known.values())


def _nearest(connection: Connection, begin: From, after: _Place | None, wanted: Wanted) -> list[_Place] | None:
    """Find as many runs as a page needs level by level; None where the levels before a page must be known as a whole."""
    places: list[_Place] = []
    known = set(begin.runs)
    level, hops, most = begin, 0, wanted.limit + 1
    since = None if after is None else (after.time, after.run)
    while level != From() and len(places) < most and (wanted.depth is None or hops < wanted.depth):
        hops += 1
        found = [one for one in readers(connection, level, most + len(known), since) if one.run not in known]
        known |= {one.run for one in found}
        places += [_Place(hops, one.time, one.run) for one in found]
        level = From(runs=tuple(one.run for one in found))
        if after is not None:
            return places if after.hops == 1 and (len(places) >= most or wanted.depth == 1) else None
    return places


def _place(word: str) -> _Place:
    hops, time, run = [*str(word).split("~", 2), "", ""][:3]
    if not run or not hops.isdecimal() or not time.lstrip("-").isdecimal():
        message = f"after cannot be {str(word)[:80]!r}: the `next` of a page would do"
        raise BadInput(message)
    return _Place(int(hops), int(time), run)


def _steps(connection: Connection, page: Sequence[_Place]) -> tuple[tuple[tuple[int, Run], ...], tuple[Edge, ...]]:
    ids = [place.run for place in page]
    edges = producers(connection, ids)
    read = {run: [one for one in edges if one.run == run] for run in ids}
    recorded = records(connection, ids, read)
    return tuple((place.hops, recorded[place.run]) for place in page if place.run in recorded), shown(edges)


def _models(connection: Connection, begin: From, downstream: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Name the versions of models that runs declared, or that an artifact is which they wrote, or that is looked at itself."""
    v = c.model_versions
    found: set[tuple[str, str]] = set()
    if begin.name is not None:
        same = sa.func.coalesce(content_of(v), "") == (begin.version or "")
        query = sa.select(v.c.model, v.c.version).where(v.c.artifact == begin.name, same)
        found |= {(row.model, row.version) for row in connection.execute(query)}
    for part in parts([*begin.runs, *downstream]):
        found |= made_by(connection, part)
    return tuple(sorted(found))


def predictions_of(folder: Folder, engine: Engine, runs: Sequence[str], models: Sequence[tuple[str, str]]) -> int:
    """Count the predictions of versions of models, and those made in runs."""
    pairs = [{"model": model, "version": version} for model, version in models]
    rows = ask(folder, engine, Question(_PREDICTIONS, values={"runs": list(runs), "models": pairs})).rows()
    return int(str(rows[0]["n"]))
