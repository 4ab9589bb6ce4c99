"""An open store → one moment of it in a folder of backups, while others record, ask and compact: files once, the rest small.

The order is a question's (snapshot.py): the log's segments are opened and their ends noted, then the catalog is copied,
which says which of them are in its files. A file of the tables that is gone before it is put aside was merged or
forgotten meanwhile: the next moment is taken, and what was put aside so far counts.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
import uuid
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchglass import __version__
from watchglass.capture.tuned import FILE
from watchglass.errors import BadInput, StoreError, StoreTooNew
from watchglass.store.codec import encode
from watchglass.store.folder import make_folder, sync_folder
from watchglass.store.life import backups
from watchglass.store.life.backup_kept import keep_artifacts
from watchglass.store.life.backups import Backup, Kept, Moment
from watchglass.store.life.copied import to_file
from watchglass.store.parquet import sum_of
from watchglass.store.segments import opened, sealed
from watchglass.store.transactions import SCHEMA_VERSION

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.segments import Segment

MOMENTS: Final = 5
CATALOG: Final = "catalog.db"


def backup(
    folder: Folder,
    engine: Engine,
    to: str | os.PathLike[str],
    *,
    keep: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Backup:
    """Make a backup in a folder, made when there is none; then, with `keep`, remove all but the newest so many.

    A file that is there from an earlier one is not written again; on the store's own disk files are linked, not copied.
    `progress` is told the bytes that are put aside and how many there are. Raises `BadInput` for a folder that holds
    other things or lies in the store, `StoreError` when a file is damaged or another process writes there.
    """
    home = _home(folder, Path(to), keep)
    with backups.alone(home):
        backups.sweep(home)
        for _ in range(MOMENTS):
            draft = backups.moments_of(home) / f"{backups.HIDDEN}{uuid.uuid4().hex}.tmp"
            try:
                made = _made(folder, engine, home, draft, progress)
            except FileNotFoundError as error:
                fault: OSError = error
                continue
            except sqlite3.OperationalError as error:  # a full disk, for one
                message = f"the catalog cannot be copied into {str(home)!r}: {error}. No backup was made. Next: make room there, or name another folder"
                raise StoreError(message) from error
            finally:
                if draft.exists():
                    shutil.rmtree(draft)
            if keep is not None:
                backups.prune(home, keep)
            return made
    message = (
        f"{str(fault.filename)!r} is not there though the catalog lists it: no backup was made. Next: watchglass doctor"
    )
    raise StoreError(message) from fault


def _home(folder: Folder, home: Path, keep: int | None) -> Path:
    if keep is not None and keep < 1:
        message = f"{keep} backups cannot be kept: 1 or more would do"
        raise BadInput(message)
    if home.resolve().is_relative_to(folder.root.resolve()):
        message = (
            f"the backups {str(home)!r} would lie in the store itself: name a folder outside, best on another disk"
        )
        raise BadInput(message)
    if home.exists() and (not home.is_dir() or (any(home.iterdir()) and not backups.moments_of(home).is_dir())):
        message = f"{str(home)!r} holds other things: name an empty folder, or one that holds backups"
        raise BadInput(message)
    make_folder(backups.objects_of(home))
    make_folder(backups.moments_of(home))
    return home


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a copy of the catalog says: its version, the live files, the segments that are in them, and the kept bytes."""

    version: int
    tables: tuple[tuple[str, int, str | None, int, int], ...]
    taken: frozenset[str]
    kept: tuple[str, ...]


def _made(
    folder: Folder, engine: Engine, home: Path, draft: Path, progress: Callable[[int, int], None] | None
) -> Backup:
    """Take a moment, put its files aside, and give its folder its name."""
    now = datetime.now(UTC)
    listed = _moment(folder, engine, draft)
    tables, new = _put_aside(folder, home, listed, progress)
    artifacts = keep_artifacts(folder, home, listed.kept)
    beside = tuple(
        Kept(str(path.relative_to(draft)), path.stat().st_size, sum_of(path))
        for path in sorted(draft.rglob("*"))
        if path.is_file()
    )
    made = Backup(
        name=backups.name_of(now),
        time=now,
        store=str(folder.root.resolve()),
        version=__version__,
        catalog=listed.version,
        files=len(tables),
        rows=sum(kept.rows for kept in tables),
        bytes=sum(kept.bytes for kept in tables),
        new_files=len(new),
        new_bytes=sum(kept.bytes for kept in new),
        log_bytes=sum(kept.bytes for kept in beside if kept.place.startswith("log/")),
    )
    backups.write(draft / backups.TOLD, encode(Moment(2 if artifacts else 1, made, tables, beside, artifacts)).encode())
    backups.finish(draft, backups.moments_of(home) / made.name)
    return made


