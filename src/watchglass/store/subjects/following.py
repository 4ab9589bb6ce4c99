"""A subject's tag → all that carries it: artifact versions, said and derived, runs that used them, models made of them, predictions.

Nothing of this is kept: it is worked out of reads and writes when it is asked for, so a tag that is said late, or a run whose
segment comes late, is followed as if it had come first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import UnknownName
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.life.forget_find import subject_columns
from watchglass.store.lineage.carriers import CLEAN, Carried, Used, closure
from watchglass.store.lineage.edges import parts
from watchglass.store.lineage.impact import predictions_of
from watchglass.store.lineage.models import content_of, made_by
from watchglass.store.models import moment
from watchglass.store.places import next_word, place_after
from watchglass.store.query import Question, ask
from watchglass.store.quoting import identifier
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_find import Column
    from watchglass.store.lineage.carriers import Closure

_NEAR: Final = 12


@dataclass(frozen=True, slots=True)
class Carrier:
    """A version of an artifact, or a name without one, that carries a tag: 0 runs away it was said of it (`said`), else derived.

    `run` wrote it, or said the tag; `path` is where a file lay, `kept` whether the store keeps bytes of it.
    """

    depth: int
    name: str
    version: str | None
    said: bool
    run: str | None
    time: datetime
    kind: str | None
    path: str | None
    kept: bool


@dataclass(frozen=True, slots=True)
class User:
    """A run that used what carries a tag: so many runs away, itself counted, and when it read first."""

    depth: int
    run: str
    component: str | None
    status: str | None
    time: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """All that carries a subject's tag, the nearest first: a page of artifact versions and runs together, counts of all.

    `next` is where the next page begins (`after`). `models` are the versions of models that these runs made or that carry the
    tag themselves, as (model, version); `predictions` counts those of these versions and those made in these runs, `own` the subject's own: those whose
    feature or tag with the purpose subject is the very tag; None where they were not asked for.
    """

    tag: str
    retracted: datetime | None
    block_after: datetime | None
    artifacts: tuple[Carrier, ...]
    runs: tuple[User, ...]
    next: str | None
    versions: int
    used: int
    models: tuple[tuple[str, str], ...]
    predictions: int | None
    own: int | None
    retracted_by: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a run or a version stands: of one distance the runs come first, then what they wrote, each by time."""

    depth: int
    kind: int
    time: int
    name: str
    version: str
    thing: Carried | Used = field(compare=False)

    def word(self) -> str:
        return next_word(self.depth, self.kind, self.time, self.name, self.version)

    @classmethod
    def after(cls, word: str) -> _Place:
        """Read such a word; raises `BadInput`."""
        depth, kind, time, name, version = place_after(word, int, int, int, str, str)
        return cls(int(depth), int(kind), int(time), str(name), str(version), Used(0, "", 0))


def subject(
    folder: Folder, engine: Engine, tag: str, *, limit: int = 50, after: str | None = None, predictions: bool = True
) -> Subject:
    """Follow a tag; raises `UnknownName`, which names near tags, and `BadInput`."""
    limit, place = checked_limit(limit), None if after is None else _Place.after(after)
    take_in(folder, engine)
    with engine.connect() as connection:
        t = c.retractions.c
        retraction = connection.execute(sa.select(t.time, t.block_after, t.who).where(t.tag == tag)).first()
        found = closure(connection, [tag])
        own = subject_columns(connection, None)
        if not found.carried and retraction is None and not own:
            raise _unknown(connection, tag)
        later = sorted(one for one in _places(found) if place is None or one > place)
        page = [one.thing for one in later[:limit]]
        carriers = _carriers(connection, [one for one in page if isinstance(one, Carried)])
        users = _users(connection, [one for one in page if not isinstance(one, Carried)])
        models = models_of(connection, found)
    count, mine = None, None
    if predictions:
        runs = [one.run for one in found.used]
        count = predictions_of(folder, engine, runs, models) if runs or models else 0
        mine = _own(folder, engine, own, tag)
    if not found.carried and retraction is None and mine == 0:
        with engine.connect() as connection:
            raise _unknown(connection, tag)
    return Subject(
        tag=tag,
        retracted=None if retraction is None else moment(retraction.time),
        block_after=None if retraction is None or retraction.block_after is None else moment(retraction.block_after),
        artifacts=carriers,
        runs=users,
        next=later[limit - 1].word() if len(later) > limit else None,
        versions=len(found.carried),
        used=len(found.used),
        models=models,
        predictions=count,
        own=mine,
        retracted_by=None if retraction is None else retraction.who,
    )


