"""A store's folder → a DuckDB that reads its files and its log and reaches nothing else, kept for as long as the store is open.

Each question gets a cursor of its own; what was parsed of the log's tail stays for the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import uuid
import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.store.ahead import Ahead
from watchglass.store.asking.copies import bind
from watchglass.store.frames import rows_of
from watchglass.store.models import Columns
from watchglass.store.quoting import literal
from watchglass.store.snapshot import Snapshot, Tables, Wanted, snapshot
from watchglass.store.tail import Tail, slot_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import sqlalchemy as sa
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

SLOTS: Final = 16
MEMORY: Final = "1200MiB"
"""A question that needs more at a time puts it on the disk, and ends with an error when that is half full of it."""
_left: list[object] = []
"""Readers that a forked child inherited: their threads are the parent's, so they are neither used nor ended here."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One question's view of the store: a cursor, what there is, and where the tail's rows are."""

    connection: duckdb.DuckDBPyConnection
    snapshot: Snapshot
    tail: Tables
    room: Path
    kept: list[bool] = field(default_factory=list)

    def keep(self) -> None:
        """Leave the cursor open when the moment is over: an answer is read from it later."""
        self.kept.append(True)


class Reader:
    """A DuckDB locked to one store."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._room = folder.scratch / uuid.uuid4().hex
        self._room.mkdir(parents=True, exist_ok=True)
        self._lives = os.open(self._room, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lives, fcntl.LOCK_SH)  # a room that nobody locks is a dead reader's
        self._connection = duckdb.connect()
        self._pid = os.getpid()
        self._slots = [os.memfd_create("watchglass-tail", os.MFD_CLOEXEC) for _ in range(SLOTS)]
        folders = (folder.tables, self._room)
        allowed = ", ".join(literal(f"{path.absolute()}/") for path in folders)
        for setting in (
            "TimeZone = 'UTC'",
            "python_enable_replacements = false",
            f"memory_limit = '{MEMORY}'",
            f"max_temp_directory_size = '{_room_to_spill(self._room) >> 20}MiB'",
            "parquet_metadata_cache = true",  # a question reads each file's end when it is planned and when it runs
            f"temp_directory = {literal(str(self._room.absolute() / 'spill'))}",
            f"allowed_directories = [{allowed}]",
            f"allowed_paths = [{', '.join(literal(slot_path(slot)) for slot in self._slots)}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")
        self._tail = Tail(self._connection.cursor(), self._room.absolute(), self._slots)
        self._engine: weakref.ref[Engine] | None = None
        self._needed: frozenset[str] | None = frozenset()
        self._ahead = Ahead(self._look_ahead)
        self.close = weakref.finalize(
            self, _swept, self._connection, self._room, [*self._slots, self._lives], self._pid
        )

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Give a cursor with nothing in it."""
        return self._connection.cursor()

    def stop(self) -> None:
        """End what goes on in the background."""
        self._ahead.stop()

    def _links(self, found: Snapshot) -> dict[str, str]:
        """Give a path for each live columnar segment whose rows can be had."""
        links = {}
        for segment in found.live:
            if segment.sidecar is None:
                continue
            columns = found.columns.get(str(segment.sidecar["model"]), Columns((), ()))
            path = self._tail.link(segment, partial(rows_of, segment, columns))
            if path is not None:
                links[segment.name] = path
        return links

    def _look_ahead(self) -> None:
        """Parse what was appended, as the last question would."""
        engine = None if self._engine is None else self._engine()
        if engine is not None:
            with snapshot(self._folder, engine) as found:
                self._tail.release(self._tail.take(found.live, self._needed, found.forgotten))

    @property
    def inherited(self) -> bool:
        """Whether this process is not the one that made it."""
        return self._pid != os.getpid()

    @contextmanager
    def moment(
        self,
        engine: Engine,
        *,
        rows: bool,
        needed: frozenset[str] | None,
        tables: Mapping[str, sa.Table] | None = None,
    ) -> Iterator[Moment]:
        """Hold one moment of the store; without `rows` the log's rows are left alone, else the `needed` values are there (None: all).

        `tables` of the catalog are bound as views, of the same moment.
        """
        if rows:
            self._engine, self._needed = weakref.ref(engine), needed
            self._ahead.asked()
        wanted = Wanted(tables, self._room.absolute()) if tables else None
        with snapshot(self._folder, engine, wanted) as found:
            pieces = self._tail.take(found.live, needed, found.forgotten) if rows else []
            try:
                links = self._links(found) if rows else {}
                self._tail.forget_links(found.live) if rows else None
                moment = Moment(
                    self._connection.cursor(),
                    found,
                    Tables([piece.source for piece in pieces], links, needed),
                    self._room.absolute(),
                )
                try:
                    for copied in found.copies.values():
                        bind(moment.connection, copied, self._folder.tables)
                    yield moment
                finally:
                    moment.connection.close() if not moment.kept else None
            finally:
                self._tail.release(pieces)


def _room_to_spill(room: Path) -> int:
    """Give the bytes that questions may put on the disk: half of what is free."""
    return shutil.disk_usage(room).free // 2


def _swept(connection: duckdb.DuckDBPyConnection, room: Path, handles: list[int], pid: int) -> None:
    """End a reader's DuckDB and remove what it kept."""
    if pid != os.getpid():
        _left.append(connection)
        return
    connection.close()
    for handle in handles:
        os.close(handle)
    shutil.rmtree(room, ignore_errors=True)


_readers: weakref.WeakKeyDictionary[Engine, Reader] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def reader_of(folder: Folder, engine: Engine) -> Reader:
    """Give the reader of an open store, made at its first question, and anew in a forked child."""
    with _lock:
        found = _readers.get(engine)
        if found is None or found.inherited:
            if found is not None:
                _left.append(found)
            found = _readers[engine] = Reader(folder)
        return found


def close_reader(engine: Engine) -> None:
    """End the reader of a store that is being closed."""
    with _lock:
        found = _readers.pop(engine, None)
    if found is not None and not found.inherited:
        found.stop()
        found.close()


def _in_child() -> None:
    global _lock  # noqa: PLW0603 - a thread that is not here may have held it
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_child)
