"""A store whose catalog is broken or gone → a new catalog: the manifest from the Parquet files, the graph from what is left.

The old catalog goes into quarantine; what can be read of it is taken over. What the files prove is exact; runs, reads,
writes and artifacts are had back as they were last copied there; what only the catalog knew (verdicts, incidents, keys
of requests) is had back as far as it can be read.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store.catalog import META
from watchglass.store.compact import engine_room
from watchglass.store.doctor.elsewhere import IDENTITY, read_log, where_else
from watchglass.store.doctor.files import forget_cells, listed
from watchglass.store.doctor.mirrored import take_mirrored
from watchglass.store.doctor.salvage import Saved, save
from watchglass.store.doctor.visit import Finding, Visit
from watchglass.store.quarantine import quarantine_of, set_aside
from watchglass.store.quoting import literal
from watchglass.store.segments import opened
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watchglass.store.folder import Folder
    from watchglass.store.segments import Segment

_MADE_ANEW = ("schema_version", "leases", "watermarks", "graph_segments")
_TYPES = {"DOUBLE": "number", "BOOLEAN": "boolean", "VARCHAR": "text"}
_SIDES = ("-wal", "-shm")


def rebuild(visit: Visit, fault: str) -> Visit:
    """Put a new catalog in the place of one that cannot be trusted; gives the visit with the new one open.

    Raises `StoreError` when another process has the old one open: it would go on writing to it.
    """
    folder = visit.folder
    holders = _holders(folder.catalog)
    if holders:
        message = (
            f"the catalog {str(folder.catalog)!r} is open in process {', '.join(map(str, holders))}: stop it first "
            "(watchglass serve?), else it would go on writing to the old one"
        )
        raise StoreError(message)
    tables = [table for table in META.sorted_tables if table.name not in _MADE_ANEW]
    old = _put_away(visit, fault)
    saved = save(old, tables) if old else {table.name: Saved((), whole=False) for table in tables}
    visit.engine = connect(folder, fresh=True)
    _take_over(visit, saved, tables)
    with engine_room(visit.folder) as connection:
        mirrored = take_mirrored(visit, connection)
        _settle_log(visit, connection)
        _learn_columns(visit, connection)
    forget_cells(visit)
    read = [f"{len(found.rows)} {name}" for name, found in sorted(saved.items()) if found.rows]
    gone = [name for name, found in sorted(saved.items()) if not found.whole]
    copies = ", ".join(f"{count} {name}" for name, count in sorted(mirrored.items()))
    means = (
        f"{fault}. Read from it: {', '.join(read) or 'nothing'}. Not read, or not to its end: {', '.join(gone) or 'nothing'};"
        f" of those, files, models and columns are had back from the Parquet files, {copies or 'nothing'} from copies of the"
        " catalog's tables there, the rest only where its lines still lie in log/graph."
        " Counts and windows are made anew at the next check"
    )
    finding = Finding("error", "broken catalog", folder.catalog.name, means, "make it anew (--mend)", mended=True)
    visit.findings.append(finding)
    return visit


def _holders(path: Path) -> list[int]:
    """List the other processes that have a file open, as far as this user may see."""
    own, real, found = str(Path("/proc/self").resolve().name), str(path.resolve()), []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or process.name == own:
            continue
        try:
            if any(str(handle.readlink()) == real for handle in (process / "fd").iterdir()):
                found.append(int(process.name))
        except OSError:  # another user's, or ended meanwhile
            continue
    return found


def _put_away(visit: Visit, fault: str) -> Path | None:
    """Move the old catalog with its write-ahead log into quarantine, under one name."""
    path = visit.folder.catalog
    if not path.exists():
        for side in _SIDES:  # without its database a write-ahead log would be replayed into the new one
            left = path.with_name(path.name + side)
            if left.exists():
                set_aside(visit.folder, left, fault, visit.now)
        return None
    moved = set_aside(visit.folder, path, fault, visit.now)
    for side in _SIDES:
        left = path.with_name(path.name + side)
        if left.exists():
            left.rename(quarantine_of(visit.folder) / (moved.name + side))
    return moved


def _take_over(visit: Visit, saved: Mapping[str, Saved], tables: Sequence[sa.Table]) -> None:
    """Write what was read into the new catalog; of the manifest only what lies there and was not replaced."""
    for table in tables:
        rows = saved[table.name].rows
        if table is c.files:
            rows = tuple(row for row in rows if row.get("removed") is None and _lies(visit.folder, row))
        for row in rows:
            try:
                with writing(visit.engine) as connection:
                    connection.execute(insert(table).on_conflict_do_nothing(), [row])
            except (sa.exc.SQLAlchemyError, TypeError, ValueError):
                continue  # a row whose page was overwritten; the count says how many are there


def _lies(folder: Folder, row: Mapping[str, object]) -> bool:
    return isinstance(row.get("path"), str) and (folder.tables / str(row["path"])).is_file()


def _settle_log(visit: Visit, connection: duckdb.DuckDBPyConnection) -> None:
    """Say of each segment that lies in the log whether the tables hold it; files that the log holds go aside.

    A compaction that was stopped leaves one of two things: files that were never published, all of whose rows are
    in the log still, or segments that were published, all of whose rows are in files.
    """
    with opened(visit.folder.row_log) as held:
        with visit.engine.connect() as transaction:
            taken = set(transaction.execute(sa.select(c.segments.c.name)).scalars())
        live = [segment for segment in held if segment.name not in taken]
        read_log(connection, live)
        places = {row.place for row in listed(visit)}
        kept: list[Path] = []
        for kind in IDENTITY:
            for path in sorted((visit.folder.tables / kind).glob("*.parquet")):
                if str(path.relative_to(visit.folder.tables)) in places:
                    kept.append(path)
                    continue
                try:
                    place = where_else(connection, path, kind, [])
                except duckdb.Error:
                    continue  # the look at unlisted files says so
                if place.rows and place.in_log == place.rows:
                    set_aside(visit.folder, path, "all of its rows are in the log still", visit.now)
                else:
                    kept.append(path)
        _mark(visit, connection, live, kept)


def _mark(visit: Visit, connection: duckdb.DuckDBPyConnection, live: Sequence[Segment], kept: Sequence[Path]) -> None:
    """List as published the segments all of whose rows are in files."""
    connection.execute("CREATE OR REPLACE TEMP TABLE file_rows (kind VARCHAR, h UBIGINT)")
    for path in kept:
        kind = path.parent.name
        source = f"read_parquet({literal(str(path))})"
        try:
            connection.execute(f"INSERT INTO file_rows SELECT {literal(kind)}, {IDENTITY[kind]} FROM {source}")
        except duckdb.Error:
            continue
    for segment in live:
        rows, there = connection.execute(
            "SELECT count(*), count(*) FILTER ((kind, h) IN (SELECT (kind, h) FROM file_rows)) FROM log_rows WHERE segment = ?",
            [segment.name],
        ).fetchone() or (0, 0)
        if rows and rows == there:
            with writing(visit.engine) as transaction:
                transaction.execute(c.segments.insert().values(name=segment.name, taken=time.time()))


def _learn_columns(visit: Visit, connection: duckdb.DuckDBPyConnection) -> None:
    """Register the models and the columns that the files of predictions show, where nothing is registered."""
    for path in sorted((visit.folder.tables / "predictions").glob("*.parquet")):
        source = f"read_parquet({literal(str(path))})"
        try:
            row = connection.execute(f"SELECT min(model) FROM {source}").fetchone()
            if row is None or row[0] is None:
                continue
            found = [(str(row[0]), *column) for column in _columns_of(connection, source)]
        except duckdb.Error:
            continue
        with writing(visit.engine) as transaction:
            named = {"name": str(row[0]), "time": int(visit.now.timestamp() * 1e6)}
            transaction.execute(insert(c.models).on_conflict_do_nothing(), [named])
            for model, role, name, kind in found:
                values = {"model": model, "role": role, "name": name, "type": kind}
                transaction.execute(insert(c.columns).on_conflict_do_nothing(), [values])


def _columns_of(connection: duckdb.DuckDBPyConnection, source: str) -> list[tuple[str, str, str]]:
    """List (role, name, type) of the structs in a file; JSON kept as text is text."""
    have = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    found = []
    for role, name in (("feature", "features"), ("tag", "tags")):
        if name in have:
            described = connection.execute(f"DESCRIBE SELECT unnest({name}) FROM {source}").fetchall()
            found += [(role, str(row[0]), _TYPES.get(str(row[1]), "text")) for row in described]
    return found
