"""Versions of artifacts that failed a test after their run → a list by page, and a person's release of one: who, when, why.

A release is a line of the graph log, as all that people say of runs, and stands in the audit. It takes back the marks that
are known by then: a version that a later run writes again, and that fails again, is in quarantine again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, Final, cast

import sqlalchemy as sa

from watchglass.capture.times import now
from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.artifacts.known import Artifact
from watchglass.store.artifacts.quarantine_marks import refresh, refresh_if_new
from watchglass.store.graph import take_in
from watchglass.store.life import audit
from watchglass.store.lineage.flags import LONGEST, tell
from watchglass.store.models import moment
from watchglass.store.places import next_word, place_after
from watchglass.store.schemas.registered import checked_limit
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine, Row

    from watchglass.records import Json
    from watchglass.store.folder import Folder

    Rows = Sequence[Row[*tuple[object, ...]]]

_SHORTEST: Final = 4
_NAMED: Final = 12


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A version that a run wrote though a test of it failed: since when it is in quarantine, and what the failed tests said (`why`).

    `released` is when a person released it, None while it stands; then `released_by` and `reason` say who and why.
    """

    name: str
    version: str
    time: datetime
    run: str | None
    component: str | None
    why: tuple[str, ...]
    released: datetime | None
    released_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Quarantines:
    """A page, the newest first; `next` is where the next one begins (`after`), None where there are no more."""

    quarantines: tuple[Quarantine, ...]
    next: str | None


def _asked() -> sa.Select[*tuple[object, ...]]:
    q, r = c.quarantines, c.runs
    joined = q.outerjoin(r, r.c.id == q.c.run)
    return sa.select(q, r.c.component, r.c.tests).select_from(joined)


def quarantined(
    folder: Folder, engine: Engine, *, released: bool = False, limit: int = 100, after: str | None = None
) -> Quarantines:
    """List what is in quarantine, with `released` what was released too; raises `BadInput`."""
    limit, q = checked_limit(limit), c.quarantines.c
    query = _asked().order_by(q.time.desc(), q.name.desc(), q.version.desc()).limit(limit + 1)
    if not released:
        query = query.where(q.released.is_(None))
    if after is not None:
        query = query.where(sa.tuple_(q.time, q.name, q.version) < sa.tuple_(*place_after(after, int, str, str)))
    take_in(folder, engine)
    refresh_if_new(folder, engine)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    last = rows[limit - 1] if len(rows) > limit else None
    word = None if last is None else next_word(last.time, last.name, last.version)
    return Quarantines(tuple(_record(row) for row in rows[:limit]), word)


def release(
    folder: Folder, engine: Engine, what: str | Artifact, *, reason: str, who: str | None
) -> tuple[Quarantine, ...]:
    """Release a version: "name@version", a name of which one version alone is in quarantine, or an artifact's record.

    Gives the marks that were taken back. Raises `UnknownName` for what is not in quarantine, `BadInput` where a name or
    the first digits of a version fit several, or where no reason is given, `StoreError` when the log cannot be written.
    """
    for title, text, needed in (("reason", reason, True), ("who", who, False)):
        missing = needed and not (isinstance(text, str) and text.strip())
        if missing or (text is not None and (not isinstance(text, str) or len(text) > LONGEST)):
            message = f"{title} cannot be {text!r:.80}: a text of up to {LONGEST:,} characters would do"
            raise BadInput(message)
    take_in(folder, engine)
    refresh_if_new(folder, engine)
    with engine.connect() as connection:
        rows = _standing(connection, what)
    time, (name, version) = now(), (str(rows[0].name), str(rows[0].version))
    marked: list[Json] = [int(row.time) for row in rows]
    line = {"kind": "release", "name": name, "version": version, "marked": marked, "time": time}
    tell(folder, engine, [{**line, "who": who, "reason": reason}])
    record: dict[str, Json] = {"name": name, "version": version, "reason": reason, "marks": len(marked)}
    with writing(engine) as transaction:
        audit.note(transaction, "release", who, record, moment(time))
    refresh(folder, engine)
    return tuple(replace(_record(row), released=moment(time), released_by=who, reason=reason) for row in rows)


def _standing(connection: Connection, what: str | Artifact) -> Rows:
    """Find the marks that are meant, all of one version."""
    name, version = (what.name, what.version) if isinstance(what, Artifact) else _parted(connection, what)
    q = c.quarantines.c
    rows = connection.execute(_asked().where(q.name == name, q.released.is_(None)).order_by(q.time.desc())).all()
    if not rows:
        known = sa.select(q.name).where(q.released.is_(None)).order_by(q.time.desc()).limit(_NAMED)
        names = dict.fromkeys(connection.execute(known).scalars())
        noun, step = "artifact in quarantine", "watchglass quarantined"
        raise UnknownName.named(noun, name, names, step=step)
    versions = dict.fromkeys(str(row.version) for row in rows)
    chosen = [one for one in versions if version in (None, one)]
    if not chosen and version is not None and len(version) >= _SHORTEST:
        chosen = [one for one in versions if one.startswith(version)]
    listed = ", ".join([*versions][:_NAMED])
    if not chosen:
        noun = f"version of artifact {name!r} in quarantine"
        raise UnknownName.named(noun, str(version), versions, step="watchglass quarantined")
    if len(chosen) > 1:
        message = (
            f"several versions of artifact {name!r} are in quarantine: say which, {name}@VERSION. There are: {listed}"
        )
        raise BadInput(message)
    return [row for row in rows if row.version == chosen[0]]


def _parted(connection: Connection, what: object) -> tuple[str, str | None]:
    """Part "name@version" at its last sign, unless the whole is a name."""
    if not isinstance(what, str) or not what:
        message = f"what is released cannot be {what!r:.80}: name@version would do"
        raise BadInput(message)
    whole = sa.select(c.quarantines.c.name).where(c.quarantines.c.name == what).limit(1)
    name, _, version = what.rpartition("@")
    if not name or not version or connection.execute(whole).first() is not None:
        return what, None
    return name, version


def _record(row: Row[*tuple[object, ...]]) -> Quarantine:
    return Quarantine(
        name=row.name,
        version=row.version,
        time=moment(row.time),
        run=row.run,
        component=row.component,
        why=_why(row.tests),
        released=None if row.released is None else moment(row.released),
        released_by=row.released_by,
        reason=row.reason,
    )


def _why(tests: str | None) -> tuple[str, ...]:
    """Say what tests failed that put it there; a text that a forgetting has written over says nothing."""
    try:
        told = cast("object", json.loads(tests or "[]"))
    except ValueError:
        return ()
    failed = [
        one
        for one in (told if isinstance(told, list) else ())
        if isinstance(one, dict) and one.get("ok") is False and one.get("level") in ("quarantine", "block")
    ]
    return tuple(f"{one.get('name')}: {one.get('message')}" for one in failed)
