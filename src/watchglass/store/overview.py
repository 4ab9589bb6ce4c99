"""A store's folder → what lies in it: segments, files, rows and bytes, what was rejected, what the cells have followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the API is described from it
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.dialects import json_number
from watchglass.store.graph import take_in
from watchglass.store.labels.late import too_late
from watchglass.store.losses import losses
from watchglass.store.models import moment
from watchglass.store.query import session

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of a store. `waiting` segments are in the log and not yet in the tables; questions read both.

    `dropped` counts the events that recording processes could not write, `drops` the same by reason, `expired` the rows
    that the store's retention let go, `too_late` labels came after their prediction was let go.
    """

    path: str
    predictions: int
    labels: int
    first: datetime | None
    last: datetime | None
    models: int
    runs: int
    artifacts: int
    files: int
    bytes: int
    waiting_segments: int
    waiting_bytes: int
    rejected: int
    dropped: int
    drops: tuple[tuple[str, int], ...]
    open_incidents: int
    expired: int = 0
    too_late: int = 0


def overview(folder: Folder, engine: Engine) -> Overview:
    """Count what is in a store."""
    take_in(folder, engine)
    waiting = (
        [path for path in folder.row_log.iterdir() if path.suffix in (".jsonl", ".parquet")]
        if folder.row_log.is_dir()
        else []
    )
    with engine.connect() as connection:
        live = c.files.c.removed.is_(None)
        counts = sa.select(c.files.c.kind, sa.func.sum(c.files.c.rows)).where(live).group_by(c.files.c.kind)
        rows = {kind: int(total) for kind, total in connection.execute(counts)}
        served = c.files.c.kind == "predictions"
        first, last = connection.execute(
            sa.select(sa.func.min(c.files.c.first), sa.func.max(c.files.c.last)).where(served, live)
        ).one()
        files, size = connection.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(c.files.c.bytes), 0)).where(live)
        ).one()
        counted = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (c.models, c.runs, c.artifacts)
        }
        lost = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(c.rejected.c.rows), 0))).scalar_one()
        went = sa.select(sa.func.coalesce(sa.func.sum(json_number(c.audit.c.record, sa.literal_column("'rows'"))), 0))
        expired = connection.execute(went.where(c.audit.c.action == "retention")).scalar_one()
        unsolved = connection.execute(
            sa.select(sa.func.count()).select_from(c.incidents).where(c.incidents.c.state != "resolved")
        ).scalar_one()
    dropped = losses(folder, engine)
    return Overview(
        path=str(folder.root),
        predictions=rows.get("predictions", 0),
        labels=rows.get("labels", 0),
        first=None if first is None else moment(first),
        last=None if last is None else moment(last),
        models=counted["models"],
        runs=counted["runs"],
        artifacts=counted["artifacts"],
        files=files,
        bytes=int(size),
        waiting_segments=len(waiting),
        waiting_bytes=sum(_size(path) for path in waiting),
        rejected=int(lost),
        dropped=sum(dropped.values()),
        drops=tuple(dropped.items()),
        open_incidents=unsolved,
        too_late=too_late(engine),
        expired=int(expired),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # compacted meanwhile
        return 0


def predictions_of(folder: Folder, engine: Engine, model: str) -> int:
    """Count a model's predictions, in the tables and in the log."""
    with session(folder, engine, "predictions") as connection:
        row = connection.execute("SELECT count(*) FROM predictions WHERE model = ?", [model]).fetchone()
    return int(row[0]) if row else 0
