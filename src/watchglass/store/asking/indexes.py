"""The indexes of ids beside a store's files → where an id lies: file by file, each a page or two of it looked at.

An open store keeps them mapped, some microseconds a file and id; a hash that is nowhere is told as quickly.
"""

from __future__ import annotations

import mmap
import os
import resource
import threading
import weakref
from bisect import bisect_left
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchglass.store.parquet import ENTRY, index_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine

    from watchglass.store.snapshot import File

_ENDING: Final = index_path(Path("file")).suffix
"""What the name of a file's index adds to its own; a path of text costs a tenth of a `Path`, a hundred times a question."""
_SHARE: Final = 4
"""A mapping holds a file open until Python 3.13: of those a process may have, a quarter at most."""


@dataclass(frozen=True, slots=True)
class Index:
    """The hashes of a file's ids in order, and each one's row."""

    hashes: memoryview
    rows: memoryview

    @classmethod
    def of(cls, path: str) -> Index | None:
        """Map an index; None when there is none that is whole."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # gone
            return None
        try:
            data = memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # or empty
            return None
        finally:
            os.close(handle)
        count, more = divmod(len(data), ENTRY)
        return None if more else cls(data[: 8 * count].cast("Q"), data[8 * count :].cast("I"))

    def places(self, wanted: int) -> list[int]:
        """Give the rows whose id has a hash."""
        place, found = bisect_left(self.hashes, wanted, *self._span(wanted)), []
        while place < len(self.hashes) and self.hashes[place] == wanted:
            found.append(self.rows[place])
            place += 1
        return found

    def _span(self, wanted: int) -> tuple[int, int]:
        """Give the places between which a hash lies: hashes are even, so of a file that is not in memory one page is read, not ten."""
        count = len(self.hashes)
        if not count or not self.hashes[0] < wanted <= self.hashes[-1]:
            return 0, count
        guess = (wanted - self.hashes[0]) * (count - 1) // (self.hashes[-1] - self.hashes[0])
        slack = 2 * isqrt(count) + 1  # four standard deviations of the place of an even hash
        low, high = max(0, guess - slack), min(count, guess + slack)
        return (low if self.hashes[low] < wanted else 0, high if self.hashes[high - 1] >= wanted else count)


class Indexes:
    """The indexes that an open store has looked into."""

    def __init__(self) -> None:
        self._kept: dict[str, Index] = {}
        self._lock = threading.Lock()
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _SHARE

    def places(
        self, files: Iterable[File], tables: Path, wanted: int
    ) -> tuple[list[tuple[File, list[int]]], list[File]]:
        """Give the files that have an id of this hash with its rows there, and those that have no index to tell."""
        found, untold = [], []
        for file in files:
            index = self._kept.get(file.path) or self._open(file, tables)
            if index is None:
                untold.append(file)
            elif rows := index.places(wanted):
                found.append((file, rows))
        return found, untold

    def _open(self, file: File, tables: Path) -> Index | None:
        index = Index.of(f"{tables}/{file.path}{_ENDING}") if file.indexed else None
        if index is not None and len(self._kept) < self._most:
            with self._lock:
                self._kept[file.path] = index
        return index

    def forget(self, files: Iterable[File]) -> None:
        """Let go of the indexes of files that are not listed any more."""
        with self._lock:
            listed = {file.path for file in files}
            for path in [path for path in self._kept if path not in listed]:
                del self._kept[path]


_all: weakref.WeakKeyDictionary[Engine, Indexes] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def indexes_of(engine: Engine) -> Indexes:
    """Give the indexes of an open store."""
    with _lock:
        return _all.setdefault(engine, Indexes())


def _in_child() -> None:
    global _lock  # noqa: PLW0603 - a thread that is not here may have held it
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_child)
