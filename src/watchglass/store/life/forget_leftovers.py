"""A store's corners → without what may hold forgotten rows: files that nobody lists, rooms of readers, what was put in quarantine."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import duckdb
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.folder import sync_folder
from watchglass.store.life.forget_mentions import named
from watchglass.store.mirror import MIRRORS
from watchglass.store.parquet import delete
from watchglass.store.quarantine import quarantine_of
from watchglass.store.quoting import identifier, literal
from watchglass.store.segments import is_sealed
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_keys import Sought

_NEW: Final = 5.0  # seconds: a reader makes its room before it locks it
_SETTINGS: Final = (".json", ".toml", ".txt", ".md")
_NOTE: Final = ".why.json"
_OURS: Final = ("predictions", "labels", "feedback", "metrics", "logs", "cells", *MIRRORS)
"""The tables that nobody writes files for without one of the leases that a forget holds."""


def sweep(folder: Folder, engine: Engine) -> None:
    """Delete the files that were replaced for good, and those in the tables that the catalog does not list.

    The caller holds the leases of all who write files, so that what is not listed is a killed one's.
    """
    with engine.connect() as connection:
        gone = connection.execute(sa.select(c.files.c.seq, c.files.c.path).where(c.files.c.removed == 0.0)).all()
    for _, path in gone:
        delete(folder.tables / path)
    if gone:
        with writing(engine) as transaction:
            transaction.execute(c.files.delete().where(c.files.c.removed == 0.0))
    with engine.connect() as connection:
        kept = set(connection.execute(sa.select(c.files.c.path)).scalars())
    for home in (folder.tables / kind for kind in _OURS):
        if not home.is_dir():
            continue
        for path in home.iterdir():
            name = str(path.relative_to(folder.tables)).removesuffix(".ids")
            if path.is_file() and kept and name not in kept:
                path.unlink(missing_ok=True)
        sync_folder(home)


def empty_rooms(folder: Folder) -> None:
    """Empty the rooms of readers that are no more, and take the second names of segments away from those that live.

    A living reader whose question still reads such a segment plans it again.
    """
    live = {path.name for path in folder.row_log.iterdir()} if folder.row_log.is_dir() else set()
    for room in folder.scratch.iterdir() if folder.scratch.is_dir() else []:
        with suppress(FileNotFoundError):
            if room.is_file():  # a killed mirror's copy, as older versions left it
                room.unlink()
                continue
            if is_sealed(room):
                _emptied(room)
                continue
        for path in room.glob("*.parquet"):
            if path.name not in live:
                path.unlink(missing_ok=True)


@contextmanager
def room_to_spill(folder: Folder, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB spill below the store, and nowhere else: what a killed forget leaves there, the next one deletes."""
    room = folder.scratch / f"forget-{uuid.uuid4().hex}"
    room.mkdir(parents=True)
    handle = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        connection.execute(f"SET temp_directory = {literal(str(room.absolute() / 'spill'))}")
        yield
    finally:
        os.close(handle)
        shutil.rmtree(room, ignore_errors=True)


def _emptied(room: Path) -> None:
    with suppress(FileNotFoundError):
        new = time.time() - room.stat().st_mtime < _NEW
        for path in room.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not new:
            room.rmdir()


def search_quarantine(folder: Folder, sought: Sought) -> tuple[int, int]:
    """Delete the files in quarantine that speak of the rows, their notes too; gives how many, and how many could not be read.

    What lies there was taken as it is by nobody, so a file goes as a whole.
    """
    home, gone, unread = quarantine_of(folder), 0, 0
    for path in sorted(home.iterdir()) if home.is_dir() else []:
        if path.name.endswith(_NOTE) or not path.is_file():
            continue
        held = _holds(path, sought)
        unread += held is None
        if held:
            gone += 1
            path.with_name(path.name + _NOTE).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    if gone:
        sync_folder(home)
    return gone, unread


def named_files(folder: Folder, sought: Sought) -> dict[str, int]:
    """Give the files of settings, and of what processes dropped, that hold the name: somebody wrote it there by hand."""
    if not sought.about.names:
        return {}
    beside = (path for path in folder.root.iterdir() if path.suffix in _SETTINGS)
    dropped = (folder.root / "log" / "drops").glob("*.json")
    return {
        str(path.relative_to(folder.root)): 1
        for path in (*beside, *dropped)
        if named(path.read_bytes().decode("utf-8", "replace"), sought.about.names)
    }


def _holds(path: Path, sought: Sought) -> bool | None:
    """Say whether a file holds one of the texts; None where that cannot be told."""
    if ".parquet" not in path.name or path.suffix in (".json", ".ids"):
        return bool(sought.named_in(path.read_bytes().decode("utf-8", "replace")))
    connection = duckdb.connect()
    try:
        relation = connection.sql(f"FROM read_parquet({literal(str(path))})")
        texts = ", ".join(f"to_json({identifier(name)})::VARCHAR" for name in relation.columns)
        rows = connection.execute(f"SELECT concat_ws(' ', {texts}) FROM read_parquet({literal(str(path))})")
        while part := rows.fetchmany(10_000):
            if any(sought.named_in(text) for (text,) in part):
                return True
    except duckdb.Error:
        return None
    finally:
        connection.close()
    return False
