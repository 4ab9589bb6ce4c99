"""A store that was recorded into → the same, kept: its log in the tables, its rows in the cells, its small files merged, old ones swept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchglass.store.cells import follow
from watchglass.store.compact import compact
from watchglass.store.merge import merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class Kept:
    """What was done: segments and rows moved into new files, rows rejected, files counted into cells, files merged away."""

    segments: int
    rows: int
    files: int
    rejected: int
    counted: int
    merged: int


def keep(
    folder: Folder,
    engine: Engine,
    *,
    at_most: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Kept:
    """Do all that is due, each step under its lease, so that any number of processes may; `at_most` groups are merged.

    `progress` is told the bytes of the log that are done and the bytes there are.
    """
    moved = compact(folder, engine, progress)
    counted = follow(folder, engine)
    merged = merge(folder, engine, at_most)
    return Kept(moved.segments, moved.rows, moved.files, moved.rejected, counted, merged)
