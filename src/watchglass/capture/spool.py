"""A server's URL → the folder where its events wait; that folder → the segments that may be shipped, each under its lock.

A spool is laid out like a store. A segment is sealed when its exclusive lock can be had: its writer died or moved on.
Whoever ships it holds that lock, so that two processes never ship one segment at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from watchglass import settings
from watchglass.capture.forking import whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LogName = Literal["graph", "rows", "drops"]
PARTS: Final = ".parts"
_ENDINGS: Final[Mapping[LogName, tuple[str, ...]]] = {
    "graph": (".jsonl",),
    "rows": (".jsonl", ".parquet"),
    "drops": (".json",),  # what each process could not record; its form is told in drops.py
}
REFUSED: Final = "refused"
REFUSED_BYTES: Final = 1 << 28
CHUNK: Final = 1 << 18
_UNFINISHED: Final = (".tmp", ".open")
_OLD: Final = 3600.0
_READABLE: Final = 60
_held: Final[set[int]] = set()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that nobody writes to, held open under its exclusive lock."""

    log: LogName
    name: str
    path: str
    handle: int
    size: int

    @property
    def sidecar(self) -> str | None:
        """The path of the file that says what a columnar segment holds; lines need none."""
        return f"{self.path}.json" if self.path.endswith(".parquet") else None

    @property
    def parts(self) -> str:
        """The path of the file that says which requests of this segment were split in halves."""
        return f"{self.path}{PARTS}"


def folder_for(url: str) -> str:
    """Give the folder in which events for a server wait, made if it can be: one for each URL.

    It lies in the setting `spool`, else in the user's state folder, else (no home, or not writable) in a folder of
    the user's own in the temporary folder. One that cannot be made is given all the same: recording there counts its losses.
    """
    name = folder_name(url)
    chosen = settings.resolve(settings.SPOOL)
    if chosen:
        folder = os.path.join(os.path.abspath(os.path.expanduser(chosen)), name)  # noqa: PTH100, PTH111, PTH118 - text paths here
        _made(folder)
        return folder
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # noqa: PTH117 - the XDG specification: a relative path is to be ignored
        state = os.path.expanduser("~/.local/state")  # noqa: PTH111 - text paths here
    folder = f"{state}/watchglass/{name}"
    if os.path.isabs(folder) and _made(f"{state}/watchglass") and _made(folder):  # noqa: PTH117 - text paths here
        return folder
    return _temporary(name) or folder


def folder_name(url: str) -> str:
    """Name a URL's folder so that a human knows it and no two URLs share one.

    >>> folder_name("https://watch.example:8443/team/"), folder_name("HTTPS://watch.example:8443/team")
    ('watch.example-8443-team-94855e701aa04ac2', 'watch.example-8443-team-94855e701aa04ac2')
    """
    from hashlib import sha256  # noqa: PLC0415 - only with a server

    found = urlsplit(url.strip())
    place = f"{found.netloc.lower()}{found.path.rstrip('/')}"
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", place.rpartition("@")[2]).strip("-.")[:_READABLE]
    return f"{readable}-{sha256(f'{found.scheme.lower()}://{place}?{found.query}'.encode()).hexdigest()[:16]}"


def _made(folder: str) -> bool:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - text paths here
    except (OSError, ValueError):  # no path at all may hold a null byte
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _temporary(name: str) -> str | None:
    """Make a folder in the temporary folder, unless what lies there already is not this user's alone."""
    from tempfile import gettempdir  # noqa: PLC0415 - only without a home

    own = f"{gettempdir()}/watchglass-{os.getuid()}"
    folder = f"{own}/{name}"
    if not _made(own):
        return None
    about = os.lstat(own)
    private = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o077
    return folder if private and _made(folder) else None


def waiting(root: str, log: LogName) -> list[str]:
    """Name the files of a log in the order of their names, which is that of time for segments; sealed or not."""
    try:
        return sorted(name for name in os.listdir(f"{root}/log/{log}") if name.endswith(_ENDINGS[log]))  # noqa: PTH208 - text paths here
    except FileNotFoundError:
        return []


@contextmanager
def sealed(root: str, log: LogName, name: str) -> Iterator[Sealed | None]:
    """Hold a segment under its exclusive lock; None while a writer lives or another process ships it, or it is gone."""
    path = f"{root}/log/{log}/{name}"
    with whole:  # a child must know of every lock that it inherits
        handle = _locked(path)
        if handle is not None:
            _held.add(handle)
    try:
        yield None if handle is None else Sealed(log, name, path, handle, os.fstat(handle).st_size)
    finally:
        if handle is not None:
            with whole:
                _held.discard(handle)
                fcntl.flock(handle, fcntl.LOCK_UN)
                os.close(handle)


