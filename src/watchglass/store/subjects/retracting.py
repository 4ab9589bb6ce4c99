"""A subject's tag that is taken back → from then on who reads what carries it is warned, after the grace stopped where he wants so; and who did."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.capture.subjects import tags_of
from watchglass.capture.times import now
from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.life import audit
from watchglass.store.lineage.carriers import CLEAN, closure
from watchglass.store.lineage.edges import producers
from watchglass.store.lineage.flags import tell
from watchglass.store.models import microseconds, moment
from watchglass.store.places import next_word, place_after
from watchglass.store.runs.moments import length_of
from watchglass.store.schemas.registered import checked_limit
from watchglass.store.subjects.marks import refresh, refresh_if_new
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.audit import Audits
    from watchglass.store.lineage.carriers import Closure

NAMED_IN_AUDIT = 100
LONGEST = 500
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Retraction:
    """A tag that was retracted, by whom and when; who wants so is stopped from `block_after` on, None: he is warned for ever.

    `versions` of artifacts carry it, and in `uses` runs something that carries it was read since.
    """

    tag: str
    time: datetime
    block_after: datetime | None
    who: str | None
    versions: int
    uses: int


@dataclass(frozen=True, slots=True)
class Retractions:
    """A page, the newest first; `next` is where the next one begins (`after`), None where there are no more."""

    retractions: tuple[Retraction, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """A run that read something that carries a tag after it was retracted: what it read first of it, and how that went.

    `blocked` says that it was stopped there, `overdue` that the grace was over.
    """

    tag: str
    run: str
    component: str | None
    name: str | None
    version: str | None
    time: datetime
    overdue: bool
    blocked: bool


@dataclass(frozen=True, slots=True)
class Uses:
    """A page of uses, the newest first; `next` is where the next one begins (`after`), None where there are no more."""

    uses: tuple[Use, ...]
    next: str | None


def retract(folder: Folder, engine: Engine, tag: str, *, who: str | None, grace: str | timedelta | None) -> Retraction:
    """Retract a tag, as the log and the audit keep it; one that was retracted before has the time of then, and the new end of grace.

    It need not have been said yet. Raises `BadInput`, `StoreError` when the log cannot be written.
    """
    (tag,) = tags_of(tag, "a retraction") if isinstance(tag, str) else (_refused(tag),)
    if who is not None and (not isinstance(who, str) or len(who) > LONGEST):
        message = f"who cannot be {who!r:.80}: a text of up to {LONGEST} characters would do"
        raise BadInput(message)
    length = None if grace is None else length_of(grace, "grace")
    take_in(folder, engine)
    begun = now()
    moment_of_end = None if length is None else begun + round(length.total_seconds() * 1e6)
    tell(folder, engine, [{"kind": "retraction", "tag": tag, "time": begun, "block_after": moment_of_end, "who": who}])
    refresh(folder, engine)
    with engine.connect() as connection:
        found = _retractions(connection, tag=tag)[0]
    record = {
        "block_after": None if found.block_after is None else found.block_after.isoformat(),
        "versions": found.versions,
    }
    with writing(engine) as transaction:
        audit.note(transaction, "retraction", who, {"retracted": microseconds(found.time), **record}, moment(begun))
    return found


def _refused(tag: object) -> str:
    message = f"a tag cannot be {tag!r:.80}: one text would do"
    raise BadInput(message)


def retractions(folder: Folder, engine: Engine, *, limit: int = 100, after: str | None = None) -> Retractions:
    """List retractions, with how much carries each and how often it was used since; raises `BadInput`."""
    limit = checked_limit(limit)
    take_in(folder, engine)
    refresh_if_new(folder, engine)
    with engine.connect() as connection:
        found = _retractions(connection, limit + 1, None if after is None else _place(after))
    last = found[limit - 1] if len(found) > limit else None
    return Retractions(tuple(found[:limit]), None if last is None else _word(microseconds(last.time), last.tag))


def _word(time: int, text: str) -> str:
    return f"{time}~{text}"


def _place(after: str) -> tuple[int, str]:
    time, sign, text = str(after).partition("~")
    if not sign or not time.lstrip("-").isdecimal():
        message = f"after cannot be {str(after)[:80]!r}: the `next` of the page before would do"
        raise BadInput(message)
    return int(time), text


def _retractions(
    connection: Connection, limit: int = 1, place: tuple[int, str] | None = None, tag: str | None = None
) -> list[Retraction]:
    t = c.retractions.c
    query = sa.select(c.retractions).order_by(t.time.desc(), t.tag.desc()).limit(limit)
    if place is not None:
        query = query.where(sa.tuple_(t.time, t.tag) < sa.tuple_(*place))
    if tag is not None:
        query = query.where(t.tag == tag)
    found = []
    for row in connection.execute(query).all():
        carrying = closure(connection, [row.tag])
        end = None if row.block_after is None else moment(row.block_after)
        uses = len(_late(connection, carrying, row.time))
        found.append(Retraction(row.tag, moment(row.time), end, row.who, len(carrying.carried), uses))
    return found


def _late(connection: Connection, carrying: Closure, since: int) -> list[tuple[int, str]]:
    """Give the runs that read something that carries the tag after a time, and when they did first, the newest first."""
    runs = [one.run for one in carrying.used]
    carried = {(one.name, one.version) for one in carrying.carried}
    makers = _makers(connection, [(one.name, one.version) for one in carrying.carried if one.depth == 0])
    s = c.subject_tags.c
    clean = {(row.name, row.version) for row in connection.execute(sa.select(s.name, s.version).where(s.tag == CLEAN))}
    used, found = set(runs), dict[str, int]()
    for edge in producers(connection, runs):
        read = (edge.name, edge.version or "")
        derived = edge.producer in used and read not in clean
        if edge.time > since and (read in carried or derived or (edge.producer, edge.name) in makers):
            found[edge.run] = min(edge.time, found.get(edge.run, edge.time))
    return sorted(((time, run) for run, time in found.items()), reverse=True)


def _makers(connection: Connection, said: Sequence[tuple[str, str]]) -> set[tuple[str | None, str]]:
    """Give who wrote, under which name, the versions that the tag was said of: of these a read by name alone may be."""
    w, found = c.writes.c, set[tuple[str | None, str]]()
    for first in range(0, len(said), _AT_ONCE):
        query = sa.select(w.run, w.name).where(sa.tuple_(w.name, w.version).in_(said[first : first + _AT_ONCE]))
        found |= {(row.run, row.name) for row in connection.execute(query)}
    return found


def uses(folder: Folder, engine: Engine, tag: str | None = None, *, limit: int = 50, after: str | None = None) -> Uses:
    """List the runs that read what carries a tag, or any, after it was retracted; raises `UnknownName` for one that was not, `BadInput`."""
    limit, place = checked_limit(limit), None if after is None else place_after(after, int, str, str)
    take_in(folder, engine)
    t = c.retractions.c
    with engine.connect() as connection:
        rows = connection.execute(sa.select(c.retractions).where(*([] if tag is None else [t.tag == tag]))).all()
        if tag is not None and not rows:
            known = connection.execute(sa.select(t.tag).order_by(t.time.desc()).limit(LONGEST)).scalars()
            noun, step = "retracted tag", "watchglass retracted"
            raise UnknownName.named(noun, tag, known, step=step)
        late = [
            (time, run, row.tag)
            for row in rows
            for time, run in _late(connection, closure(connection, [row.tag]), row.time)
        ]
        later = sorted((one for one in late if place is None or one < place), reverse=True)
        ends = {row.tag: row.block_after for row in rows}
        found = _uses(connection, later[:limit], ends)
    last = later[limit - 1] if len(later) > limit else None
    return Uses(found, None if last is None else next_word(*last))


def _uses(connection: Connection, page: Sequence[tuple[int, str, str]], ends: dict[str, int | None]) -> tuple[Use, ...]:
    t = c.runs.c
    ids = list(dict.fromkeys(run for _, run, _ in page))
    about = {
        row.id: row for row in connection.execute(sa.select(t.id, t.component, t.tests, t.status).where(t.id.in_(ids)))
    }
    read = {(edge.run, edge.time): edge for edge in producers(connection, ids)}
    found = []
    for time, run, tag in page:
        row, edge, end = about.get(run), read.get((run, time)), ends[tag]
        found.append(
            Use(
                tag=tag,
                run=run,
                component=None if row is None else row.component,
                name=None if edge is None else edge.name or None,
                version=None if edge is None else edge.version,
                time=moment(time),
                overdue=end is not None and time >= end,
                blocked=row is not None and _blocked(row.tests),
            )
        )
    return tuple(found)


def _blocked(tests: str | None) -> bool:
    """Say whether a run was stopped by what it read, as its own tests tell."""
    told = json.loads(tests or "[]")
    return any(
        isinstance(one, dict) and one.get("level") == "block" and str(one.get("name", "")).startswith("retraction of ")
        for one in told
    )


def with_uses(folder: Folder, engine: Engine, page: Audits) -> Audits:
    """Put into the records of retractions whose tag it is and who used what carries it since: the first hundred, and how many."""
    wanted = [one for one in page.audits if one.action == "retraction"]
    if not wanted:
        return page
    take_in(folder, engine)
    with engine.connect() as connection:
        tags = {row.time: row for row in connection.execute(sa.select(c.retractions))}
    told = {}
    for one in wanted:
        row = tags.get(one.record.get("retracted"))
        if row is not None:
            with engine.connect() as connection:
                late = [
                    (time, run, row.tag) for time, run in _late(connection, closure(connection, [row.tag]), row.time)
                ]
                named = _uses(connection, late[:NAMED_IN_AUDIT], {row.tag: row.block_after})
            listed = [{"run": use.run, "component": use.component, "name": use.name, "time": use.time.isoformat(), "overdue": use.overdue, "blocked": use.blocked} for use in named]  # fmt: skip
            told[one.id] = {**one.record, "tag": row.tag, "used": len(late), "uses": listed}
    return replace(page, audits=tuple(replace(one, record=told.get(one.id, one.record)) for one in page.audits))
