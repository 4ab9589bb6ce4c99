"""The log's folders → segments held open, so that what is read can neither vanish nor be counted twice.

A writer holds a shared lock on its segment while it lives. A reader never locks: it opens first and asks the
catalog afterwards. A compactor takes the exclusive lock, which it gets only when the writer is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file held open: `name` is its identity for ever, `sidecar` what a columnar one holds."""

    name: str
    path: Path
    handle: int
    sidecar: dict[str, object] | None

    @property
    def location(self) -> str:
        """A path that works while the handle is open, even after the file was deleted."""
        return f"/proc/self/fd/{self.handle}"

    def lines(self, offset: int = 0) -> bytes:
        """Read whole lines from `offset` to the last line end."""
        size = os.fstat(self.handle).st_size
        parts = []
        while offset < size:
            part = os.pread(self.handle, min(CHUNK, size - offset), offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
        data = b"".join(parts)
        return data[: data.rfind(b"\n") + 1]


def _open(path: Path) -> Segment | None:
    sidecar = None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if path.suffix == ".parquet":
        try:
            sidecar = json.loads(path.with_name(path.name + ".json").read_bytes())
        except FileNotFoundError:  # deleted with its segment between our two opens: it is in the tables
            os.close(handle)
            return None
    return Segment(path.name, path, handle, sidecar)


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


def sealed(segment: Segment) -> bool:
    """Say whether no writer lives, and keep any other compactor out until the segment is closed."""
    try:
        fcntl.flock(segment.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def delete(segment: Segment) -> None:
    """Remove a segment whose rows are published, its sidecar last."""
    for path in (segment.path, segment.path.with_name(segment.path.name + ".json")):
        with suppress(FileNotFoundError):
            path.unlink()