def _locked(path: str) -> int | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink:  # else it was shipped between our open and our lock
            return handle
    except BlockingIOError:
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def chunks(segment: Sealed, start: int, end: int) -> Iterator[bytes]:
    """Read bytes of a segment, a quarter of a megabyte at a time."""
    while start < end:
        chunk = os.pread(segment.handle, min(CHUNK, end - start), start)
        if not chunk:
            message = f"segment {segment.path!r} ends at byte {start}, not at {end}: somebody cut it"
            raise OSError(message)
        yield chunk
        start += len(chunk)


def rows(segment: Sealed, start: int, end: int) -> int:
    """Count the lines in bytes of a segment; a columnar one counts as one, its rows are not for us to read."""
    if segment.sidecar is not None:
        return 1
    return max(1, sum(chunk.count(b"\n") for chunk in chunks(segment, start, end)))


def delete(segment: Sealed) -> None:
    """Remove a segment that the server has; what says how to read it goes last."""
    for path in (segment.path, segment.parts, segment.sidecar):
        if path is not None:
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - text paths here


def refuse(root: str, segment: Sealed, reason: Mapping[str, object]) -> str | None:
    """Put a segment that the server will never take aside, with the reason; gives where it lies now.

    None when what was refused before leaves no room for it: then it is removed.
    """
    kept = _put_reason(root, segment.name, reason)
    if kept is None:
        delete(segment)
        return None
    if segment.sidecar is not None:
        with suppress(FileNotFoundError):
            os.rename(segment.sidecar, f"{kept}.json")  # noqa: PTH104 - text paths here
    os.rename(segment.path, kept)  # noqa: PTH104 - likewise
    with suppress(FileNotFoundError):
        os.unlink(segment.parts)  # noqa: PTH108 - likewise
    return kept


def refuse_part(
    root: str, segment: Sealed, key: str, span: tuple[int, int], reason: Mapping[str, object]
) -> str | None:
    """Copy the bytes of a segment that the server will never take aside, with the reason; gives where they lie, if there is room."""
    kept = _put_reason(root, key, reason)
    if kept is None:
        return None
    with open(kept, "wb") as file:  # noqa: PTH123 - text paths here
        file.writelines(chunks(segment, *span))
        file.flush()
        os.fsync(file.fileno())
    return kept


def _put_reason(root: str, key: str, reason: Mapping[str, object]) -> str | None:
    folder = f"{root}/log/{REFUSED}"
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - text paths here
    with os.scandir(folder) as entries:
        if sum(entry.stat().st_size for entry in entries) >= REFUSED_BYTES:
            return None
    with suppress(OSError), open(f"{folder}/{key}.reason", "w", encoding="utf-8") as file:  # noqa: PTH123 - a full disk must not stop the move
        file.write(json.dumps(reason) + "\n")
    return f"{folder}/{key}"


def refused(root: str, names: Iterable[str]) -> bool:
    """Say whether one of these segments, or a part of one, was put aside."""
    try:
        aside = os.listdir(f"{root}/log/{REFUSED}")  # noqa: PTH208 - text paths here
    except FileNotFoundError:
        return False
    wanted = tuple(names)
    return any(name.startswith(wanted) for name in aside)


def sweep(root: str) -> int:
    """Remove what dead writers left unfinished more than an hour ago and nobody was told is recorded; gives how many files."""
    removed = 0
    for log in ("graph", "rows"):
        folder = f"{root}/log/{log}"
        try:
            names = set(os.listdir(folder))  # noqa: PTH208 - text paths here
        except FileNotFoundError:
            continue
        for name in names:
            segment = name.removesuffix(".json").removesuffix(PARTS)
            lonely = name.endswith((".parquet.json", PARTS)) and segment not in names
            if lonely or name.endswith(_UNFINISHED):
                removed += _removed_if_old(f"{folder}/{name}")
    return removed


def _removed_if_old(path: str) -> bool:
    try:
        if time.time() - os.stat(path).st_mtime < _OLD:  # noqa: PTH116 - text paths here
            return False
        handle = _locked(path)
        if handle is None:
            return False
        os.unlink(path)  # noqa: PTH108 - likewise
        os.close(handle)
    except OSError:
        return False
    return True


def _in_child() -> None:
    """Let go of the parent's segments without unlocking them: the lock belongs to the file as the parent opened it."""
    for handle in _held:
        with suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_in_child)
