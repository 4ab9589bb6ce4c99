"""Sealed row segments → Parquet files listed in the manifest, published in one transaction; the segments go last.

Killed at any point, nothing is lost and nothing counted twice: files that no transaction published are
invisible and swept, segments that are published but still lie there are deleted by the next round.
"""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store import frames, lines
from watchglass.store.catalog import writing
from watchglass.store.folder import sync_file, sync_folder
from watchglass.store.graph import sweep, take_in
from watchglass.store.leases import hold
from watchglass.store.models import Columns, columns_of
from watchglass.store.quoting import literal
from watchglass.store.segments import delete, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease
    from watchglass.store.segments import Segment

BATCH_BYTES = 256 << 20
ORPHAN_AGE = 3600.0  # seconds an unpublished file may lie: longer than any compaction takes
_COPY = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"


@dataclass(slots=True)
class Compacted:
    """What one compaction did."""

    segments: int = 0
    rows: int = 0
    files: int = 0
    rejected: int = 0
    _published: list[dict[str, object]] = field(default_factory=list, repr=False)


@contextmanager
def engine_room() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an in-memory DuckDB in UTC; never a DuckDB file, which would lock every other process out."""
    connection = duckdb.connect()
    try:
        connection.execute(
            "SET TimeZone = 'UTC'; SET python_enable_replacements = false; SET preserve_insertion_order = false"
        )
        yield connection
    finally:
        connection.close()


def compact(folder: Folder, engine: Engine) -> Compacted:
    """Move every sealed segment into the tables; gives zeros when another process is at it."""
    done = Compacted()
    with hold(engine, "compactor") as lease:
        if lease is None:
            return done
        while _round(folder, engine, lease, done):
            pass
        sweep(folder, engine)
        _sweep_orphans(folder, engine)
    return done


def _round(folder: Folder, engine: Engine, lease: Lease, done: Compacted) -> bool:
    """Compact one batch of segments; says whether there may be more."""
    with opened(folder.row_log) as held, engine_room() as connection, ExitStack() as stack:
        take_in(folder, engine)
        ready = _ready(engine, held)
        if not ready:
            return False
        rejected = _load(connection, ready, stack)
        published = _write(folder, engine, connection, ready, rejected)
        with writing(engine) as transaction:
            lease.check(transaction)
            _publish(transaction, published, ready, rejected)
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
        names = [segment.name for segment in held]
        taken = set(connection.execute(sa.select(c.segments.c.name).where(c.segments.c.name.in_(names))).scalars())
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
            room -= segment.path.stat().st_size
    return ready


def _load(connection: duckdb.DuckDBPyConnection, ready: Sequence[Segment], stack: ExitStack) -> list[lines.Rejected]:
    """Parse the JSON-lines segments of a batch; only where that fails, line by line."""
    texts = [segment for segment in ready if segment.sidecar is None]
    try:
        lines.load(connection, [segment.location for segment in texts] or [stack.enter_context(lines.in_memory(b""))])
    except duckdb.Error:
        rejected: list[lines.Rejected] = []
        paths = []
        for segment in texts:
            whole = segment.lines()
            good, bad = lines.sift(segment.name, whole)
            rejected += bad + _torn(segment, len(whole))
            paths.append(stack.enter_context(lines.in_memory(good)))
        lines.load(connection, paths)
        return rejected
    return []


def _torn(segment: Segment, whole: int) -> list[lines.Rejected]:
    """Report a last line without an end: its writer was killed inside the call, before it was acknowledged."""
    rest = segment.path.stat().st_size - whole
    return (
        [
            lines.Rejected(
                segment.name, None, f"the last {rest} bytes have no line end: the writer was killed in mid-write", None
            )
        ]
        if rest
        else []
    )


def _write(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    ready: Sequence[Segment],
    rejected: list[lines.Rejected],
) -> list[dict[str, object]]:
    """Write one Parquet file for each kind and model in the batch."""
    sources: set[tuple[str, str]] = set()
    for kind, model in connection.execute("SELECT DISTINCT kind, model FROM raw_lines ORDER BY ALL").fetchall():
        sources.add((f"{kind}s", model))
    for segment in ready:
        if segment.sidecar is not None:
            sources.add((frames.kind_of(segment), str(segment.sidecar["model"])))
    with engine.connect() as transaction:
        columns = {model: columns_of(transaction, model) for _, model in sources}
    published = []
    for kind, model in sorted(sources):
        framed = _frame_selects(ready, kind, model, columns[model])
        if kind == "labels":
            published.append(_copy(folder, connection, kind, model, [_of(lines.labels(), model), *framed]))
            continue
        rejected += _frame_misfits(connection, ready, model, columns[model])
        try:
            strict = _of(lines.predictions(columns[model], strict=True), model)
            published.append(_copy(folder, connection, kind, model, [strict, *framed]))
        except duckdb.Error:  # a key is absent or a value does not fit: take what fits, and count what does not
            rejected += lines.misfits(connection, model, columns[model], ready[0].name)
            lenient = _of(lines.predictions(columns[model]), model)
            published.append(_copy(folder, connection, kind, model, [lenient, *framed]))
    return published


def _of(select: str, model: str) -> str:
    return select.replace("model = ?", f"model = {literal(model)}")


def _frame_misfits(
    connection: duckdb.DuckDBPyConnection, ready: Sequence[Segment], model: str, columns: Columns
) -> list[lines.Rejected]:
    """Count the values of frames that do not fit the registered types; they become NULL."""
    chosen = [s for s in ready if s.sidecar is not None and s.sidecar["model"] == model]
    return [
        lines.Rejected(
            s.name, None, f"feature {name!r} of model {model!r}: value is not a {kind}, kept as NULL", None, lost
        )
        for s in chosen
        if frames.kind_of(s) == "predictions"
        for name, kind, lost in frames.misfits(connection, s, columns)
    ]


def _frame_selects(ready: Sequence[Segment], kind: str, model: str, columns: Columns) -> list[str]:
    chosen = [s for s in ready if s.sidecar is not None and frames.kind_of(s) == kind and s.sidecar["model"] == model]
    return [frames.predictions(s, columns) if kind == "predictions" else frames.labels(s) for s in chosen]


def _copy(
    folder: Folder, connection: duckdb.DuckDBPyConnection, kind: str, model: str, selects: Sequence[str]
) -> dict[str, object]:
    home = folder.tables / kind
    home.mkdir(exist_ok=True)
    path = home / f"{uuid.uuid4().hex}.parquet"
    union = " UNION ALL BY NAME ".join(selects)
    try:
        connection.execute(f"COPY (SELECT * FROM ({union}) ORDER BY time) TO {literal(str(path))} {_COPY}")
    except duckdb.Error:
        path.unlink(missing_ok=True)
        raise
    return described(connection, path, folder, kind, model)


def described(
    connection: duckdb.DuckDBPyConnection, path: Path, folder: Folder, kind: str, model: str
) -> dict[str, object]:
    """Sync a new file and give its row of the manifest."""
    sync_file(path)
    sync_folder(path.parent)
    edge = "time" if kind != "cells" else "day"
    query = f"SELECT count(*), epoch_us(min({edge})::TIMESTAMP), epoch_us(max({edge})::TIMESTAMP) FROM read_parquet({literal(str(path))})"
    rows, first, last = connection.execute(query).fetchone() or (0, None, None)
    place = str(path.relative_to(folder.tables))
    return {
        "kind": kind,
        "model": model,
        "path": place,
        "rows": rows,
        "bytes": path.stat().st_size,
        "first": first,
        "last": last,
    }


def _publish(
    transaction: Connection,
    published: Sequence[dict[str, object]],
    ready: Sequence[Segment],
    rejected: Sequence[lines.Rejected],
) -> None:
    """List new files and the segments they came from: a segment's name is a primary key, so exactly once."""
    now = time.time()
    transaction.execute(c.segments.insert(), [{"name": segment.name, "taken": now} for segment in ready])
    if published:
        transaction.execute(c.files.insert(), list(published))
        names = sorted({str(values["model"]) for values in published})
        transaction.execute(
            insert(c.models).on_conflict_do_nothing(),
            [{"name": name, "time": int(now * 1e6)} for name in names],
        )
    if rejected:
        rows = [
            {"segment": r.segment, "line": r.line, "reason": r.reason, "raw": r.raw, "rows": r.rows} for r in rejected
        ]
        transaction.execute(c.rejected.insert(), rows)


def _sweep_orphans(folder: Folder, engine: Engine) -> None:
    """Delete what a killed compactor left: files no transaction published, and unfinished segments, once they are old."""
    with engine.connect() as connection:
        listed = set(connection.execute(sa.select(c.files.c.path)).scalars())
    old = time.time() - ORPHAN_AGE
    for path in folder.tables.glob("*/*.parquet"):
        if str(path.relative_to(folder.tables)) not in listed and path.stat().st_mtime < old:
            path.unlink(missing_ok=True)
    drafts = [
        path for log in (folder.row_log, folder.graph_log) for path in log.iterdir() if path.suffix in (".tmp", ".open")
    ]
    for path in [*drafts, *folder.row_log.glob("*.parquet.json")]:
        alone = path.suffix != ".json" or not path.with_suffix("").exists()
        if alone and path.stat().st_mtime < old:
            path.unlink(missing_ok=True)
