"""Lines → this process's own segment files of one log, each line in one write(2), locked while the writer lives.

A compactor may take a segment when nobody holds its lock. No lock is shared between writers: every process has
segments of its own, and a forked child closes what it inherited, which leaves the parent's lock in place.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from errno import EBADF, EFBIG, ENOENT, ESTALE, EWOULDBLOCK
from os import SEEK_CUR, lseek, write
from time import monotonic
from typing import Final, NamedTuple

from watchglass.capture.ids import new_hex

LOGS: Final = ("graph", "rows")
_ANOTHER_FILE_HELPS: Final = frozenset((EFBIG, EBADF, ENOENT, ESTALE))
_TRIES: Final = 3
_LOOK_EVERY: Final = 0.05
_PART: Final = 1 << 20


class Limits(NamedTuple):  # making a dataclass takes a millisecond of the first event
    """When a segment is closed, and whether each line is brought to the disk before the call returns.

    `held` is how many bytes may be kept in memory until the background thread writes them; 0: each line is written
    before the call returns.
    """

    seconds: float
    size: int
    sync: bool
    held: int = 0


ANNOUNCED: Final = ".announced.jsonl"
"""How the name ends of a segment of rows all of whose columns the graph log tells; in any other each line is looked through."""


def new_name() -> str:
    """Name a segment: names sort by time, and say which process wrote."""
    return f"{new_hex()}-{os.getpid()}"


def new_file(log: str) -> str:
    """Name the file of a segment of lines; of one of rows the name promises that the graph log tells their columns."""
    return f"{new_name()}{ANNOUNCED if log == 'rows' else '.jsonl'}"


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


_anchored: Final[set[tuple[str, int]]] = set()


def sync_folder(folder: str) -> None:
    """Make new names in a folder survive a power cut; the first time, the names of the folder and of two above it too."""
    place = (folder, _sync_names(folder))
    if place in _anchored:
        return
    above = folder
    for _ in range(3):
        above = os.path.dirname(above)  # noqa: PTH120 - text paths here
        with suppress(OSError):  # a folder above that this user may not open was there before
            _sync_names(above)
    _anchored.add(place)


def sync_file(path: str) -> None:
    """Make the bytes of a file that another library wrote survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_names(folder: str) -> int:
    """Sync one folder; gives its inode."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
        return os.fstat(handle).st_ino
    finally:
        os.close(handle)


class Log:
    """One of the two logs as this process writes it: a segment opened when needed and rolled by age and size.

    Each append makes sure that the handle is still this segment's by where it stands, the cheapest question there is.
    Whether the file was deleted by another's hand costs four times as much, so it is asked every 50 ms; the lines
    written since the last time it was there are then read back from the open file and written again.
    """

    def __init__(self, root: str, name: str, limits: Limits) -> None:
        self._root = root
        self._name = name
        self._limits = limits
        self._roll_at, self._synced = limits.size, limits.sync
        self._handle = -1
        self._inode = (0, 0)
        self._born = 0.0
        self._look_at = 0.0  # when to look at the file itself again
        self._size = 0  # where the handle stands unless a line is being written,
        self._due = -1  # and where it will stand then
        self._seen = 0  # how much was in the file when it was last looked at
        self._owed = b""  # lines of a deleted file
        self._unsynced = False
        self._new_names = False
        self._retired: list[int] = []  # written to no more, still to be synced and closed
        self._in_hand: list[int] = []  # being synced right now
        self.renew_locks()

    def renew_locks(self) -> None:
        """Make other locks: a thread that is no more may have held them."""
        # Re-entrant: a signal handler or a finaliser may record while its thread is in here.
        self._lock = threading.RLock()
        self._sync_lock = threading.RLock()

    def append(self, data: bytes) -> None:
        """Write a whole line, or several; what raises `OSError` has left nothing behind."""
        with self._lock:
            try:
                certain = monotonic() < self._look_at and lseek(self._handle, 0, SEEK_CUR) == self._size
            except OSError:  # closed by another's hand, as daemons do
                certain = False
            if not certain and not self._usable():
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
        """Say whether the segment is there, is ours, is whole, and is neither too old nor too large."""
        if self._handle < 0:
            return False
        try:
            about = os.fstat(self._handle)
        except OSError:
            self._handle = -1
            return False
        if (about.st_ino, about.st_dev) != self._inode:  # closed, and its number given to another file
            self._handle = -1
            return False
        moment = monotonic()
        if about.st_nlink == 0:
            self._owed += self._read_back(about.st_size)
            self._retire()
            return False
        # A signal handler that records comes here in the middle of its own thread's line: one in part must stay its segment's last.
        torn = self._due >= 0 and about.st_size not in (self._size, self._due)
        if torn or about.st_size >= self._limits.size or moment >= self._born + self._limits.seconds:
            self._retire()
            return False
        self._size = self._seen = os.lseek(self._handle, 0, os.SEEK_END)
        self._look_at = min(self._born + self._limits.seconds, moment + _LOOK_EVERY)
        return True

    def _read_back(self, size: int) -> bytes:
        """Give the lines that went into a deleted file after it was last seen in its folder: they were acknowledged."""
        parts, start = [], self._seen
        while start < size and (part := os.pread(self._handle, min(_PART, size - start), start)):
            parts.append(part)
            start += len(part)
        data = b"".join(parts)
        return data[: data.rfind(b"\n") + 1]

    def _open(self) -> None:
        for attempt in range(_TRIES):
            try:
                self._open_once()
            except OSError as error:
                # a sweeper took our unlocked file for a dead writer's, or the folder went away meanwhile
                if error.errno not in (ENOENT, EWOULDBLOCK) or attempt == _TRIES - 1:
                    raise
            else:
                break
        owed, self._owed = self._owed, b""
        if owed:
            try:
                self._write(owed)
            except OSError:
                self._owed = owed + self._owed
                raise

    def _open_once(self) -> None:
        folder = prepare(self._root, self._name)
        path = f"{folder}/{new_file(self._name)}"
        handle = os.open(f"{path}.open", os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC, 0o666)
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
        self._retire()
        self._inode = (about.st_ino, about.st_dev)
        self._born = monotonic()
        self._look_at = self._born + min(_LOOK_EVERY, self._limits.seconds)
        self._size = self._seen = 0
        self._due = -1
        self._new_names = not self._limits.sync
        self._handle = handle

    def _write(self, data: bytes) -> None:
        handle = self._handle
        self._unsynced = True
        self._due = due = self._size + len(data)
        try:
            written = write(handle, data)
            if written != len(data):
                self._finish(handle, data, written)
        finally:
            self._due = -1
        self._size = due
        if due >= self._roll_at:
            self._look_at = 0.0
        if self._synced:
            os.fsync(handle)

    def _finish(self, handle: int, data: bytes, written: int) -> None:
        """Write the rest of a line that went in part; failing that, take the part back so that no line is torn."""
        start = os.fstat(handle).st_size - written
        try:
            while written < len(data):
                written += os.write(handle, data[written:])
        except OSError:
            self._look_at = 0.0
            try:
                os.ftruncate(handle, start)
            except OSError:
                if handle == self._handle:
                    self._retire()  # the torn line is this segment's last
            raise

    def _retire(self) -> None:
        handle, self._handle = self._handle, -1
        self._look_at = 0.0
        if handle >= 0:
            self._retired.append(handle)

    def _is_ours(self) -> bool:
        try:
            about = os.fstat(self._handle)
        except OSError:
            return False
        return (about.st_ino, about.st_dev) == self._inode

    def look(self) -> None:
        """Close a segment that has reached its age, so that it can be compacted though no event comes; rescue a deleted one's lines."""
        with self._lock:
            if self._handle >= 0:
                self._usable()
            if self._owed:
                self._open()

    def sync(self) -> int:
        """Bring what was written to the disk, and close the segments that are written to no more; gives how many."""
        return self._bring()

    def _bring(self) -> int:
        with self._sync_lock:
            with self._lock:
                self.look()
                in_hand, self._retired = self._retired, []
                closed = len(in_hand)
                if self._unsynced and self._handle >= 0:
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
        return closed

    def close(self) -> int:
        """Seal the segment; the next event opens another. Gives how many segments were closed."""
        with self._lock:
            try:
                self.look()
            finally:
                self._retire()
        return self._bring()

    def drain(self) -> None:
        """Write what waits in memory: nothing does."""

    def abandon(self) -> int:
        """Give up what waits in memory; says how many lines that were."""
        return 0

    @property
    def waiting(self) -> bool:
        """Say whether lines wait in memory."""
        return False

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
        self._look_at, self._due, self._owed = 0.0, -1, b""
        self._unsynced = self._new_names = False
        self.renew_locks()
        for handle in inherited:
            with suppress(OSError):
                os.close(handle)
