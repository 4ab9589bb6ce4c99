"""Sealed row segments → Parquet files listed in the manifest, published in one transaction; the segments go last.

Killed at any point, nothing is lost and nothing counted twice: files that no transaction published are
invisible and swept, segments that are published but still lie there are deleted by the next round.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store import direct, frames, loading, parquet, rows
from watchglass.store.columns import unknown
from watchglass.store.graph import take_in
from watchglass.store.leases import hold
from watchglass.store.lines import Rejected, latest_time
from watchglass.store.models import Columns, columns_of, register
from watchglass.store.quarantine import set_aside
from watchglass.store.quoting import literal
from watchglass.store.schemas.aside import keep_aside, note_conflicts
from watchglass.store.segments import delete, names_taken, opened, sealed, unreadable
from watchglass.store.sweep import sweep
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease
    from watchglass.store.segments import Segment

UNREADABLE_AGE: Final = 2.0  # seconds: a sidecar and its segment are deleted one after the other
BATCH_BYTES: Final = 192 << 20


@dataclass(slots=True)
class Compacted:
    """What one compaction did."""

    segments: int = 0
    rows: int = 0
    files: int = 0
    rejected: int = 0
    bytes: int = 0


@contextmanager
def engine_room(folder: Folder | None = None, memory: str = "1GB") -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an in-memory DuckDB in UTC; never a DuckDB file, which would lock every other process out.

    What does not fit spills into the store's own folder, where a sweep finds what a killed process left; without a
    store into the machine's folder for such things.
    """
    room = Path(tempfile.gettempdir()) if folder is None else folder.scratch.absolute()
    with suppress(OSError):  # then nothing can spill, and most need not
        room.mkdir(exist_ok=True)
    connection = duckdb.connect()
    try:
        connection.execute(
            "SET TimeZone = 'UTC'; SET python_enable_replacements = false; SET preserve_insertion_order = false;"
            f" SET memory_limit = '{memory}'; SET temp_directory = {literal(str(room / f'spill-{uuid.uuid4().hex}'))}"
        )
        yield connection
    finally:
        connection.close()


def compact(folder: Folder, engine: Engine, progress: Callable[[int, int], None] | None = None) -> Compacted:
    """Move the segments that are sealed now into the tables; gives zeros when another process is at it.

    `progress` is told the bytes of the log that are done and the bytes there were at the start. What is sealed
    meanwhile is for the next time, so that a log that grows as fast keeps nothing else waiting.
    """
    with hold(engine, "compactor") as lease:
        return Compacted() if lease is None else move(folder, engine, lease, progress)


def move(folder: Folder, engine: Engine, lease: Lease, progress: Callable[[int, int], None] | None = None) -> Compacted:
    """Do what `compact` does for who holds its lease."""
    done = Compacted()
    total = waiting(folder)[0]
    for path in unreadable(folder.row_log, UNREADABLE_AGE):
        done.rejected += _refuse(folder, engine, path, "this columnar segment cannot be read")
    with engine_room(folder) as connection:  # a new one costs as much as parsing ten thousand lines
        while _round(folder, engine, connection, lease, done):
            if progress:
                progress(min(total, done.bytes), total)
            if done.bytes >= total:
                break
    sweep(folder, engine)
    return done


def _refuse(folder: Folder, engine: Engine, path: Path, why: str, model: str | None = None) -> int:
    """Put a columnar segment that cannot be read into quarantine, counted as rejected, so that its neighbours are taken."""
    now = datetime.now(UTC)
    place = set_aside(folder, path, why, now)
    sidecar = path.with_name(path.name + ".json")
    if sidecar.exists():
        set_aside(folder, sidecar, why, now)
    with writing(engine) as transaction:
        told = Rejected(path.name, None, f"{why}: it lies in {place}", None, model=model)
        keep_aside(transaction, [told], int(now.timestamp() * 1e6))
    return 1


def waiting(folder: Folder) -> tuple[int, float]:
    """Give the bytes of the row log, and how many seconds ago its oldest segment began; 0 when it is empty."""
    size, oldest = 0, 0.0
    now = time.time()
    for path in folder.row_log.iterdir() if folder.row_log.is_dir() else []:
        if path.suffix in (".jsonl", ".parquet"):
            try:
                size += path.stat().st_size
            except FileNotFoundError:
                continue
            oldest = max(oldest, now - int(path.name[:12], 16) / 1000 if _timed(path.name) else 0.0)
    return size, oldest


def _timed(name: str) -> bool:
    return all(digit in "0123456789abcdef" for digit in name[:12])


