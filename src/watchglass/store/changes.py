"""A model's predictions and the graph → every change in a stretch of time, and how many predictions each reached.

A change is the first run of a component's version, the first read of an artifact's version, or a deployment.
Artifacts that get a new version at almost every write (daily tables) are data, not changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.lineage.upstream import Upstream, upstream
from watchglass.store.models import microseconds, moment
from watchglass.store.query import session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray
    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Slice
    from watchglass.store.folder import Folder

RUNS_A_DAY = 50  # the runs with most predictions stand for the day
CHURN = 0.5  # an artifact with more new versions a write than this is data


@dataclass(frozen=True, slots=True)
class Reach:
    """Who served the predictions of a slice, by day: run → share of the day's predictions."""

    first: date
    days: tuple[Mapping[str, float], ...]
    upstream: Upstream


@dataclass(frozen=True, slots=True, eq=False)
class RecordedChange:
    """A change as recorded: when, by which run, what it read for the first time, whom it reached."""

    kind: Literal["component version", "artifact version", "deployment"]
    name: str
    version: str
    time: datetime
    run: str | None
    component: str | None
    artifacts: tuple[tuple[str, str], ...]
    hops: int | None
    exposed: NDArray[np.float64]
    previews: tuple[tuple[str, str | None, str | None], ...]


def reach(folder: Folder, engine: Engine, model: str, environment: str, *, of: Slice, days: tuple[date, date]) -> Reach:
    """Find the runs behind a slice's predictions on the days [first, last), and all upstream of them."""
    where = "".join(" AND tags->>? = ?" for _ in of)
    query = (
        "SELECT date_diff('day', ?::DATE, time::DATE) AS day, run, count(*) AS n FROM predictions"
        f" WHERE model = ? AND environment = ? AND time >= ? AND time < ? AND run IS NOT NULL{where} GROUP BY ALL ORDER BY day, n DESC, run"
    )
    values = [days[0], model, environment, days[0], days[1], *(part for pair in of for part in pair)]
    counted: list[dict[str, int]] = [{} for _ in range((days[1] - days[0]).days)]
    with session(folder, engine, "predictions") as connection:
        for day, run, count in connection.execute(query, values).fetchall():
            if len(counted[day]) < RUNS_A_DAY:
                counted[day][run] = count
    shares = tuple({run: count / sum(day.values()) for run, count in day.items()} for day in counted)
    with engine.connect() as catalog:
        return Reach(days[0], shares, upstream(catalog, {run for day in counted for run in day}))


def changes(
    engine: Engine, model: str, environment: str, *, served: Reach, between: tuple[datetime, datetime]
) -> list[RecordedChange]:
    """List what changed in [from, to): each with the share of each day's predictions that it reached."""
    span = (microseconds(between[0]), microseconds(between[1]))
    with engine.connect() as connection:
        new_reads = _new_artifacts(connection, span)
        found = [_component(connection, served, row, new_reads) for row in _new_components(connection, span)]
        claimed = {item for change in found for item in (*change.artifacts, *_written(connection, change.run))}
        found += [
            _artifact(connection, served, key, at, run) for key, (at, run) in new_reads.items() if key not in claimed
        ]
        found += _deployments(connection, served, model, environment, span)
    return sorted(found, key=lambda change: change.time)


def _new_components(connection: Connection, span: tuple[int, int]) -> Sequence[sa.Row[str, str, int]]:
    first = sa.func.min(c.runs.c.started)
    query = (
        sa.select(c.runs.c.component, c.runs.c.version, first)
        .where(c.runs.c.version.is_not(None))
        .group_by(c.runs.c.component, c.runs.c.version)
    )
    earlier = set(
        connection.execute(sa.select(c.runs.c.component).where(c.runs.c.started < span[0]).distinct()).scalars()
    )
    rows = connection.execute(query.having(first >= span[0], first < span[1]).order_by(first)).all()
    return [row for row in rows if row.component in earlier]  # a component's very first version changes nothing


