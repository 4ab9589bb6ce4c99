"""Lines → this process's own segment files of one log, each line in one write(2), locked while the writer lives.

A compactor may take a segment when nobody holds its lock. No lock is shared between writers: every process has
segments of its own, and a forked child closes what it inherited, which leaves the parent's lock in place.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from errno import EBADF, EFBIG, ENOENT, ESTALE, EWOULDBLOCK
from typing import Final

from watchglass.capture.ids import new_hex

LOGS: Final = ("graph", "rows")
_ANOTHER_FILE_HELPS: Final = frozenset((EFBIG, EBADF, ENOENT, ESTALE))
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is closed, and whether each line is brought to the disk before the call returns."""

    seconds: float
    size: int
    sync: bool


def new_name() -> str:
    """Name a segment: names sort by time, and say which process wrote."""
    return f"{new_hex()}-{os.getpid()}"


def prepare(root: str, log: str) -> str:
    """Make a log's folder, and the store's .gitignore, when they are missing."""
    folder = f"{root}/log/{log}"
    if not os.path.isdir(folder):  # noqa: PTH112 - a hot folder's text path
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - likewise
    with suppress(OSError):  # there already, or a nicety that must not stop the log
        handle = os.open(f"{root}/.gitignore", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        try:
            os.write(handle, b"*\n")
        finally:
            os.close(handle)
    return folder


def sync_folder(folder: str) -> None:
    """Make new names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Log:
    """One of the two logs as this process writes it: a segment opened when needed and rolled by age and size."""

    def __init__(self, root: str, name: str, limits: Limits) -> None:
        self._root = root
        self._name = name
        self._limits = limits
        self._handle = -1
        self._inode = (0, 0)
        self._born = 0.0
        self._unsynced = False
        self._new_names = False
        self._retired: list[int] = []  # written to no more, still to be synced and closed
        self._in_hand: list[int] = []  # being synced right now
        self._renew_locks()

    def _renew_locks(self) -> None:
        # Re-entrant: a signal handler or a finaliser may record while its thread is in here.
        self._lock = threading.RLock()
        self._sync_lock = threading.RLock()

    def append(self, data: bytes) -> None:
        """Write a whole line; what raises `OSError` has left nothing behind."""
        with self._lock:
            if not self._usable():
                self._open()
            try:
                self._write(data)
            except OSError as error:
                if error.errno not in _ANOTHER_FILE_HELPS:
                    raise
                self._retire()
                self._open()
                self._write(data)

    def _usable(self) -> bool:
        """Say whether the segment is there, is ours, and is neither too old nor too large."""
        if self._handle < 0:
            return False
        try:
            about = os.fstat(self._handle)
        except OSError:  # closed by another's hand, as daemons do
            self._handle = -1
            return False
        if (about.st_ino, about.st_dev) != self._inode:  # closed, and its number given to another file
            self._handle = -1
            return False
        if (
            about.st_nlink == 0
            or about.st_size >= self._limits.size
            or time.monotonic() - self._born >= self._limits.seconds
        ):
            self._retire()
            return False
        return True

    def _open(self) -> None:
        for attempt in range(_TRIES):
            try:
                self._open_once()
            except OSError as error:
                # a sweeper took our unlocked file for a dead writer's, or the folder went away meanwhile
                if error.errno not in (ENOENT, EWOULDBLOCK) or attempt == _TRIES - 1:
                    raise
            else:
                return

    def _open_once(self) -> None:
        folder = prepare(self._root, self._name)
        path = f"{folder}/{new_name()}.jsonl"
        handle = os.open(f"{path}.open", os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.rename(f"{path}.open", path)  # noqa: PTH104 - a hot folder's text path
            if self._limits.sync:
                sync_folder(folder)
            about = os.fstat(handle)
        except BaseException:
            os.close(handle)
            with suppress(OSError):
                os.unlink(f"{path}.open")  # noqa: PTH108 - likewise
            raise
        self._inode = (about.st_ino, about.st_dev)
        self._born = time.monotonic()
        self._new_names = not self._limits.sync
        self._handle = handle

    def _write(self, data: bytes) -> None:
        self._unsynced = True
        written = os.write(self._handle, data)
        if written != len(data):
            self._finish(data, written)
        if self._limits.sync:
            os.fsync(self._handle)

    def _finish(self, data: bytes, written: int) -> None:
        """Write the rest of a line that went in part; failing that, take the part back so that no line is torn."""
        start = os.fstat(self._handle).st_size - written
        try:
            while written < len(data):
                written += os.write(self._handle, data[written:])
        except OSError:
            try:
                os.ftruncate(self._handle, start)
            except OSError:
                self._retire()  # the torn line is this segment's last
            raise

    def _retire(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            self._retired.append(handle)

    def _is_ours(self) -> bool:
        try:
            about = os.fstat(self._handle)
        except OSError:
            return False
        return (about.st_ino, about.st_dev) == self._inode

    def roll_if_idle(self) -> None:
        """Close a segment that has reached its age, so that it can be compacted though no event comes."""
        with self._lock:
            if self._handle >= 0:
                self._usable()

    def sync(self) -> None:
        """Bring what was written to the disk, and close the segments that are written to no more."""
        with self._sync_lock:
            with self._lock:
                in_hand, self._retired = self._retired, []
                if self._unsynced and self._handle >= 0 and self._is_ours():
                    in_hand.append(os.dup(self._handle))  # closing the copy keeps the lock
                self._in_hand.extend(in_hand)
                self._unsynced = False
                names, self._new_names = self._new_names, False
            try:
                for handle in in_hand:
                    os.fsync(handle)
                if names:
                    with suppress(FileNotFoundError):
                        sync_folder(f"{self._root}/log/{self._name}")
            finally:
                for handle in in_hand:
                    self._in_hand.remove(handle)
                    os.close(handle)

    def close(self) -> None:
        """Seal the segment; the next event opens another."""
        with self._lock:
            if self._handle >= 0 and not self._is_ours():
                self._handle = -1
            self._retire()
        self.sync()

    @property
    def has_work(self) -> bool:
        """Say whether something waits for the disk or a segment is open."""
        return self._unsynced or self._handle >= 0 or bool(self._retired)

    def before_fork(self) -> bool:
        """Wait for an append that is under way, but not for ever: a fork inside one must not hang."""
        return self._lock.acquire(timeout=0.5)

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Let go of the parent's segments without unlocking them: the lock belongs to the file as the parent opened it."""
        inherited = [*self._retired, *self._in_hand]
        if self._handle >= 0 and self._is_ours():
            inherited.append(self._handle)
        self._handle, self._retired, self._in_hand = -1, [], []
        self._unsynced = self._new_names = False
        self._renew_locks()
        for handle in inherited:
            with suppress(OSError):
                os.close(handle)