def _round(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, lease: Lease, done: Compacted
) -> bool:
    """Compact one batch of segments; says whether there may be more."""
    with opened(folder.row_log) as held, ExitStack() as stack:
        take_in(folder, engine)
        ready = _ready(engine, held)
        if not ready:
            return False
        texts = [segment for segment in ready if segment.sidecar is None]
        sample = loading.sampled(texts)
        columns, careful = _columns(engine, ready, sample)
        rejected: list[Rejected] = []
        try:
            published = _directly(folder, connection, ready, sample, columns) if not careful else None
            if published is None:
                kinds = sample.kinds | {frames.kind_of(s)[:-1] for s in ready if s.sidecar is not None}
                loaded = loading.load(connection, texts, {} if careful else columns, kinds, stack)
                _complete(engine, connection, loaded, columns, ready[0].name)
                rejected += loaded.rejected
                published = _write(folder, connection, ready, loaded, columns, rejected)
                connection.execute("DROP TABLE raw_lines")
        except frames.BROKEN:
            if not (broken := _broken_frames(connection, ready, columns)):
                raise
            for segment, why in broken:
                told = f"this columnar segment cannot be read ({why})"
                done.rejected += _refuse(folder, engine, segment.path, told, str((segment.sidecar or {})["model"]))
            return True
        with writing(engine) as transaction:
            lease.check(transaction)
            _publish(transaction, published, ready, rejected)
        done.bytes += sum(segment.size for segment in ready)
        for segment in ready:
            delete(segment)
        done.segments += len(ready)
        done.files += len(published)
        done.rows += sum(int(str(values["rows"])) for values in published)
        done.rejected += sum(item.rows for item in rejected)
        return True


def _ready(engine: Engine, held: Sequence[Segment]) -> list[Segment]:
    """Pick sealed segments up to a batch; those already published are deleted on the way."""
    with engine.connect() as connection:
        taken = names_taken(connection, [segment.name for segment in held])
    ready: list[Segment] = []
    room = BATCH_BYTES
    for segment in held:
        if room <= 0:
            break
        if sealed(segment):
            if segment.name in taken:
                delete(segment)
                continue
            ready.append(segment)
            room -= segment.size
    return ready


def _directly(
    folder: Folder,
    connection: duckdb.DuckDBPyConnection,
    ready: Sequence[Segment],
    sample: loading.Sample,
    columns: Mapping[str, Columns],
) -> list[dict[str, object]] | None:
    """Write a batch of nothing but predictions of one model in one go; None where it is anything else."""
    if sample.kinds - {"prediction", "batch"} or len(sample.models) != 1 or any(s.sidecar for s in ready):
        return None
    written = direct.one_model(folder, connection, ready, sample, columns[next(iter(sample.models))])
    return None if written is None else [written]


def _columns(engine: Engine, ready: Sequence[Segment], sample: loading.Sample) -> tuple[dict[str, Columns], bool]:
    """Give the columns of every model that a look at the segments shows, and whether every line must be looked through for more.

    A column that a frame's sidecar tells and nobody announced is registered, as is one that the look shows in lines
    whose columns are promised.
    """
    models = sample.models | {str(segment.sidecar["model"]) for segment in ready if segment.sidecar is not None}
    with engine.connect() as connection:
        columns = {model: columns_of(connection, model) for model in sorted(models)}
    careful = any(not columns[model].features and not columns[model].tags for model, _, _ in sample.columns)
    careful |= not all(segment.announced for segment in ready if segment.sidecar is None)
    told = {key: kind for s in ready if s.sidecar is not None for key, kind in frames.told(s).items()}
    seen = told if careful else {**sample.columns, **told}
    news = {key: kind for key, kind in seen.items() if not columns[key[0]].has(key[1], key[2])}
    if news:
        with writing(engine) as transaction:
            register(transaction, news, ready[0].name)
            columns = {model: columns_of(transaction, model) for model in sorted(models)}
    return columns, careful


def _complete(
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    loaded: loading.Loaded,
    columns: dict[str, Columns],
    segment: str,
) -> None:
    """Add the models that the look did not show, and the columns that nobody announced: every line is looked through."""
    if loaded.layout.fields:
        return  # every model of the batch announced its columns
    query = "SELECT DISTINCT model FROM raw_lines WHERE kind = 'prediction'"
    models = [row[0] for row in connection.execute(query).fetchall()]
    with engine.connect() as catalog:
        columns |= {model: columns_of(catalog, model) for model in models if model not in columns}
    news = unknown(connection, columns)
    if news:
        with writing(engine) as transaction:
            register(transaction, news, segment)
            columns |= {model: columns_of(transaction, model) for model in models}


