"""A store's folder → a report of its health: each thing that is wrong, what it means, what mends it, and whether it was mended.

Looking changes nothing. Mending deletes nothing that is not proved to be elsewhere: what cannot be trusted goes to
the store's quarantine with a note, and every row that is lost is counted with its reason.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store.doctor.elsewhere import check_orphans
from watchglass.store.doctor.files import check_files, forget_cells
from watchglass.store.doctor.indexes import check_indexes
from watchglass.store.doctor.kept import check_kept
from watchglass.store.doctor.log import check_log, compact_after
from watchglass.store.doctor.rebuild import rebuild
from watchglass.store.doctor.salvage import fault_of
from watchglass.store.doctor.twice import check_twice
from watchglass.store.doctor.unfinished import check_unfinished
from watchglass.store.doctor.visit import Finding, Report, Visit
from watchglass.store.folder import prepare
from watchglass.store.leases import LASTS, hold
from watchglass.store.quarantine import set_aside
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from watchglass.store.doctor.visit import Progress
    from watchglass.store.folder import Folder

LITTLE_ROOM = 1 << 30
LEASES = ("compactor", "merger", "cells", "retention")
"""What no other process may be doing while files are moved."""


def diagnose(
    path: str | os.PathLike[str],
    *,
    now: datetime,
    mend: bool = False,
    quick: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Examine a store whose catalog may be broken or gone; with `mend`, make a new one first.

    Raises `StoreError` when there is no store, or when another process is in the way of mending.
    """
    folder = prepare(path)
    fault = None if folder.elsewhere.exists() else fault_of(folder.catalog)
    if fault is None or _is_new(folder):
        engine = connect(folder)
        try:
            return examine(folder, engine, now=now, mend=mend, quick=quick, progress=progress)
        finally:
            engine.dispose()
    # an engine that nobody connects yet: the visit needs one, and the broken catalog must not be touched
    visit = Visit(folder, sa.create_engine("sqlite://"), now, mend, quick, progress)
    if mend:
        visit = rebuild(visit, fault)
        try:
            return _examined(visit)
        finally:
            visit.engine.dispose()
    files = sum(1 for _ in folder.tables.glob("*/*.parquet"))
    means = f"{fault}: {files} files below tables/ are not answered, and nothing may be compacted"
    mend_it = "put it back from a backup; or --mend makes a new one from the files and from what can be read of the old"
    visit.found(Finding("error", "broken catalog", folder.catalog.name, means, mend_it))
    return visit.report()


def _is_new(folder: Folder) -> bool:
    """Say whether a store has no catalog because nothing was ever compacted."""
    return not folder.catalog.exists() and next(iter(folder.tables.glob("*/*.parquet")), None) is None


