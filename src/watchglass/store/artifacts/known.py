"""The catalog → artifact versions as records: what each is, what is kept of it, which run wrote it last; newest first, a page at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa

from watchglass.capture.keeping_place import checked, form_of, place_of
from watchglass.capture.keeping_read import read
from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.models import moment
from watchglass.store.places import next_word, place_after
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

KINDS = ("frame", "array", "file", "text", "json", "estimator")
_SHORTEST = 4
_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Artifact:
    """A version of an artifact: what it is, when it was first seen (UTC), what is kept of it, and the run that wrote it last.

    `policy` is hash (nothing but the version), profile, sample or full; `kept` is the name of the kept bytes and `file`
    where they lie on the store's machine. A quarantined version failed a test that says so.
    """

    name: str
    version: str
    kind: str | None
    rows: int | None
    columns: tuple[str, ...]
    bytes: int | None
    path: str | None
    preview: str | None
    time: datetime
    policy: str
    kept: str | None
    file: str | None
    profile: dict[str, object] | None
    quarantined: datetime | None
    run: str | None
    written: datetime | None

    def load(self, *, to: str | None = None, allow_pickle: bool = False, trusted: Sequence[str] = ()) -> object:
        """Give the value again, of a sample the sample; a file as its path, copied to `to` where that is named, a folder into `to`.

        Raises `BadInput` where nothing is kept, for a pickle without `allow_pickle`, for types of an estimator that are
        neither known as harmless nor `trusted`; `StoreError` for bytes that are gone or damaged; `MissingLibrary`.
        """
        if self.kept is None or self.file is None:
            message = (
                f"nothing is kept of version {self.version} of artifact {self.name!r} but its {self.policy}. "
                "Keep the next one: wg.save(thing, name), or run.write(thing, name, keep='full')"
            )
            raise BadInput(message)
        path = checked(self.file, self.kept)
        return read(path, form_of(self.kept), to=to, allow_pickle=allow_pickle, trusted=trusted)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """A page, those first seen last first; `next` is where the next one begins (`after`), None where there are no more."""

    artifacts: tuple[Artifact, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which versions are listed: of a name, of a kind, of which at least so much is kept, that a run read or wrote."""

    name: str | None = None
    kind: str | None = None
    policy: str | None = None
    run: str | None = None


def artifacts(folder: Folder, engine: Engine, wanted: Wanted, limit: int, after: str | None) -> Artifacts:
    """List versions, at most `limit`, those after the place `after`; raises `BadInput`, `UnknownName` for a run."""
    limit = checked_limit(limit)
    take_in(folder, engine)
    table = c.artifacts.c
    newest_first = (table.time.desc(), table.name.desc(), table.version.desc())
    query = sa.select(c.artifacts).order_by(*newest_first).limit(limit + 1)
    if wanted.run is not None:
        edges = (sa.select(edge.c.name, edge.c.version).where(edge.c.run == wanted.run) for edge in (c.reads, c.writes))
        of_run = sa.union(*edges).subquery()
        query = query.join(of_run, (of_run.c.name == table.name) & (of_run.c.version == table.version))
    for condition in _conditions(wanted):
        query = query.where(condition)
    if after is not None:
        query = query.where(
            sa.tuple_(table.time, table.name, table.version) < sa.tuple_(*place_after(after, int, str, str))
        )
    with engine.connect() as connection:
        if wanted.run is not None:
            _require_run(connection, wanted.run)
        rows = connection.execute(_with_writers(query)).all()
        found = [_record(folder, row._asdict()) for row in rows]
        last = found[limit - 1] if len(found) > limit else None
    return Artifacts(tuple(found[:limit]), None if last is None else _cursor(last))


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    table, found = c.artifacts.c, []
    if wanted.name is not None:
        found.append(table.name == wanted.name)
    if wanted.kind is not None:
        _one_of("kind", wanted.kind, KINDS)
        found.append(table.kind == wanted.kind)
    if wanted.policy is not None:
        _one_of("policy", wanted.policy, ("hash", "profile", "sample", "full"))
        found.append(table.policy.is_(None) if wanted.policy == "hash" else table.policy == wanted.policy)
    return found


