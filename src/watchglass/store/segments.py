"""The log's folders → segments held open, so that what is read can neither vanish nor be counted twice.

A writer holds a shared lock on its segment while it lives. A reader never locks: it opens first and asks the
catalog afterwards. A compactor takes the exclusive lock, which it gets only when the writer is gone.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.capture.segment import ANNOUNCED
from watchglass.store.catalog import segments
from watchglass.store.lines import has_half_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

CHUNK = 1 << 18
MAGIC = b"PAR1"
NAMES_AT_ONCE = 10_000  # SQLite takes 32,766 variables in a statement


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file held open: `name` is its identity for ever, `sidecar` what a columnar one holds."""

    name: str
    path: Path
    handle: int
    sidecar: dict[str, object] | None

    @property
    def announced(self) -> bool:
        """Say whether the graph log surely tells all its columns: its writer promised it, and no power cut came after."""
        return self.name.endswith(ANNOUNCED) and self.name[:12] >= f"{_booted():012x}"

    @property
    def location(self) -> str:
        """A path that works while the handle is open, even after the file was deleted."""
        return f"/proc/self/fd/{self.handle}"

    @property
    def size(self) -> int:
        """How many bytes it has now."""
        return os.fstat(self.handle).st_size

    def part(self, offset: int, length: int) -> bytes:
        """Read up to so many bytes from `offset`."""
        parts = []
        while length > 0:
            part = os.pread(self.handle, min(CHUNK, length), offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def lines(self, offset: int = 0) -> bytes:
        """Read whole lines from `offset` to the last line end."""
        data = self.part(offset, self.size - offset)
        return data[: data.rfind(b"\n") + 1]

    def end_of_lines(self, offset: int) -> int:
        """Say where the last whole line after `offset` ends; `offset` when there is none."""
        end = self.size
        while end > offset:
            start = max(offset, end - CHUNK)
            found = self.part(start, end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return offset

    def windows(self, length: int, most: int) -> Iterator[bytes]:
        """Read a few stretches spread over it, each from a line's start to a line's end."""
        size = self.size
        starts = [0] if size <= length else [size * place // most for place in range(most)]
        for start in starts:
            data = self.part(start, length)
            begin = 0 if start == 0 else data.find(b"\n") + 1
            yield data[begin : data.rfind(b"\n") + 1]

    def has_half_pairs(self) -> bool:
        """Say whether it holds half a surrogate pair, which DuckDB lets pass and no text can hold."""
        offset = 0
        while part := self.part(offset, CHUNK):
            if b"\xed" in part:
                with mmap.mmap(self.handle, 0, access=mmap.ACCESS_READ) as data:
                    return has_half_pairs(data)
            offset += len(part)
        return False

    def header(self) -> dict[str, object] | None:
        """Read the first line of a segment that a server wrote: which requests it holds."""
        first, _, _ = self.part(0, CHUNK).partition(b"\n")
        if not first.startswith(b'{"kind":"batch"'):
            return None
        try:
            found = json.loads(first)
        except (ValueError, RecursionError):  # cut, or scribbled in
            return None
        return found if isinstance(found, dict) else None


@cache
def _booted() -> int:
    """Give the ms since the epoch at which this machine began to run; 0 where that cannot be known."""
    with suppress(OSError, ValueError), open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
        for text in file:
            if text.startswith("btime "):
                return 1000 * int(text.split()[1])
    return 0


def _open(path: Path) -> Segment | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if path.suffix != ".parquet":
        return Segment(path.name, path, handle, None)
    segment = Segment(path.name, path, handle, _sidecar(path))
    if segment.sidecar is None or _broken(segment):  # or deleted with its segment between our two opens
        os.close(handle)
        return None
    return segment


def _sidecar(path: Path) -> dict[str, object] | None:
    """Read what a columnar segment holds; None when that is not there, or says nothing that can be used."""
    try:
        found = json.loads(path.with_name(path.name + ".json").read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and tells(found) else None


def tells(about: Mapping[str, object]) -> bool:
    """Say whether a sidecar tells what is needed: a kind, a model, and which column is what."""
    wanted = {"predictions": ("time",), "labels": ("time", "id", "label")}.get(str(about.get("kind")))
    columns = about.get("columns")
    if wanted is None or not isinstance(about.get("model"), str) or not isinstance(columns, dict):
        return False
    lists = [about.get(name) or [] for name in ("features", "tags")]
    texts = (about.get(name) for name in ("version", "environment", "run", "time_type"))
    types = about.get("types") or {}
    return (
        all(isinstance(columns.get(name), str) for name in wanted)
        and all(text is None or isinstance(text, str) for text in texts)
        and all(name is None or isinstance(name, str) for name in columns.values())
        and all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists)
        and isinstance(types, dict)
        and all(isinstance(kind, str) for kind in types.values())
    )


def _broken(segment: Segment) -> bool:
    size = segment.size
    return size < 2 * len(MAGIC) or segment.part(0, 4) != MAGIC or segment.part(size - 4, 4) != MAGIC


def unreadable(folder: Path, age: float) -> list[Path]:
    """List the columnar segments, so many seconds old, that no reader can take: no end, or a sidecar that is missing or says nothing."""
    found = []
    for path in sorted(folder.glob("*.parquet")):
        segment = _open(path)
        if segment is not None:
            os.close(segment.handle)
            continue
        with suppress(FileNotFoundError):  # deleted meanwhile, as is right
            if time.time() - path.stat().st_mtime >= age:
                found.append(path)
    return found


@contextmanager
def opened(folder: Path) -> Iterator[Sequence[Segment]]:
    """Hold every segment of a log open, in the order of their names, which is the order of time."""
    held: list[Segment] = []
    try:
        for name in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []:
            if name.endswith((".jsonl", ".parquet")) and (segment := _open(folder / name)):
                held.append(segment)  # noqa: PERF401 - what is open so far must be closed when one fails
        yield held
    finally:
        for segment in held:
            os.close(segment.handle)


def names_taken(connection: Connection, names: Sequence[str]) -> set[str]:
    """Say which of these segments are in the tables."""
    found: set[str] = set()
    for start in range(0, len(names), NAMES_AT_ONCE):
        chosen = segments.c.name.in_(names[start : start + NAMES_AT_ONCE])
        found.update(connection.execute(sa.select(segments.c.name).where(chosen)).scalars())
    return found


def sealed(segment: Segment) -> bool:
    """Say whether no writer lives, and keep any other compactor out until the segment is closed."""
    try:
        fcntl.flock(segment.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_sealed(path: Path) -> bool:
    """Say whether no process holds a file or a folder, without keeping it from one; raises `FileNotFoundError`."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def delete(segment: Segment) -> None:
    """Remove a segment whose rows are published, its sidecar last."""
    for path in (segment.path, segment.path.with_name(segment.path.name + ".json")):
        with suppress(FileNotFoundError):
            path.unlink()