def examine(
    folder: Folder,
    engine: Engine,
    *,
    now: datetime,
    mend: bool = False,
    quick: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Hold everything in a store against everything else: catalog, files, indexes, log, leases, room, settings.

    `quick` leaves the sums out. Raises `StoreError` when another process is at what mending would change.
    """
    return _examined(Visit(folder, engine, now, mend, quick, progress))


def _examined(visit: Visit) -> Report:
    with ExitStack() as stack:
        if visit.mend:
            _keep_others_out(visit, stack)
        check_files(visit)
        check_orphans(visit)
        check_indexes(visit)
        check_kept(visit)
        check_twice(visit)
        check_log(visit)
        check_unfinished(visit)
        _check_keys(visit)
        _check_counts(visit)
        _check_leases(visit)
        _check_settings(visit)
        _check_room(visit)
        if visit.recount:
            forget_cells(visit)
    if visit.mend:
        compact_after(visit)
    return visit.report()


def _keep_others_out(visit: Visit, stack: ExitStack) -> None:
    for name in LEASES:
        if stack.enter_context(hold(visit.engine, name)) is None:
            message = (
                f"another process holds the lease {name!r} of the store {str(visit.folder.root)!r} and may be changing its files. "
                "Wait until it is done, or stop it (watchglass serve?), then mend"
            )
            raise StoreError(message)


def _check_keys(visit: Visit) -> None:
    """Look at the keys by which a request that comes again is known."""
    with visit.engine.connect() as connection:
        query = sa.select(sa.func.count()).where((c.ingested.c.accepted < 0) | (c.ingested.c.rejected < 0))
        count = connection.execute(query).scalar_one()
    if count:
        means = f"{count} keys of requests have a count below zero"
        visit.found(Finding("warning", "odd keys", visit.folder.catalog.name, means, "nothing need be done"))


def _check_counts(visit: Visit) -> None:
    """Tell what was dropped and rejected: it is lost for good, and counted."""
    with visit.engine.connect() as connection:
        by_reason = connection.execute(
            sa.select(c.drops.c.reason, sa.func.sum(c.drops.c.rows))
            .group_by(c.drops.c.reason)
            .order_by(c.drops.c.reason)
        ).all()
        rejected = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(c.rejected.c.rows), 0))).scalar_one()
    total = sum(int(rows) for _, rows in by_reason)
    if total:
        means = f"{total} events were dropped where they were recorded: " + ", ".join(
            f"{why} {rows}" for why, rows in by_reason
        )
        mend = "see to the reason; what was dropped is gone"
        visit.found(Finding("note", "events dropped", visit.folder.catalog.name, means, mend, rows=total))
    if rejected:
        means = f"{rejected} lines or values were kept aside because they could not be taken"
        mend = "watchglass sql 'SELECT reason, rows, raw FROM rejected'"
        visit.found(Finding("note", "rows rejected", visit.folder.catalog.name, means, mend, rows=int(rejected)))


def _check_leases(visit: Visit) -> None:
    """Find a lease that runs further than any lease may: the clock jumped, and a dead owner would keep all others out."""
    late = visit.now.timestamp() + 2 * LASTS
    with visit.engine.connect() as connection:
        rows = connection.execute(sa.select(c.leases).where(c.leases.c.until > late)).all()
    for row in rows:
        means = f"the lease {row.name!r} of {row.owner} runs {int(row.until - visit.now.timestamp())} s from now; the clock jumped"

        def free(name: str = row.name) -> None:
            with writing(visit.engine) as connection:
                connection.execute(
                    c.leases.update()
                    .where(c.leases.c.name == name)
                    .values(owner="", until=0.0, epoch=c.leases.c.epoch + 1)
                )

        visit.found(Finding("warning", "lease too long", visit.folder.catalog.name, means, "free it (--mend)"), free)


def _check_settings(visit: Visit) -> None:
    """Read the settings that recording processes look at."""
    path = visit.folder.root / "settings.json"
    if not path.exists():
        return
    try:
        said = json.loads(path.read_bytes())
        fault = None if isinstance(said, dict) else f"it holds a {type(said).__name__}, an object would do"
    except (ValueError, RecursionError) as error:
        fault = f"it is not JSON: {error}"
    if fault:
        means = f"{fault}. Recording processes go on with the settings they had"
        finding = Finding(
            "warning", "settings unreadable", path.name, means, "move it to quarantine (--mend): the defaults hold then"
        )
        visit.found(finding, lambda: set_aside(visit.folder, path, fault, visit.now))


def _check_room(visit: Visit) -> None:
    """See that there is room to write and the right to."""
    root = visit.folder.root
    room = shutil.disk_usage(root)
    if room.free < min(LITTLE_ROOM, room.total // 20):
        means = f"{room.free >> 20} MB are free of {room.total >> 20}: compaction may find no room, then events are dropped and counted"
        visit.found(Finding("warning", "little room", ".", means, "free some, or move the store"))
    about = os.statvfs(root)
    if about.f_files and about.f_favail < about.f_files // 100:
        means = f"{about.f_favail} of {about.f_files} inodes are left"
        visit.found(Finding("warning", "few inodes", ".", means, "delete small files on this disk"))
    for part in (visit.folder.row_log, visit.folder.graph_log, visit.folder.tables, Path(root)):
        if not os.access(part, os.W_OK | os.X_OK):
            means = "this user cannot write there"
            visit.found(
                Finding(
                    "warning",
                    "not writable",
                    visit.shown(part),
                    means,
                    "give the right to write, or look as another user",
                )
            )