def _one_of(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        message = f"{what} cannot be {value!r}: {', '.join(known)} would do"
        raise BadInput(message)


def _require_run(connection: Connection, run: str) -> None:
    if connection.execute(sa.select(c.runs.c.id).where(c.runs.c.id == run)).first() is None:
        recent = connection.execute(sa.select(c.runs.c.id).order_by(c.runs.c.started.desc()).limit(5)).scalars()
        raise UnknownName.named("run", run, recent, step="watchglass runs")


def _cursor(last: Artifact) -> str:
    return next_word(round(last.time.timestamp() * 1e6), last.name, last.version)


def artifact(folder: Folder, engine: Engine, name: str, version: str | None = None) -> Artifact:
    """Give a version, by default the one written last; the first four digits of a version or more will do.

    Raises `UnknownName` for an artifact or a version that is not recorded, `BadInput` where digits fit several.
    """
    take_in(folder, engine)
    with engine.connect() as connection:
        chosen = newest(connection, name) if version is None else _spelled(connection, name, version)
        if chosen is None:
            raise _unknown(connection, name, version)
        of = (c.artifacts.c.name == name) & (c.artifacts.c.version == chosen)
        row = connection.execute(_with_writers(sa.select(c.artifacts).where(of))).one()
        return _record(folder, row._asdict())


def newest(connection: Connection, name: str) -> str | None:
    """Give the version of a name that was written last, else the one that was first seen last."""
    written = sa.select(c.writes.c.version).where(c.writes.c.name == name, c.writes.c.version != "")
    seen = sa.select(c.artifacts.c.version).where(c.artifacts.c.name == name)
    for query, time in ((written, c.writes.c.time), (seen, c.artifacts.c.time)):
        found = connection.execute(query.order_by(time.desc()).limit(1)).scalar()
        if found is not None:
            return str(found)
    return None


def _spelled(connection: Connection, name: str, version: str) -> str | None:
    table = c.artifacts.c
    query = sa.select(table.version).where(table.name == name).order_by(table.version).limit(2)
    if connection.execute(query.where(table.version == version)).first() is not None:
        return version
    if set(version) <= set("0123456789abcdef"):  # so that the index is asked; "g" comes after all of them
        query = query.where(table.version >= version, table.version < version + "g")
    found = list(connection.execute(query.where(table.version.startswith(version, autoescape=True))).scalars())
    if len(found) > 1 and len(version) >= _SHORTEST:
        message = f"{version!r} fits several versions of artifact {name!r}, such as {found[0]} and {found[1]}: give more of its digits"
        raise BadInput(message)
    return found[0] if found and len(version) >= _SHORTEST else None


def _unknown(connection: Connection, name: str, version: str | None) -> UnknownName:
    table = c.artifacts.c
    known = list(connection.execute(sa.select(table.version).where(table.name == name).limit(12)).scalars())
    if version is not None and known:
        return UnknownName.named(f"version of artifact {name!r}", version, known, step=f"watchglass artifacts {name}")
    names = connection.execute(sa.select(table.name).distinct().limit(_NAMES)).scalars()
    return UnknownName.named("artifact", name, names, step="watchglass artifacts")


def _with_writers(query: sa.Select[tuple[object, ...]]) -> sa.Select[tuple[object, ...]]:
    """Add to the versions that a query chose the run that wrote each last; asked of these alone."""
    chosen = query.subquery()
    same = (c.writes.c.name == chosen.c.name) & (c.writes.c.version == chosen.c.version)
    last = sa.select(c.writes.c.run).where(same).order_by(c.writes.c.time.desc()).limit(1).scalar_subquery()
    written = sa.select(sa.func.max(c.writes.c.time)).where(same).scalar_subquery()
    order = (chosen.c.time.desc(), chosen.c.name.desc(), chosen.c.version.desc())
    return sa.select(chosen, last.label("run"), written.label("written")).order_by(*order)


def _object(text: str | None) -> dict[str, object] | None:
    """Read a profile; one that a forgetting has written over is none any more."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _record(folder: Folder, row: Mapping[str, object]) -> Artifact:
    def whole(name: str) -> int | None:
        return cast("int | None", row[name])

    def text(name: str) -> str | None:
        return cast("str | None", row[name]) or None

    def at(name: str) -> datetime | None:
        return None if row[name] is None else moment(cast("int", row[name]))

    kept, columns, profile = text("kept"), text("columns"), text("profile")
    return Artifact(
        name=str(row["name"]),
        version=str(row["version"]),
        kind=text("kind"),
        rows=whole("rows"),
        columns=tuple(json.loads(columns)) if columns else (),
        bytes=whole("bytes"),
        path=text("path"),
        preview=text("preview"),
        time=moment(cast("int", row["time"])),
        policy=text("policy") or "hash",
        kept=kept,
        file=place_of(str(folder.root), kept) if kept else None,
        profile=_object(profile),
        quarantined=at("quarantined"),
        run=text("run"),
        written=at("written"),
    )
