"""A store that was recorded into → the same, kept: its log in the tables, its rows in the cells, its small files merged, old ones swept, what is past its time gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchglass.capture.drops import warn
from watchglass.errors import BadInput
from watchglass.store.artifacts import quarantine_marks
from watchglass.store.cells import follow
from watchglass.store.compact import compact
from watchglass.store.labels import feedback, late
from watchglass.store.life.coarsening import coarsen
from watchglass.store.life.retention import expire_if_due
from watchglass.store.merge import merge
from watchglass.store.mirror import mirror
from watchglass.store.schemas.following import follow_schemas
from watchglass.store.subjects.marks import refresh_if_new

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class Kept:
    """What was done: segments and rows moved into new files, rows rejected, files counted into cells, files merged away, rows expired, labels that rules made of feedback."""

    segments: int
    rows: int
    files: int
    rejected: int
    counted: int
    merged: int
    expired: int = 0
    labelled: int = 0


def keep(
    folder: Folder,
    engine: Engine,
    *,
    at_most: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    now: datetime | None = None,
) -> Kept:
    """Do all that is due, each step under its lease, so that any number of processes may; `at_most` groups are merged.

    `progress` is told the bytes of the log that are done and the bytes there are.
    """
    moved = compact(folder, engine, progress)
    labelled = feedback.apply(folder, engine, now or datetime.now(UTC))
    counted = follow(folder, engine)
    follow_schemas(folder, engine)
    late.count(folder, engine)
    merged = merge(folder, engine, at_most)
    mirror(folder, engine)
    quarantine_marks.refresh_if_new(folder, engine)
    refresh_if_new(folder, engine)
    expired = _expired(folder, engine)
    return Kept(moved.segments, moved.rows, moved.files, moved.rejected, counted, merged, expired, labelled)


def _expired(folder: Folder, engine: Engine) -> int:
    """Let go of what is past its time, rows and fineness; settings that cannot be read keep everything, and nothing else waiting."""
    try:
        coarsen(folder, engine)
        done = expire_if_due(folder, engine)
    except BadInput as error:
        warn("retention", f"nothing expires: {error}")
        return 0
    return 0 if done is None else done.rows
