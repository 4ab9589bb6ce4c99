"""The setting `retention` and a time → rows past it gone from the tables, counted in the audit; what was counted of them stays.

A table's days end at midnight UTC. A file whose every row is past goes whole. One that straddles is written anew once
more than half of its rows are past, or its oldest by a day. By size, the oldest files of a table go first. A file of
predictions or labels goes only when it is in the cells, a label only when no prediction of its id is left: a correction
would count it twice; and an id that came again goes whole, once its last row is past (`repeated.py`). One transaction publishes all of a run; the files lie there fifteen minutes more.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.capture.retention import TABLES, Retention
from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.compact import engine_room
from watchglass.store.labels import late, waiting
from watchglass.store.labels.feedback import SEEN
from watchglass.store.leases import hold
from watchglass.store.life.going import File, Past, Plan, worth_writing
from watchglass.store.life.repeated import hold_repeated
from watchglass.store.life.unlabelled import Held
from watchglass.store.manifest import POSITION
from watchglass.store.merge import COUNTED, RULED
from watchglass.store.models import microseconds, moment
from watchglass.store.quoting import literal
from watchglass.store.transactions import writing
from watchglass.store.tuning import settings_of
from watchglass.store.upserts import larger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.capture.retention import Limit
    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

EVERY: Final = 3600.0  # seconds between two runs of upkeep
_DAY: Final = 86_400_000_000
_LAST_RUN: Final = "retention"
_PLANS: Final = 3


@dataclass(frozen=True, slots=True)
class Gone:
    """What went of a table, of one model ("" where a table has none): whole files and parts of files, rows, bytes, and their times."""

    table: str
    model: str
    files: int
    rows: int
    bytes: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Expired:
    """A run of the retention; when `dry`, what it would do. `bytes` are those of whole files."""

    time: datetime
    dry: bool
    files: int = 0
    rows: int = 0
    bytes: int = 0
    tables: tuple[Gone, ...] = ()


def cutoff(now: datetime, days: int) -> int:
    """Give the time in µs before which rows are past: so many days before the last midnight UTC.

    >>> moment(cutoff(datetime(2026, 6, 10, 13, tzinfo=UTC), 3)).isoformat()
    '2026-06-07T00:00:00+00:00'
    """
    aware = now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
    return microseconds(aware.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days))


def expire(
    folder: Folder,
    engine: Engine,
    now: datetime | None = None,
    *,
    dry: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Expired:
    """Let go of what the store's retention no longer keeps; with `dry`, only say what that would be.

    `progress` is told the files that were written anew and how many there are. Nothing is done while another process
    is at it, or labels come in faster than they are looked at. Raises `BadInput` for settings that cannot be read.
    """
    moment_ = now or datetime.now(UTC)
    kept = settings_of(folder).retention or Retention()
    with hold(engine, "retention") as lease:
        if lease is None:
            return Expired(moment_, dry)
        for _ in range(_PLANS):
            try:
                with engine_room(folder) as connection:
                    run = _Run(folder, engine, connection, moment_)
                    plan = _plan(run, kept)
                    return _told(plan.spans(), moment_, dry=True) if dry else _carry_out(run, lease, plan, progress)
            except duckdb.IOException as error:  # a file was replaced, and gone before it was read: plan anew
                fault = error
        message = f"the files of the store {str(folder.root)!r} cannot be read: {fault}. Next: watchglass doctor"
        raise StoreError(message) from fault


def expire_if_due(folder: Folder, engine: Engine, now: datetime | None = None) -> Expired | None:
    """Do it unless it was done within the hour; None when it was, or when nothing says what to keep."""
    if settings_of(folder).retention is None:
        return None
    moment_ = now or datetime.now(UTC)
    with engine.connect() as connection:
        last = connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == _LAST_RUN)).scalar()
    if last is not None and 0 <= moment_.timestamp() - last < EVERY:
        return None
    return expire(folder, engine, moment_)


def _files(engine: Engine, kind: str) -> list[File]:
    """List a table's live files, oldest first: those that the cells have counted and, where a rule of feedback is, it has seen."""
    t = c.files.c
    query = sa.select(t.seq, t.kind, t.model, t.path, t.rows, t.bytes, t.first, t.last, POSITION).where(
        t.kind == kind, t.removed.is_(None), t.first.is_not(None)
    )
    with engine.connect() as connection:
        marks = {name: seq for name, seq in connection.execute(sa.select(c.watermarks.c.name, c.watermarks.c.seq))}  # noqa: C416 - a row is no pair to a type checker
        found = [File(*row) for row in connection.execute(query.order_by(t.last, t.seq))]
    if kind in RULED:
        found = [file for file in found if file.newest <= marks.get(f"{SEEN}{file.model}", file.newest)]
    return [file for file in found if kind not in COUNTED or file.newest <= marks.get("cells", 0)]


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run works with."""

    folder: Folder
    engine: Engine
    connection: duckdb.DuckDBPyConnection
    now: datetime


def _plan(run: _Run, kept: Retention) -> Plan:
    plan = Plan()
    for kind in TABLES:  # predictions before labels: a label goes with its prediction
        limit = kept.of(kind)
        if limit.days is None and limit.bytes is None:
            continue
        files = _files(run.engine, kind)
        if kind == "labels":
            _plan_labels(run, plan, files, limit)
            continue
        if limit.days is not None:
            _by_age(run, plan, files, cutoff(run.now, limit.days))
        _by_size(run.engine, plan, kind, files, limit)
        if kind == "predictions":
            hold_repeated(run.folder, run.engine, run.connection, plan)
    return plan


def _by_age(run: _Run, plan: Plan, files: Sequence[File], edge: int) -> None:
    for file in files:
        if file.last < edge:
            plan.whole.append(file)
        elif file.first < edge:
            source = f"read_parquet({literal(str(run.folder.tables / file.path))})"
            query = f"SELECT count(*), epoch_us(min(time)), epoch_us(max(time)) FROM {source} WHERE time < make_timestamp({edge})"
            past = Past(*run.connection.execute(query).fetchall()[0])
            if worth_writing(past, file, edge):
                plan.parts.append((file, past, f"SELECT * FROM {source} WHERE time >= make_timestamp({edge})"))


def _by_size(engine: Engine, plan: Plan, kind: str, files: Sequence[File], limit: Limit) -> None:
    """Let the oldest files go until the rest is small enough."""
    if limit.bytes is None:
        return
    going = {file.seq for file in plan.whole}
    left = _bytes_of(engine, kind) - sum(file.bytes for file in plan.whole if file.kind == kind)
    for file in files:
        if left <= limit.bytes:
            break
        if file.seq not in going:
            plan.whole.append(file)
            plan.parts = [part for part in plan.parts if part[0].seq != file.seq]
            left -= file.bytes


def _bytes_of(engine: Engine, kind: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.sum(c.files.c.bytes), 0))
    with engine.connect() as connection:
        return int(connection.execute(query.where(c.files.c.kind == kind, c.files.c.removed.is_(None))).scalar_one())


def _plan_labels(run: _Run, plan: Plan, files: Sequence[File], limit: Limit) -> None:
    """Plan what goes of the labels: never one whose prediction is left."""
    edge = None if limit.days is None else cutoff(run.now, limit.days)
    held = Held(run.folder, run.engine, run.connection, [file.seq for file in plan.whole])
    free: list[File] = []  # files with no label of a prediction that is left
    too_much = limit.bytes is not None and _bytes_of(run.engine, "labels") > limit.bytes
    for file in files:
        if not too_much and (edge is None or file.first >= edge):
            continue
        rows = held.rows(file.path, file.model)
        if not rows.held.any():
            free.append(file)
        if edge is None or file.first >= edge:
            continue
        going = (rows.time < edge) & ~rows.held
        if going.all():
            plan.whole.append(file)
        elif going.any():
            past = Past(int(going.sum()), int(rows.time[going].min()), int(rows.time[going].max()))
            if worth_writing(past, file, edge):
                plan.parts.append((file, past, held.without(file.path, going)))
    _by_size(run.engine, plan, "labels", free, limit)


def _carry_out(run: _Run, lease: Lease, plan: Plan, progress: Callable[[int, int], None] | None) -> Expired:
    """Write what is to be written anew, then publish everything at once."""
    written: dict[int, dict[str, object] | None] = {}
    renewed = time.monotonic()
    for number, (file, _, select) in enumerate(plan.parts, start=1):
        order = parquet.order_of(run.connection, f"({select})")
        values = parquet.write(run.folder, run.connection, file.kind, file.model, select, order)
        written[file.seq] = None if values is None else {**values, "origin": file.newest}
        if time.monotonic() - renewed > 10.0:  # noqa: PLR2004 - seconds; a lease lasts a minute
            with writing(run.engine) as transaction:
                lease.check(transaction)
            renewed = time.monotonic()
        if progress:
            progress(number, len(plan.parts))
    models = {file.model for file, _, _ in plan.spans() if file.kind == "predictions"}
    for _ in range(_PLANS):  # no label is to be looked at after its prediction went, nor while others look
        late.count(run.folder, run.engine)
        seen = late.seen(run.engine)
        in_vain, unmet = _in_vain(run, plan), _unmet(run, plan)
        with writing(run.engine) as transaction:
            lease.check(transaction)
            if not late.is_as_seen(transaction, seen, models):
                continue
            done, live = _publish(transaction, plan, written, run.now)
            for gone in done.tables:
                late.add(transaction, in_vain.get((gone.table, gone.model, gone.last), ()))
            for file, counted in unmet:
                waiting.add(transaction, file.model, counted if file.seq in live else {})
            return done
    return Expired(run.now, dry=False)


def _unmet(run: _Run, plan: Plan) -> list[tuple[File, dict[str, int]]]:
    """Count the labels of each file that go and waited for their prediction until now."""
    files = [(file, None) for file in plan.whole] + [(file, select) for file, _, select in plan.parts]
    found, gone = [], _before(run.engine, plan)
    for file, stays in files:
        if file.kind != "labels":
            continue
        before = gone.get(file.model)
        all_of = f"read_parquet({literal(str(run.folder.tables / file.path))})"
        counted = waiting.unmet(run.connection, all_of, before)
        if stays is not None:
            left = waiting.unmet(run.connection, f"({stays})", before)
            counted = {place: rows - left.get(place, 0) for place, rows in counted.items()}
        found.append((file, counted))
    return found


def _before(engine: Engine, plan: Plan) -> dict[str, int]:
    """Give for each model the moment before which its predictions are gone when a plan is carried out."""
    marks = sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(c.watermarks.c.name.startswith(late.EXPIRED))
    with engine.connect() as connection:
        found: dict[str, int] = {row.name.removeprefix(late.EXPIRED): row.seq for row in connection.execute(marks)}
    for file, past, _ in plan.spans():
        if file.kind == "predictions":
            found[file.model] = max(past.last + 1, found.get(file.model, past.last + 1))
    return found


def _in_vain(run: _Run, plan: Plan) -> dict[tuple[str, str, datetime], list[dict[str, object]]]:
    """Count the labels that will wait in vain, by what must go for that: where less goes in the end, they wait on."""
    return {
        (gone.table, gone.model, gone.last): late.in_vain(
            run.folder, run.engine, run.connection, gone.model, microseconds(gone.last) + 1
        )
        for gone in _told(plan.spans(), run.now, dry=True).tables
        if gone.table == "predictions"
    }


def _publish(
    transaction: Connection, plan: Plan, written: dict[int, dict[str, object] | None], now: datetime
) -> tuple[Expired, set[int]]:
    """Take files out of the manifest and list those in their place; gives which. One that was merged or forgotten meanwhile waits for the next run."""
    asked = [file.seq for file, _, _ in plan.spans()]
    query = sa.select(c.files.c.seq).where(c.files.c.removed.is_(None))
    live = set(transaction.execute(query).scalars()) & set(asked)
    for seq in live:
        transaction.execute(c.files.update().where(c.files.c.seq == seq).values(removed=time.time()))
    anew = [values for seq, values in written.items() if seq in live and values is not None]
    if anew:
        transaction.execute(c.files.insert(), anew)
    done = _told(plan.spans(live), now, dry=False)
    for gone in done.tables:
        raise_mark(transaction, f"expired:{gone.table}:{gone.model}", microseconds(gone.last) + 1)
    raise_mark(transaction, _LAST_RUN, int(now.timestamp()))
    if done.tables:
        record = json.dumps({"tables": [_plain(gone) for gone in done.tables], "rows": done.rows, "files": done.files})
        transaction.execute(c.audit.insert().values(time=microseconds(now), action="retention", record=record))
    return done, live


def _plain(gone: Gone) -> dict[str, object]:
    return {**asdict(gone), "first": gone.first.isoformat(), "last": gone.last.isoformat()}


def raise_mark(transaction: Connection, name: str, seq: int) -> None:
    """Set a watermark, never lower than it is."""
    mark = insert(c.watermarks).values(name=name, seq=seq)
    higher = larger(mark.excluded.seq, c.watermarks.c.seq)
    transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"seq": higher}))


def _told(spans: Sequence[tuple[File, Past, int]], now: datetime, *, dry: bool) -> Expired:
    """Add up what goes, by table and model."""
    found: dict[tuple[str, str], Gone] = {}
    for file, past, size in spans:
        first, last = moment(past.first), moment(past.last)
        before = found.get((file.kind, file.model)) or Gone(file.kind, file.model, 0, 0, 0, first, last)
        found[file.kind, file.model] = replace(
            before,
            files=before.files + 1,
            rows=before.rows + past.rows,
            bytes=before.bytes + size,
            first=min(before.first, first),
            last=max(before.last, last),
        )
    tables = tuple(found[key] for key in sorted(found))
    return Expired(
        now, dry, sum(g.files for g in tables), sum(g.rows for g in tables), sum(g.bytes for g in tables), tables
    )