def _moment(folder: Folder, engine: Engine, draft: Path) -> _Listed:
    """Write a consistent moment of everything but the tables' files."""
    with opened(folder.row_log) as rows:
        ends = [_end(segment) for segment in rows]
        with opened(folder.graph_log) as graph:
            _keep_drops(folder, draft)
            listed = _copy_catalog(engine, draft / CATALOG)
            for segment, end in zip(rows, ends, strict=True):
                if segment.name not in listed.taken:
                    _keep_segment(segment, end, draft / "log" / "rows")
            for segment in graph:
                _keep_segment(segment, segment.end_of_lines(0), draft / "log" / "graph")
    with suppress(FileNotFoundError):
        backups.write(draft / FILE, (folder.root / FILE).read_bytes())
    return listed


def _end(segment: Segment) -> int:
    """Say where a segment ends: one that is still written to at its last line's end."""
    if segment.sidecar is not None:
        return segment.size
    if sealed(segment):
        fcntl.flock(segment.handle, fcntl.LOCK_UN)  # a compactor may have it
        return segment.size
    return segment.end_of_lines(0)


def _keep_segment(segment: Segment, end: int, home: Path) -> None:
    backups.write(home / segment.name, segment.part(0, end))
    if segment.sidecar is not None:
        backups.write(home / f"{segment.name}.json", json.dumps(segment.sidecar).encode())


def _keep_drops(folder: Folder, draft: Path) -> None:
    """Keep the counts of what processes dropped, before the catalog: dead ones' are taken over there, then removed here."""
    home = folder.root / "log" / "drops"
    for path in sorted(home.glob("*.json")) if home.is_dir() else []:
        with suppress(FileNotFoundError):
            backups.write(draft / "log" / "drops" / path.name, path.read_bytes())


def _copy_catalog(engine: Engine, target: Path) -> _Listed:
    """Copy the catalog as it is at one moment, without leases and replaced files; raises `StoreTooNew` for a newer one."""
    make_folder(target.parent)
    if engine.dialect.name == "postgresql":
        to_file(engine, target)
    else:
        with closing(engine.raw_connection()) as pooled:
            pooled.cursor().execute("VACUUM INTO ?", (str(target),))
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute(
            "PRAGMA journal_mode = DELETE"
        ).close()  # one file; the restored store's own opening says WAL again
        (version,) = copy.execute("SELECT max(version) FROM schema_version").fetchone()
        if version > SCHEMA_VERSION:
            message = f"this store has catalog version {version}, this package knows {SCHEMA_VERSION}: pip install --upgrade watchglass"
            raise StoreTooNew(message)
        copy.execute("DELETE FROM files WHERE removed IS NOT NULL")
        copy.execute("UPDATE leases SET owner = '', until = 0")
        files = copy.execute(
            "SELECT path, bytes, sum, iif(kind IN ('predictions', 'labels', 'feedback', 'metrics', 'logs'), rows, 0), indexed FROM files ORDER BY seq"
        ).fetchall()
        taken = frozenset(name for (name,) in copy.execute("SELECT name FROM segments"))
        kept = tuple(
            name for (name,) in copy.execute("SELECT DISTINCT kept FROM artifacts WHERE kept <> '' ORDER BY 1")
        )
    return _Listed(version, tuple(files), taken, kept)


def _put_aside(
    folder: Folder, home: Path, listed: _Listed, progress: Callable[[int, int], None] | None
) -> tuple[tuple[Kept, ...], Sequence[Kept]]:
    """Put each file of the tables among the objects unless it is there; gives all, and those that are new."""
    found: list[Kept] = []
    new: list[Kept] = []
    done, total = 0, sum(size for _, size, *_ in listed.tables)
    for place, size, known, rows, indexed in listed.tables:
        source = folder.tables / place
        kept = Kept(place, size, known or sum_of(source), rows, bool(indexed))
        target = backups.object_of(home, kept)
        if not target.exists() or target.stat().st_size != size:
            try:
                backups.put(source, target, kept.sum)
            except StoreError as error:
                message = f"{error}: no backup was made. Put it back from an earlier one, or: watchglass doctor --mend"
                raise StoreError(message) from error
            new.append(kept)
        found.append(kept)
        done += size
        if progress:
            progress(done, total)
    sync_folder(backups.objects_of(home))
    return tuple(found), new
