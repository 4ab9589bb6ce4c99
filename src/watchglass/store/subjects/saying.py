"""An output, and of whom it is → a tag kept in the log as all that people say of runs; the tags that there are, by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.capture.subjects import CLEAN, events, tags_of
from watchglass.capture.times import now
from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.dialects import place_in
from watchglass.store.graph import take_in
from watchglass.store.lineage.flags import tell
from watchglass.store.lineage.names import newest_write, unknown_output
from watchglass.store.models import moment
from watchglass.store.schemas.registered import checked_limit
from watchglass.store.subjects.marks import refresh_if_new

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

_NAMED: Final = 12


@dataclass(frozen=True, slots=True)
class Tagged:
    """What was said of a version of an artifact, None where only its name is known: whose it is; no tags: it is of nobody."""

    name: str
    version: str | None
    tags: tuple[str, ...]
    time: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """A tag: of how many artifact versions it was said, when first, and when it was retracted, if it was."""

    tag: str
    versions: int
    time: datetime
    retracted: datetime | None


@dataclass(frozen=True, slots=True)
class Subjects:
    """A page of tags in the order of the alphabet; `next` is where the next one begins (`after`), None where there are no more."""

    subjects: tuple[Said, ...]
    next: str | None


def tag(folder: Folder, engine: Engine, name: str, version: str | None, tags: str | Iterable[str]) -> Tagged:
    """Say of whom a version is, or the newest; of a name that only was read, the version that was read last.

    The tags are kept beside those that were said before. Raises `UnknownName` for what nobody read or wrote, `BadInput`.
    """
    wanted = tags_of(tags, name)
    take_in(folder, engine)
    with engine.connect() as connection:
        chosen = _version(connection, name, version)
    time = now()
    tell(folder, engine, events(name, chosen, wanted, None, time))
    refresh_if_new(folder, engine)
    return Tagged(name, chosen or None, tuple(one for one in wanted if one != CLEAN), moment(time))


def _version(connection: Connection, name: str, version: str | None) -> str:
    """Find the version that is meant, among what was written and what was read."""
    if not isinstance(name, str) or not name:
        message = f"name cannot be {name!r:.80}: an artifact's name would do"
        raise BadInput(message)
    written = newest_write(connection, name, version)
    if written is not None:
        return str(written.version)
    r = c.reads.c
    query = sa.select(r.version).where(r.name == name, *([] if version is None else [r.version == version]))
    found = connection.execute(query.order_by(r.time.desc()).limit(1)).scalar()
    if found is not None:
        return str(found)
    each = (
        sa.select(table.c.version).where(table.c.name == name).distinct().limit(_NAMED) for table in (c.writes, c.reads)
    )
    known = dict.fromkeys(one for query in each for one in connection.execute(query).scalars())
    if version is None or not known:
        raise unknown_output(connection, name, "artifact")
    noun, step = f"version of artifact {name!r}", f"watchglass artifacts {name}"
    raise UnknownName.named(noun, version, known, step=step)


def subjects(
    folder: Folder, engine: Engine, *, search: str | None = None, limit: int = 100, after: str | None = None
) -> Subjects:
    """List the tags that were said or retracted, with `search` those that have it in them; raises `BadInput`."""
    limit = checked_limit(limit)
    take_in(folder, engine)
    s, r = c.subject_tags.c, c.retractions
    names = sa.union(sa.select(s.tag).where(s.tag != CLEAN), sa.select(r.c.tag)).subquery()
    listed = sa.select(names.c.tag).order_by(names.c.tag).limit(limit + 1)
    if search:
        listed = listed.where(place_in(names.c.tag, search) > 0)
    if after is not None:
        listed = listed.where(names.c.tag > after)
    page = listed.subquery()
    versions = sa.select(s.tag, s.name, s.version, sa.func.min(s.time).label("time")).where(s.tag.in_(sa.select(page.c.tag)))  # fmt: skip
    each = versions.group_by(s.tag, s.name, s.version).subquery()
    query = (
        sa.select(page.c.tag, sa.func.count(each.c.name).label("versions"), sa.func.min(each.c.time).label("time"), r.c.time.label("retracted"))
        .select_from(page.outerjoin(each, each.c.tag == page.c.tag).outerjoin(r, r.c.tag == page.c.tag))
        .group_by(page.c.tag, r.c.time)
        .order_by(page.c.tag)
    )  # fmt: skip
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    found = tuple(
        Said(row.tag, row.versions, moment(row.retracted if row.time is None else row.time), None if row.retracted is None else moment(row.retracted))
        for row in rows[:limit]
    )  # fmt: skip
    return Subjects(found, found[-1].tag if len(rows) > limit else None)