def _write(
    folder: Folder,
    connection: duckdb.DuckDBPyConnection,
    ready: Sequence[Segment],
    loaded: loading.Loaded,
    columns: Mapping[str, Columns],
    rejected: list[Rejected],
) -> list[dict[str, object]]:
    """Write one Parquet file for each kind and model in the batch."""
    query = "SELECT DISTINCT kind, model FROM raw_lines WHERE kind != 'batch' ORDER BY ALL"
    found = {
        (rows.table_of(kind), "" if rows.table_of(kind) in rows.MODELLESS else model)
        for kind, model in connection.execute(query).fetchall()
    }
    found |= {(frames.kind_of(s), str(s.sidecar["model"])) for s in ready if s.sidecar is not None}
    published = []
    for kind, model in sorted(found):
        own = columns.get(model, Columns((), ()))
        if kind == "predictions":
            rejected += _frame_misfits(connection, ready, model, own)
            if not loaded.layout.fields:
                rejected += loading.misfits(connection, model, own, ready[0].name)
        select = _select(kind, model, own, loaded.layout)
        own_frames = [
            s for s in ready if s.sidecar is not None and frames.kind_of(s) == kind and s.sidecar["model"] == model
        ]
        framed = _frame_selects(connection, own_frames, own, rejected)
        union = " UNION ALL BY NAME ".join([select, *framed])
        order = "time" if framed else parquet.order_of(connection, f"({select})")
        written = parquet.write(folder, connection, kind, model, union, order)
        if written is not None:
            published.append(written)
    return published


def _select(kind: str, model: str, columns: Columns, layout: rows.Layout) -> str:
    if kind == "predictions":
        return rows.predictions(columns, layout, model)
    of = {
        "labels": rows.labels(model),
        "feedback": rows.feedback(model),
        "metrics": rows.metrics(),
        "logs": rows.logs(),
    }
    return of[kind]


def _frame_misfits(
    connection: duckdb.DuckDBPyConnection, ready: Sequence[Segment], model: str, columns: Columns
) -> list[Rejected]:
    """Count the values of frames that do not fit the registered types; they become NULL."""
    return [
        item
        for s in ready
        if s.sidecar is not None and s.sidecar["model"] == model and frames.kind_of(s) == "predictions"
        for item in frames.misfits(connection, s, columns)
    ]


def _broken_frames(
    connection: duckdb.DuckDBPyConnection, ready: Sequence[Segment], columns: Mapping[str, Columns]
) -> list[tuple[Segment, str]]:
    """Find the columnar segments whose rows cannot be had, and why."""
    framed = [segment for segment in ready if segment.sidecar is not None]
    faults = [
        (s, frames.fault(connection, frames.rows_of(s, columns[str((s.sidecar or {})["model"])]))) for s in framed
    ]
    return [(segment, why) for segment, why in faults if why is not None]


def _frame_selects(
    connection: duckdb.DuckDBPyConnection,
    chosen: Sequence[Segment],
    columns: Columns,
    rejected: list[Rejected],
) -> list[str]:
    """Write the SELECTs of columnar segments; rows whose time cannot be are told and left out."""
    latest, found = latest_time(), []
    for segment in chosen:
        select = frames.rows_of(segment, columns)
        rejected += frames.untimely(connection, segment, select, latest)
        found.append(frames.bounded(select, latest))
    return found


def _publish(
    transaction: Connection,
    published: Sequence[dict[str, object]],
    ready: Sequence[Segment],
    rejected: Sequence[Rejected],
) -> None:
    """List new files and the segments they came from: a segment's name is a primary key, so exactly once."""
    now = time.time()
    transaction.execute(c.segments.insert(), [{"name": segment.name, "taken": now} for segment in ready])
    keys = [item for segment in ready for item in _keys(segment, now)]
    if keys:
        transaction.execute(insert(c.ingested).on_conflict_do_nothing(), keys)
    if published:
        transaction.execute(c.files.insert(), list(published))
        names = sorted({str(values["model"]) for values in published if values["model"]})
        if names:
            transaction.execute(
                insert(c.models).on_conflict_do_nothing(),
                [{"name": name, "time": int(now * 1e6)} for name in names],
            )
    keep_aside(transaction, rejected, int(now * 1e6))
    note_conflicts(transaction, rejected, int(now * 1e6))


def _keys(segment: Segment, now: float) -> list[dict[str, object]]:
    """List the requests that a server's segment holds: a client that asks again is told so for as long as they are kept."""
    header = segment.header() if segment.sidecar is None else None
    listed = header.get("keys") if header else None
    if not isinstance(listed, list):
        return []
    return [
        {"key": str(key), "taken": now, "segment": segment.name, "accepted": int(lines), "rejected": int(rejected)}
        for key, lines, rejected in filter(_is_request, listed)
    ]


def _is_request(told: object) -> bool:
    """Say whether a header tells a request as a server does: its key, how many lines it took and how many it refused."""
    return isinstance(told, list) and [type(value) for value in told] == [str, int, int]
