"""A small file mapped into every process → the counts that writers put there and readers hold answers against.

An aligned word of eight bytes is written at once, so a reader sees a count of before or of after, never a mix.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

WRITERS: Final = 64
_WORDS: Final = 2 * WRITERS + 1
_STOP: Final = 2 * WRITERS


class Counts:
    """How many events each writer began to record, how many were acknowledged, and whether all shall end."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8 * _WORDS))
        with path.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 8 * _WORDS)).cast("q")

    def started(self, writer: int, count: int) -> None:
        """Say how many events a writer has begun to record."""
        self._words[2 * writer] = count

    def acknowledged(self, writer: int, count: int) -> None:
        """Say how many of a writer's events were acknowledged."""
        self._words[2 * writer + 1] = count

    def all_started(self) -> int:
        """Sum what was begun."""
        return sum(self._words[0 : 2 * WRITERS : 2])

    def all_acknowledged(self) -> int:
        """Sum what was acknowledged."""
        return sum(self._words[1 : 2 * WRITERS : 2])

    def stop(self) -> None:
        """Ask all to end."""
        self._words[_STOP] = 1

    @property
    def stopped(self) -> bool:
        """Whether all shall end."""
        return bool(self._words[_STOP])
