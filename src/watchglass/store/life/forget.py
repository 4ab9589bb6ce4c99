"""A person, a prediction or a condition → a store without those rows: no byte of them in files, log, cells or catalog, and a record that says so."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.life import (
    audit,
    forget_carried,
    forget_catalog,
    forget_graph,
    forget_leftovers,
    forget_texts,
    forget_told,
)
from watchglass.store.life.forget_asked import Asked, asked, sealed
from watchglass.store.life.forget_carried import Carried, carried
from watchglass.store.life.forget_files import IDS, Rewritten, aggregated, doomed, rewrite, touched
from watchglass.store.life.forget_find import found_keys
from watchglass.store.life.forget_held import held
from watchglass.store.life.forget_keys import Sought
from watchglass.store.life.forget_log import Blanked, blank
from watchglass.store.life.forget_mentions import without
from watchglass.store.life.forget_plan import Plan, done, planned, table_of, unfinished
from watchglass.store.life.forget_texts import INSTEAD
from watchglass.store.parquet import delete
from watchglass.store.segments import names_taken, opened
from watchglass.store.subjects.marks import refresh
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Json
    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_held import Held
    from watchglass.store.segments import Segment

__all__ = ["Asked", "Forgotten", "asked", "forget"]
_NOT_LOOKED_AT = ("the bytes of artifacts", "backups", "exports")
_UNMODELLED = ""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed: rows by kind, of how many ids of which models, and what had to be written anew for it.

    `files` were rewritten or deleted, of them `cells` held counts; `segments` of the log had `lines` overwritten;
    `rejected` kept lines were wiped; `quarantined` files were deleted, `unread` ones there could not be looked into.
    `metrics` points and `logs` lines went because they tell the name or an id; in `wiped` places of the catalog and
    of the graph's log (such as runs.params) something else stands for it now, in so many rows; in those of `left`
    (names, keys, and what is too short to mean one thing) it stands still.
    `aggregates` is the least number of rows that a day has whose rows are gone already while its counts stay; None:
    there is no such day. `carried` artifact versions carry the subject's tag, by derivation too: of them `kept` files of
    bytes were deleted, previews and profiles wiped; what lies `outside` the store (files, models) carries it still. `not_looked_at` may hold more of the same. A `dry` run removed nothing and has no `audit`.
    """

    predictions: int
    labels: int
    feedback: int
    metrics: int
    logs: int
    ids: int
    models: tuple[str, ...]
    files: int
    cells: int
    segments: int
    lines: int
    rejected: int
    wiped: dict[str, int]
    left: dict[str, int]
    quarantined: int
    unread: int
    aggregates: int | None
    carried: int
    kept: int
    outside: tuple[str, ...]
    not_looked_at: tuple[str, ...]
    seconds: float
    dry: bool
    audit: int | None


@dataclass(slots=True)
class _Work:
    """An open store that is held still."""

    folder: Folder
    engine: Engine
    connection: duckdb.DuckDBPyConnection
    held: Held
    begun: float


