"""Predictions and what users did about them → labels by a model's rule, each once, right in whatever order they come.

How far a model is, is two numbers: the file up to which every row was looked at, and the time up to which predictions have
expired. What labels there are at any such point follows from the files alone, so a step writes the difference between two
points, and one transaction publishes it with the new point. Only files that can hold something of a step are read.
An event that comes after its prediction was called negative makes it positive at the time of expiry: of two labels of one
time the larger counts. Of an id that was predicted twice the later prediction decides.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.capture.feedback import Rule, rule_of
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.compact import engine_room
from watchglass.store.graph import take_in
from watchglass.store.leases import hold
from watchglass.store.lines import FIRST
from watchglass.store.manifest import POSITION
from watchglass.store.models import microseconds
from watchglass.store.quoting import literal
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

BATCH_ROWS: Final = 1_000_000  # rows of one step, which is one transaction
SEEN: Final = "feedback:"
EXPIRED: Final = "feedback until:"
"""How the watermarks of a model begin: the last file that was looked at, and the time up to which predictions have expired."""


@dataclass(frozen=True, slots=True)
class Point:
    """How far a model is: every row up to the file `seq` was looked at, predictions with a time up to `until` (µs) have expired."""

    seq: int
    until: int


@dataclass(frozen=True, slots=True)
class Part:
    """A live file of predictions or of feedback: the number its rows came with, how many, its first and last time in µs."""

    seq: int
    kind: str
    path: str
    rows: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Ruled:
    """A model with a rule, how far it is, and its files."""

    model: str
    rule: Rule
    at: Point
    files: tuple[Part, ...]

    def steps(self, now: int) -> list[Point]:
        """List the points up to now, so many rows apart: first through the new files, then through what expires.

        >>> rule = Rule("click", 10, "1", "0")
        >>> Ruled("ads", rule, Point(1, 0), (Part(2, "predictions", "", 5, 0, 100),)).steps(110)
        [Point(seq=2, until=100)]
        >>> Ruled("ads", rule, Point(2, 100), (Part(2, "predictions", "", 5, 0, 100),)).steps(110)
        []
        """
        until = max(self.at.until, now - self.rule.within)
        seqs = _cuts([(file.seq, file.rows) for file in self.files if file.seq > self.at.seq])
        waiting = [
            (min(file.last, until), file.rows)
            for file in self.files
            if file.kind == "predictions" and file.first <= until and file.last > self.at.until
        ]
        ends = _cuts(waiting)
        if not seqs and not ends:
            return []
        ends = [*ends[:-1], until] if ends else [self.at.until]
        last = seqs[-1] if seqs else self.at.seq
        return [Point(seq, self.at.until) for seq in seqs[:-1]] + [Point(last, end) for end in ends]


def apply(folder: Folder, engine: Engine, now: datetime) -> int:
    """Write the labels that the rules of models give up to now; gives how many.

    It does nothing while another process counts: what is left out is found the next time.
    """
    take_in(folder, engine)
    moment = microseconds(now)
    if not any(ruled.steps(moment) for ruled in _all(engine)) and not _struck(engine):
        return 0
    done = 0
    with hold(engine, "cells") as lease:  # who rewrites files holds it too
        if lease is None:
            return 0
        _let_go(engine, lease)
        with engine_room(folder) as connection:
            for ruled in _all(engine):
                before = ruled.at
                for after in ruled.steps(moment):
                    done += _step(folder, engine, connection, lease, (ruled, before, after))
                    before = after
    return done


def _all(engine: Engine) -> list[Ruled]:
    with engine.connect() as connection:
        query = sa.select(c.models.c.name, c.models.c.feedback).where(c.models.c.feedback.is_not(None))
        rules = {name: rule_of(json.loads(text)) for name, text in connection.execute(query.order_by(c.models.c.name))}
        return [
            Ruled(name, rule, _point(connection, name), _files(connection, name))
            for name, rule in rules.items()
            if rule is not None
        ]


def _struck(engine: Engine) -> list[str]:
    """List the watermarks of models whose rule was struck: their files would wait for it for ever."""
    with engine.connect() as connection:
        query = sa.select(c.models.c.name, c.models.c.feedback).where(c.models.c.feedback.is_not(None))
        names = [name for name, text in connection.execute(query) if not json.loads(text)]
        marks = c.watermarks.c.name
        chosen = sa.select(marks).where(marks.in_([f"{kind}{name}" for name in names for kind in (SEEN, EXPIRED)]))
        return list(connection.execute(chosen).scalars())


def _let_go(engine: Engine, lease: Lease) -> None:
    """Forget how far the models are whose rule was struck; a rule told later judges all that is there then."""
    if marks := _struck(engine):
        with writing(engine) as transaction:
            lease.check(transaction)
            transaction.execute(c.watermarks.delete().where(c.watermarks.c.name.in_(marks)))


def _point(connection: Connection, model: str) -> Point:
    query = sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(
        c.watermarks.c.name.in_((f"{SEEN}{model}", f"{EXPIRED}{model}"))
    )
    marks = {row.name: row.seq for row in connection.execute(query)}
    return Point(marks.get(f"{SEEN}{model}", 0), marks.get(f"{EXPIRED}{model}", FIRST))


def _files(connection: Connection, model: str) -> tuple[Part, ...]:
    files = c.files.c
    query = sa.select(POSITION, files.kind, files.path, files.rows, files.first, files.last).where(
        files.model == model,
        files.kind.in_(("predictions", "feedback")),
        files.removed.is_(None),
        files.first.is_not(None),
    )
    return tuple(Part(*row) for row in connection.execute(query.order_by(POSITION)))


def _cuts(sizes: Iterable[tuple[int, int]]) -> list[int]:
    """Part places with their rows into stretches of so many rows; gives the last place of each.

    >>> _cuts([(3, 600_000), (1, 600_000), (1, 300_000)])
    [1, 3]
    """
    found: list[int] = []
    held = 0
    for place, rows in sorted(sizes):
        if found and (held + rows <= BATCH_ROWS or place == found[-1]):
            found[-1] = place
            held += rows
        else:
            found.append(place)
            held = rows
    return found


def _step(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    lease: Lease,
    step: tuple[Ruled, Point, Point],
) -> int:
    """Write what changes between two points, and the new point, all or nothing; gives how many labels."""
    ruled, _, after = step
    _candidates(folder, connection, step)
    written = parquet.write(folder, connection, "labels", ruled.model, _labels(folder, connection, step), "time")
    with writing(engine) as transaction:
        lease.check(transaction)
        if written is not None:
            transaction.execute(c.files.insert(), [written])
        for name, value in ((SEEN, after.seq), (EXPIRED, after.until)):
            mark = insert(c.watermarks).values(name=f"{name}{ruled.model}", seq=value)
            transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"seq": value}))
    return 0 if written is None else int(str(written["rows"]))


def _candidates(folder: Folder, connection: duckdb.DuckDBPyConnection, step: tuple[Ruled, Point, Point]) -> None:
    """Make the table of the predictions that may get a label: new ones, those that expire, those something new happened to."""
    ruled, before, after = step
    served = [file for file in ruled.files if file.kind == "predictions" and file.seq <= after.seq]
    came = [file for file in ruled.files if file.kind == "feedback" and before.seq < file.seq <= after.seq]
    old = [file for file in served if file.seq <= before.seq]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE came AS SELECT environment, id, time FROM ({_rows(folder, came, 'event')})"
        f" WHERE event = {literal(ruled.rule.event)}"
    )
    first, last = _span(connection, "came")
    expires = f"time > {_moment(before.until)} AND time <= {_moment(after.until)}"
    fresh = _rows(folder, [file for file in served if file.seq > before.seq])
    expiring = _rows(folder, [file for file in old if file.last > before.until and file.first <= after.until])
    touched = _rows(folder, [file for file in old if file.last > first - ruled.rule.within and file.first <= last])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE candidates AS SELECT environment, id, time, bool_and(fresh) AS fresh FROM ("
        f" SELECT environment, id, time, true AS fresh FROM ({fresh}) WHERE time IS NOT NULL"
        f" UNION ALL SELECT environment, id, time, false FROM ({expiring}) WHERE {expires}"
        f" UNION ALL SELECT environment, id, time, false FROM ({touched}) SEMI JOIN came USING (environment, id) WHERE NOT ({expires})"
        ") GROUP BY environment, id, time"
    )


def _labels(folder: Folder, connection: duckdb.DuckDBPyConnection, step: tuple[Ruled, Point, Point]) -> str:
    """Write the SELECT of the labels that the candidates get; what an old event decided was written before."""
    ruled, before, after = step
    rule = ruled.rule
    first, last = _span(connection, "candidates")
    earlier = [
        file
        for file in ruled.files
        if file.kind == "feedback" and file.seq <= before.seq and file.last >= first and file.first < last + rule.within
    ]
    within = f"to_microseconds({rule.within})"
    return (
        f"WITH happened AS (SELECT environment, id, time, true AS new FROM came UNION ALL SELECT environment, id, time, false"
        f" FROM ({_rows(folder, earlier, 'event')}) WHERE event = {literal(rule.event)}), told AS ("
        " SELECT p.environment, p.id, p.time, p.fresh, coalesce(bool_or(NOT e.new), false) AND NOT p.fresh AS known,"
        " min(e.time) AS since FROM candidates p LEFT JOIN happened e"
        f" ON p.environment = e.environment AND p.id = e.id AND e.time >= p.time AND e.time < p.time + {within}"
        " GROUP BY p.environment, p.id, p.time, p.fresh)"
        f" SELECT id, CASE WHEN since IS NULL OR (NOT fresh AND time <= {_moment(before.until)}) THEN time + {within} ELSE since END AS time,"
        f" {literal(ruled.model)} AS model, environment,"
        f" CASE WHEN since IS NULL THEN {literal(rule.negative)} ELSE {literal(rule.positive)} END AS label FROM told WHERE NOT known"
        f" AND (since IS NOT NULL OR (time <= {_moment(after.until)} AND (fresh OR time > {_moment(before.until)})))"
    )


def _rows(folder: Folder, files: Sequence[Part], *more: str) -> str:
    """Write the SELECT of the environment, id and time of some files, and of what else they have."""
    if not files:
        empty = "".join(f", NULL::VARCHAR AS {name}" for name in more)
        return f"SELECT NULL::VARCHAR AS environment, NULL::VARCHAR AS id, NULL::TIMESTAMP AS time{empty} WHERE false"
    listed = ", ".join(literal(str(folder.tables / file.path)) for file in files)
    return (
        f"SELECT {', '.join(('environment', 'id', 'time', *more))} FROM read_parquet([{listed}], union_by_name = true)"
    )


def _span(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    """Give the first and the last time of a table, in µs; of none, a span that nothing lies in."""
    first, last = connection.execute(f"SELECT epoch_us(min(time)), epoch_us(max(time)) FROM {table}").fetchone() or (
        None,
        None,
    )
    return (1 << 62, -(1 << 62)) if first is None else (first, last)


def _moment(time: int) -> str:
    return f"make_timestamp({time})"