def _places(found: Closure) -> Iterator[_Place]:
    for one in found.used:
        yield _Place(one.depth, 0, one.time, one.run, "", one)
    for thing in found.carried:
        yield _Place(thing.depth, 1, thing.time, thing.name, thing.version, thing)


def _unknown(connection: Connection, tag: str) -> UnknownName:
    s = c.subject_tags.c
    known = sa.select(s.tag).where(s.tag != CLEAN).distinct().order_by(s.tag)
    near = [*connection.execute(known.where(s.tag >= tag).limit(_NEAR)).scalars(), *connection.execute(known.limit(_NEAR)).scalars()]  # fmt: skip
    return UnknownName.named("subject", tag, dict.fromkeys(near), step="watchglass subjects")


def _carriers(connection: Connection, page: Sequence[Carried]) -> tuple[Carrier, ...]:
    t = c.artifacts.c
    about = {}
    if page:
        keys = sa.tuple_(t.name, t.version).in_([(one.name, one.version) for one in page])
        rows = connection.execute(sa.select(t.name, t.version, t.kind, t.path, t.kept).where(keys))
        about = {(row.name, row.version): row for row in rows}
    found = []
    for one in page:
        row = about.get((one.name, one.version))
        kind, path, kept = (None, None, None) if row is None else (row.kind, row.path, row.kept)
        found.append(
            Carrier(one.depth, one.name, one.version or None, one.depth == 0, one.run or None, moment(one.time), kind, path, bool(kept))
        )  # fmt: skip
    return tuple(found)


def _users(connection: Connection, page: Sequence[Used]) -> tuple[User, ...]:
    t = c.runs.c
    query = sa.select(t.id, t.component, t.status).where(t.id.in_([one.run for one in page]))
    about = {row.id: (row.component, row.status) for row in connection.execute(query)}
    return tuple(User(one.depth, one.run, *about.get(one.run, (None, None)), moment(one.time)) for one in page)


def models_of(connection: Connection, found: Closure) -> tuple[tuple[str, str], ...]:
    """Name the versions of models that runs declared which used it, or that are versions of artifacts which carry it."""
    v = c.model_versions
    models: set[tuple[str, str]] = set()
    for part in parts([one.run for one in found.used]):
        models |= made_by(connection, part, clean=False)
    said = [(one.name, one.version) for one in found.carried if one.depth == 0]
    for first in range(0, len(said), 1000):
        keys = said[first : first + 1000]
        same = sa.tuple_(v.c.artifact, sa.func.coalesce(content_of(v), "")).in_(keys)
        of = sa.select(v.c.model, v.c.version).where(v.c.artifact.in_({name for name, _ in keys}), same)
        models |= {(row.model, row.version) for row in connection.execute(of)}
    return tuple(sorted(models))


def _own(folder: Folder, engine: Engine, columns: Sequence[Column], tag: str) -> int:
    """Count the predictions about the subject itself, each once."""
    wanted: dict[str, list[str]] = {}
    for one in columns:
        value = f"{one.role}s.{identifier(one.name)}"
        same = f"{value} = TRY_CAST($tag AS DOUBLE)" if one.type == "number" else f"{value}::VARCHAR = $tag"
        wanted.setdefault(one.model, []).append(same)
    number = 0
    for model, conditions in wanted.items():
        sql = f"SELECT count(*) AS n FROM predictions WHERE {' OR '.join(conditions)}"
        number += int(str(ask(folder, engine, Question(sql, model, {"tag": tag})).rows()[0]["n"]))
    return number