def forget(
    folder: Folder,
    engine: Engine,
    about: Asked,
    *,
    dry: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Forgotten:
    """Remove all rows of the ids that are meant; a run that was killed before is finished first.

    What is sealed in the log is moved into the tables and counted before, in a `dry` run too, which removes nothing.
    `progress` is told the steps that are done and those there are. Raises `BadInput`, `UnknownName`, `StoreError`.
    """
    begun = time.monotonic()
    with (
        held(folder, engine, progress) as holding,
        engine_room(folder) as connection,
        forget_leftovers.room_to_spill(folder, connection),
    ):
        connection.execute("SET preserve_insertion_order = true")
        work = _Work(folder, engine, connection, holding, begun)
        for plan in [] if dry else unfinished(folder):
            _carry_out(work, plan)
        with opened(folder.row_log) as segments:
            keys = found_keys(folder, engine, connection, _live(engine, segments), about)
        if dry:
            return _looked_at(work, Plan("", about, keys))
        return _carry_out(work, planned(folder, about, keys))


def _live(engine: Engine, segments: Sequence[Segment]) -> list[Segment]:
    """Choose the segments of lines that are not in the tables."""
    with engine.connect() as connection:
        taken = names_taken(connection, [segment.name for segment in segments])
    return [segment for segment in segments if segment.name not in taken and segment.sidecar is None]


def _sought(work: _Work, plan: Plan) -> Sought:
    """Say what else is looked for than the rows."""
    columns = c.columns.c
    with work.engine.connect() as catalog:
        names = catalog.execute(sa.select(columns.name).where(columns.purpose == "subject")).scalars().all()
    return Sought(plan.asked, plan.keys.ids, frozenset(names))


def _blanked(work: _Work, plan: Plan, sought: Sought, *, dry: bool) -> Blanked:
    with opened(work.folder.row_log) as segments:
        return blank(_live(work.engine, segments), plan.keys, sought, dry=dry)


def _masked(work: _Work, sought: Sought, found: Carried, plan: str, *, dry: bool) -> dict[str, int]:
    with opened(work.folder.graph_log) as segments:
        lines = forget_carried.mask(segments, sought, found, plan, dry=dry)
    with opened(work.folder.graph_log) as segments:  # read anew
        lines += forget_graph.mask(segments, sought, dry=dry)
    return {"log/graph": lines} if lines else {}


def _carried(work: _Work, sought: Sought) -> Carried:
    with work.engine.connect() as catalog:
        return carried(catalog, sought)


def _looked_at(work: _Work, plan: Plan) -> Forgotten:
    """Count what would go."""
    counted, sought = Rewritten(), _sought(work, plan)
    for model in plan.models:
        table_of(work.connection, plan, model, IDS)
        with work.engine.connect() as catalog:
            for file in touched(work.folder, catalog, work.connection, model):
                counted.add(file.kind, doomed(work.connection, file))
    forget_told.prepare(work.connection, sought)
    for file in forget_told.told_files(work.folder, work.engine):
        counted.add(file.kind, forget_told.doomed_told(work.connection, file, sought))
    told = _record(work, plan, [counted], _blanked(work, plan, sought, dry=True))
    found = _carried(work, sought)
    with work.engine.connect() as catalog:
        wiped, left = forget_texts.wipe(catalog, sought, dry=True)
        rejected = forget_catalog.kept_lines(catalog, plan, sought, dry=True)
    return replace(
        _reaching(told, found),
        rejected=rejected,
        wiped={**(wiped + found.places), **_masked(work, sought, found, plan.name, dry=True)},
        left={**left, **forget_leftovers.named_files(work.folder, sought)},
    )


def _carry_out(work: _Work, plan: Plan) -> Forgotten:
    """Do what a plan says; each part may be done again, so that a kill at any point leaves what the next run finishes."""
    changed: dict[str, Rewritten] = {}
    sought = _sought(work, plan)
    try:
        for model in plan.models:
            table_of(work.connection, plan, model, IDS)
            changed[model] = rewrite(work.folder, work.engine, work.connection, model, work.held)
        args = (work.folder, work.engine, work.connection, sought)
        forget_told.prepare(work.connection, sought)
        changed[_UNMODELLED] = forget_told.rewrite_told(*args, work.held)
        found = _carried(work, sought)
        mirrors = forget_told.mirrors_hold(*args) or found.found
        quarantine = forget_leftovers.search_quarantine(work.folder, sought)
        told = _record(work, plan, list(changed.values()), _blanked(work, plan, sought, dry=True), quarantine)
        told = _reaching(
            replace(told, wiped=_masked(work, sought, found, plan.name, dry=False)), found
        )  # before the catalog: nobody takes it in again
        told = _published(work, plan, _Gone(sought, found, changed, mirrors), told)
    except BaseException:
        _drop_unlisted(work, changed)
        raise
    forget_leftovers.sweep(work.folder, work.engine)
    with work.engine.connect() as catalog:
        forget_carried.delete_bytes(work.folder, catalog, told.audit)
    if found.found:
        refresh(work.folder, work.engine)
    _blanked(work, plan, sought, dry=False)
    forget_catalog.tell_readers(work.engine)
    forget_leftovers.empty_rooms(work.folder)
    forget_catalog.scrub(work.engine)
    done(work.folder, plan)
    return replace(told, seconds=time.monotonic() - work.begun)


def _drop_unlisted(work: _Work, changed: dict[str, Rewritten]) -> None:
    """Delete the new files that were not published; an interrupt may come just after they were."""
    paths = [str(values["path"]) for rewritten in changed.values() for values in rewritten.new]
    with work.engine.connect() as connection:
        listed = set(connection.execute(sa.select(c.files.c.path).where(c.files.c.removed.is_(None))).scalars())
    for path in paths:
        if path not in listed:
            delete(work.folder.tables / path)


@dataclass(frozen=True, slots=True)
class _Gone:
    """What goes: what is looked for, what carries it, the files that were written anew by model, and whether mirrors hold it."""

    sought: Sought
    found: Carried
    changed: dict[str, Rewritten]
    mirrors: bool


def _reaching(told: Forgotten, found: Carried) -> Forgotten:
    """Tell what carries the subject's tag."""
    return replace(told, carried=len(found.versions), kept=len(found.kept), outside=found.outside)


def _published(work: _Work, plan: Plan, gone: _Gone, told: Forgotten) -> Forgotten:
    """Put the new files in the place of the old, wipe the catalog and write the audit, all or nothing."""
    with writing(work.engine) as transaction:
        work.held.check(transaction)
        for rewritten in gone.changed.values():
            forget_catalog.listed(transaction, rewritten.out, rewritten.new)
        forget_catalog.release(transaction, plan.models, mirrors=gone.mirrors)
        values = {model: rewritten.values for model, rewritten in gone.changed.items()}
        sought = gone.sought
        rejected = forget_catalog.clean(transaction, plan, sought, values)
        forget_carried.wipe(transaction, sought, gone.found, plan.name)
        wiped, left = forget_texts.wipe(transaction, sought)
        number = _noted(transaction, plan.name)
        told = replace(
            told,
            rejected=rejected,
            wiped={**(wiped + gone.found.places), **told.wiped},
            left={**left, **forget_leftovers.named_files(work.folder, sought)},
        )
        told = replace(told, seconds=time.monotonic() - work.begun, audit=number)
        if number is None:
            record, now = _for_audit(plan, told, gone.found), datetime.now(UTC)
            told = replace(told, audit=audit.note(transaction, "forget", plan.asked.who, record, now))
    return told


def _noted(transaction: Connection, name: str) -> int | None:
    """Give the number of the audit's record of a plan; None when it was not published."""
    query = sa.select(c.audit.c.id).where(c.audit.c.action == "forget", c.audit.c.record.contains(f'"plan": "{name}"'))
    return transaction.execute(query).scalar()


def _for_audit(plan: Plan, told: Forgotten, found: Carried) -> dict[str, Json]:
    """Write the record that stays: what was asked by its salted sum alone, and what came of it."""
    counts = {name: value for name, value in asdict(told).items() if name not in ("audit", "dry")}
    counts |= {"models": list(told.models), "not_looked_at": list(told.not_looked_at)}
    counts["outside"] = [without(text, plan.asked.names, INSTEAD) for text in told.outside[: forget_carried.MOST_NAMED]]
    if found.kept:
        counts["bytes"] = sorted(found.kept)
    said: dict[str, Json] = {"asked": sealed(plan.asked), "reason": plan.asked.reason, "plan": plan.name}
    if told.aggregates is not None:
        said["remains"] = f"in aggregates of at least {told.aggregates} rows"
    return {**said, **cast("dict[str, Json]", counts)}


def _record(
    work: _Work, plan: Plan, changed: Iterable[Rewritten], lines: Blanked, quarantine: tuple[int, int] = (0, 0)
) -> Forgotten:
    changed = list(changed)

    def rows(kind: str, table: str) -> int:
        return sum(item.rows.get(table, 0) for item in changed) + lines.lines.get(kind, 0)

    models = set(plan.models) | ({plan.asked.model} if plan.asked.model else set())
    least = [n for model in sorted(models) if (n := aggregated(work.folder, work.engine, work.connection, model))]
    return Forgotten(
        predictions=rows("prediction", "predictions"),
        labels=rows("label", "labels"),
        feedback=rows("feedback", "feedback"),
        metrics=rows("metric", "metrics"),
        logs=rows("log", "logs"),
        ids=len(plan.keys),
        models=plan.models,
        files=sum(item.files for item in changed),
        cells=sum(item.cells for item in changed),
        segments=lines.segments,
        lines=sum(lines.lines.values()),
        rejected=0,
        wiped={},
        left={},
        quarantined=quarantine[0],
        unread=quarantine[1],
        aggregates=min(least, default=None),
        carried=0,
        kept=0,
        outside=(),
        not_looked_at=_NOT_LOOKED_AT,
        seconds=time.monotonic() - work.begun,
        dry=not plan.name,
        audit=None,
    )
