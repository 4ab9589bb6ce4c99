"""A person, a prediction or a condition → a store without those rows: no byte of them in files, log, cells or catalog, and a record that says so."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.life import audit, forget_catalog, forget_leftovers
from watchglass.store.life.forget_asked import Asked, asked, sealed
from watchglass.store.life.forget_files import IDS, Rewritten, aggregated, doomed, rewrite, touched
from watchglass.store.life.forget_find import found_keys
from watchglass.store.life.forget_held import held
from watchglass.store.life.forget_log import Blanked, blank
from watchglass.store.life.forget_plan import Plan, done, planned, table_of, unfinished
from watchglass.store.parquet import delete
from watchglass.store.segments import names_taken, opened
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
_NOT_LOOKED_AT = ("artifacts", "runs", "metrics", "logs", "questions")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed: rows by kind, of how many ids of which models, and what had to be written anew for it.

    `files` were rewritten or deleted, of them `cells` held counts; `segments` of the log had `lines` overwritten;
    `rejected` kept lines were wiped; `quarantined` files were deleted, `unread` ones there could not be looked into.
    `aggregates` is the least number of rows that a day has whose rows are gone already while its counts stay; None:
    there is no such day. `not_looked_at` may hold more of the same. A `dry` run removed nothing and has no `audit`.
    """

    predictions: int
    labels: int
    feedback: int
    ids: int
    models: tuple[str, ...]
    files: int
    cells: int
    segments: int
    lines: int
    rejected: int
    quarantined: int
    unread: int
    aggregates: int | None
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
    with held(folder, engine, progress) as holding, engine_room() as connection:
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


def _blanked(work: _Work, plan: Plan, *, dry: bool) -> Blanked:
    with opened(work.folder.row_log) as segments:
        return blank(_live(work.engine, segments), set(plan.keys), plan.asked.names, dry=dry)


def _looked_at(work: _Work, plan: Plan) -> Forgotten:
    """Count what would go."""
    counted = Rewritten()
    for model in plan.models:
        table_of(work.connection, plan, model, IDS)
        with work.engine.connect() as catalog:
            for file in touched(work.folder, catalog, work.connection, model):
                rows = doomed(work.connection, file)
                counted.files += bool(rows)
                counted.rows[file.kind] = counted.rows.get(file.kind, 0) + rows
    return _record(work, plan, [counted], _blanked(work, plan, dry=True))


def _carry_out(work: _Work, plan: Plan) -> Forgotten:
    """Do what a plan says; each part may be done again, so that a kill at any point leaves what the next run finishes."""
    changed: dict[str, Rewritten] = {}
    try:
        for model in plan.models:
            table_of(work.connection, plan, model, IDS)
            changed[model] = rewrite(work.folder, work.engine, work.connection, model, work.held)
        quarantine = forget_leftovers.search_quarantine(work.folder, plan)
        told = _record(work, plan, list(changed.values()), _blanked(work, plan, dry=True), quarantine)
        told = _published(work, plan, changed, told)
    except BaseException:
        _drop_unlisted(work, changed)
        raise
    forget_leftovers.sweep(work.folder, work.engine)
    _blanked(work, plan, dry=False)
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


def _published(work: _Work, plan: Plan, changed: dict[str, Rewritten], told: Forgotten) -> Forgotten:
    """Put the new files in the place of the old, wipe the catalog and write the audit, all or nothing."""
    with writing(work.engine) as transaction:
        work.held.check(transaction)
        for rewritten in changed.values():
            forget_catalog.listed(transaction, rewritten.out, rewritten.new)
        forget_catalog.release(transaction, plan.models)
        values = {model: rewritten.values for model, rewritten in changed.items()}
        wiped = forget_catalog.clean(transaction, plan, values)
        number = _noted(transaction, plan.name)
        told = replace(told, rejected=wiped, seconds=time.monotonic() - work.begun, audit=number)
        if number is None:
            record, now = _for_audit(plan, told), datetime.now(UTC)
            told = replace(told, audit=audit.note(transaction, "forget", plan.asked.who, record, now))
    return told


def _noted(transaction: Connection, name: str) -> int | None:
    """Give the number of the audit's record of a plan; None when it was not published."""
    query = sa.select(c.audit.c.id).where(c.audit.c.action == "forget", c.audit.c.record.contains(f'"plan": "{name}"'))
    return transaction.execute(query).scalar()


def _for_audit(plan: Plan, told: Forgotten) -> dict[str, Json]:
    """Write the record that stays: what was asked by its salted sum alone, and what came of it."""
    counts = {name: value for name, value in asdict(told).items() if name not in ("audit", "dry")}
    counts |= {"models": list(told.models), "not_looked_at": list(told.not_looked_at)}
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
        ids=len(plan.keys),
        models=plan.models,
        files=sum(item.files for item in changed),
        cells=sum(item.cells for item in changed),
        segments=lines.segments,
        lines=sum(lines.lines.values()),
        rejected=0,
        quarantined=quarantine[0],
        unread=quarantine[1],
        aggregates=min(least, default=None),
        not_looked_at=_NOT_LOOKED_AT,
        seconds=time.monotonic() - work.begun,
        dry=not plan.name,
        audit=None,
    )
