"""An output that is wrong → its flag, kept until it is taken back: lines of the graph log, as all that people say of runs.

A flag is a line like any other, so it outlives a broken catalog as long as its segment lies in the log, is shipped with it
and forgotten with it. What is flagged is a version; of an output without versions the write that was the newest then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, Final, TypeAlias

import sqlalchemy as sa

from watchglass.capture.encode import line
from watchglass.capture.segment import new_file, prepare
from watchglass.capture.times import now
from watchglass.errors import BadInput, StoreError, UnknownName
from watchglass.receive.committer import publish
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.names import newest_write, unknown_output
from watchglass.store.models import moment
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine, Row

    from watchglass.store.folder import Folder

Rows: TypeAlias = "Sequence[Row[*tuple[object, ...]]]"
LONGEST: Final = 10_000


def _flags() -> sa.Select[*tuple[object, ...]]:
    """Ask for flags and who wrote what is flagged: the newest write before the flag, else the newest of all."""
    same = sa.select(c.writes.c.run).where(c.writes.c.name == c.flags.c.name, c.writes.c.version == c.flags.c.version)
    newest = same.order_by(c.writes.c.time.desc(), c.writes.c.run.desc()).limit(1)
    before = newest.where(c.writes.c.time <= c.flags.c.time)
    return sa.select(c.flags, sa.func.coalesce(before.scalar_subquery(), newest.scalar_subquery()).label("run"))


_FLAGS: Final = _flags()


@dataclass(frozen=True, slots=True)
class Flag:
    """An output that somebody flagged: `version` is None where it has none; `run` is the run that wrote it, None where that is gone.

    `removed` is when the flag was taken back, None while it stands.
    """

    name: str
    version: str | None
    time: datetime
    who: str | None
    note: str | None
    removed: datetime | None
    run: str | None


@dataclass(frozen=True, slots=True)
class Flags:
    """A page of flags, the newest first; `next` is where the next one begins (`after`), None where there are no more."""

    flags: tuple[Flag, ...]
    next: str | None


def flag(folder: Folder, engine: Engine, name: str, version: str | None, *, note: str | None, who: str | None) -> Flag:
    """Flag a version of an output, or its newest; one that is flagged already stays as it was, unless a note is new.

    Raises `UnknownName` for an output that nobody wrote, `StoreError` when the log cannot be written.
    """
    for what, text in (("note", note), ("who", who)):
        if text is not None and (not isinstance(text, str) or len(text) > LONGEST):
            message = f"{what} cannot be {text!r:.80}: a text of up to {LONGEST:,} characters would do"
            raise BadInput(message)
    take_in(folder, engine)
    with engine.connect() as connection:
        written = newest_write(connection, name, version)
        if written is None:
            raise _unwritten(connection, name, version)
        standing = standing_flags(connection, name, written.version)
    for row in standing:
        if note in (None, row.note):
            return _flag(row)
    made = {"name": name, "version": written.version, "time": now(), "who": who, "note": note}
    tell(folder, engine, [{"kind": "flag", **made}])
    return Flag(name, written.version or None, moment(int(str(made["time"]))), who, note, None, written.run)


def unflag(
    folder: Folder, engine: Engine, name: str | None, version: str | None = None, *, who: str | None = None
) -> tuple[Flag, ...]:
    """Take back the flags of an output, of one version of it, or, with None, all; gives those that were taken back.

    Raises `UnknownName` for an output that is not flagged.
    """
    take_in(folder, engine)
    with engine.connect() as connection:
        rows = standing_flags(connection, name, version)
        if name is not None and not rows:
            known = sa.select(c.flags.c.name).where(c.flags.c.removed.is_(None))
            noun, step = "flagged output", "watchglass flag --list"
            raise UnknownName.named(noun, name, connection.execute(known).scalars(), step=step)
        found = [_flag(row) for row in rows]
    moments: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        moments.setdefault((row.name, row.version), []).append(row.time)
    time = now()
    tell(
        folder,
        engine,
        [
            {"kind": "unflag", "name": of, "version": which, "flagged": flagged, "time": time, "who": who}
            for (of, which), flagged in moments.items()
        ],
    )
    return tuple(replace(one, removed=moment(time)) for one in found)


def flags(
    folder: Folder, engine: Engine, *, removed: bool = False, limit: int = 100, after: str | None = None
) -> Flags:
    """List the flags that stand, with `removed` those that were taken back too, the newest first; raises `BadInput`."""
    limit, t = checked_limit(limit), c.flags.c
    query = _FLAGS.order_by(t.time.desc(), t.name, t.version).limit(limit + 1)
    if not removed:
        query = query.where(t.removed.is_(None))
    if after is not None:
        time, name, version = _place(after)
        later = (t.name > name) | ((t.name == name) & (t.version > version))
        query = query.where((t.time < time) | ((t.time == time) & later))
    take_in(folder, engine)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
        found = tuple(_flag(row) for row in rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    return Flags(found, None if last is None else f"{last.time}~{len(last.name)}~{last.name}{last.version}")


def _place(word: str) -> tuple[int, str, str]:
    time, _, rest = str(word).partition("~")
    length, _, names = rest.partition("~")
    if not (time.lstrip("-").isdecimal() and length.isdecimal()):
        message = f"after cannot be {str(word)[:80]!r}: the `next` of a page of flags would do"
        raise BadInput(message)
    return int(time), names[: int(length)], names[int(length) :]


def standing_flags(connection: Connection, name: str | None = None, version: str | None = None) -> Rows:
    """List the flags that stand, of all outputs or of one, each with the run that wrote what is flagged; the newest first."""
    t = c.flags.c
    query = _FLAGS.where(t.removed.is_(None)).order_by(t.time.desc(), t.name, t.version)
    if name is not None:
        query = query.where(t.name == name)
    if version is not None:
        query = query.where(t.version == version)
    return connection.execute(query).all()


def _flag(row: Row[*tuple[object, ...]]) -> Flag:
    removed = None if row.removed is None else moment(row.removed)
    return Flag(row.name, row.version or None, moment(row.time), row.who, row.note, removed, row.run)


def _unwritten(connection: Connection, name: str, version: str | None) -> UnknownName:
    if newest_write(connection, name) is None:
        return unknown_output(connection, name)
    w = c.writes.c
    newest = sa.select(w.version).where(w.name == name).order_by(w.time.desc()).limit(12)
    known = [one or "(none: it is declared by name)" for one in connection.execute(newest).scalars()]
    return UnknownName.named(
        f"version of {name!r}", str(version), dict.fromkeys(known), step="watchglass trace " + name
    )


def tell(folder: Folder, engine: Engine, events: Sequence[Mapping[str, object]]) -> None:
    """Bring events into the graph log, on the disk, and into the catalog."""
    if not events:
        return
    with engine.connect() as connection, connection.begin():
        root = str(folder.root)  # a catalog of a newer package refuses here, before the log is written
    try:
        publish(prepare(root, "graph"), new_file("graph"), [line(event) for event in events])
    except OSError as error:
        message = (
            f"the log of {root!r} cannot be written: {error}. What people say is kept in it: is the folder writable?"
        )
        raise StoreError(message) from error
    take_in(folder, engine)