def _new_artifacts(connection: Connection, span: tuple[int, int]) -> dict[tuple[str, str], tuple[int, str]]:
    """Give artifact versions first read in the stretch, with the time and the run of that read."""
    versions = sa.func.count(sa.distinct(c.reads.c.version))
    query = sa.select(c.reads.c.name).where(c.reads.c.version != "").group_by(c.reads.c.name)
    runs_a_name = sa.func.count(sa.distinct(sa.func.date(c.reads.c.time / 1_000_000, "unixepoch")))
    steady = set(connection.execute(query.having((versions <= 1) | (versions < CHURN * runs_a_name))).scalars())
    first = sa.func.min(c.reads.c.time)
    rows = connection.execute(
        sa.select(c.reads.c.name, c.reads.c.version, first, c.reads.c.run)
        .where(c.reads.c.version != "")
        .group_by(c.reads.c.name, c.reads.c.version)
        .having(first >= span[0], first < span[1])
    )
    return {(name, version): (at, run) for name, version, at, run in rows if name in steady}


def _exposure(served: Reach, hit: set[str]) -> tuple[NDArray[np.float64], int | None]:
    """Give the share of each day's predictions that lie downstream of any of these runs, and the least distance."""
    exposed = np.zeros(len(served.days))
    hops: int | None = None
    distances: dict[str, int | None] = {}
    for index, day in enumerate(served.days):
        for run, share in day.items():
            if run not in distances:
                near = [distance for other, distance in served.upstream.of(run).items() if other in hit]
                distances[run] = min(near) if near else None
            if (distance := distances[run]) is not None:
                exposed[index] += share
                hops = distance if hops is None else min(hops, distance)
    return exposed, hops


def _component(
    connection: Connection,
    served: Reach,
    row: sa.Row[str, str, int],
    new: dict[tuple[str, str], tuple[int, str]],
) -> RecordedChange:
    component, version, started = row
    query = (
        sa.select(c.runs.c.id)
        .where(c.runs.c.component == component, c.runs.c.version == version)
        .order_by(c.runs.c.started, c.runs.c.id)
    )
    run = connection.execute(query.limit(1)).scalar_one()
    hit = {node.id for node in served.upstream.nodes.values() if (node.component, node.version) == (component, version)}
    exposed, hops = _exposure(served, hit)
    artifacts = tuple(sorted(key for key, (_, reader) in new.items() if reader == run))
    previews = tuple(_preview(connection, name, now) for name, now in artifacts)
    return RecordedChange(
        "component version", component, version, moment(started), run, component, artifacts, hops, exposed, previews
    )


def _written(connection: Connection, run: str | None) -> set[tuple[str, str]]:
    """Give what a run wrote: a new version that comes out of a release belongs to the release."""
    return {
        (name, version)
        for name, version in connection.execute(
            sa.select(c.writes.c.name, c.writes.c.version).where(c.writes.c.run == run)
        )
    }


def _artifact(connection: Connection, served: Reach, key: tuple[str, str], at: int, run: str) -> RecordedChange:
    hit = {reader for reader, keys in served.upstream.read.items() if key in keys}
    exposed, hops = _exposure(served, hit)
    component = connection.execute(sa.select(c.runs.c.component).where(c.runs.c.id == run)).scalar()
    return RecordedChange(
        "artifact version", *key, moment(at), run, component, (key,), hops, exposed, (_preview(connection, *key),)
    )


def _preview(connection: Connection, name: str, version: str) -> tuple[str, str | None, str | None]:
    """Give an artifact's content as recorded, before and now."""
    table = c.artifacts
    now = connection.execute(
        sa.select(table.c.preview, table.c.time).where(table.c.name == name, table.c.version == version)
    ).first()
    if now is None:
        return name, None, None
    before = (
        sa.select(table.c.preview)
        .where(table.c.name == name, table.c.time < now.time)
        .order_by(table.c.time.desc())
        .limit(1)
    )
    return name, connection.execute(before).scalar(), now.preview


def _deployments(
    connection: Connection, served: Reach, model: str, environment: str, span: tuple[int, int]
) -> list[RecordedChange]:
    table = c.deployments
    query = sa.select(table).where(
        table.c.model == model, table.c.environment == environment, table.c.time >= span[0], table.c.time < span[1]
    )
    found = []
    for row in connection.execute(query):
        day = (moment(row.time).date() - served.first) // timedelta(days=1)
        exposed = np.where(np.arange(len(served.days)) >= day, 1.0, 0.0)
        found.append(
            RecordedChange("deployment", model, row.version, moment(row.time), row.run, None, (), 0, exposed, ())
        )
    return found
