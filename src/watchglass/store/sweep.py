"""A store → the same without what nobody needs: files that were replaced or never published, drafts of dead writers, old names."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store import graph
from watchglass.store.artifacts.sweeping import sweep_if_due
from watchglass.store.exchange.arriving import sweep_arrived
from watchglass.store.folder import sync_folder
from watchglass.store.losses import take_over
from watchglass.store.parquet import delete
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

ORPHAN_AGE: Final = 3600.0  # seconds an unpublished file may lie: longer than any compaction takes
SCRATCH_AGE: Final = 7 * 86_400.0  # what a killed reader kept for itself
REPLACED_AGE: Final = 900.0  # a question that began before the replacement has ended by then
KEY_AGE: Final = 30 * 86_400.0  # for so long a client may ask again whether its request was taken


def sweep(folder: Folder, engine: Engine, now: float | None = None) -> int:
    """Delete what is of no use any more; gives how many files."""
    moment = time.time() if now is None else now
    gone = graph.sweep(folder, engine)
    gone += _replaced(folder, engine, moment)
    gone += _orphans(folder, engine, moment)
    gone += _drafts(folder, moment)
    gone += sweep_if_due(folder, engine, moment)
    gone += take_over(folder, engine)
    gone += sweep_arrived(folder)
    _old_names(folder, engine, moment)
    return gone


def _replaced(folder: Folder, engine: Engine, now: float) -> int:
    """Delete the files that a merged one took the place of a while ago, then their rows."""
    old = c.files.c.removed < now - REPLACED_AGE
    with engine.connect() as connection:
        found = connection.execute(sa.select(c.files.c.seq, c.files.c.path).where(old)).all()
    for _, path in found:
        delete(folder.tables / path)
    if found:
        with writing(engine) as transaction:
            transaction.execute(c.files.delete().where(c.files.c.seq.in_([seq for seq, _ in found][:10_000])))
    return len(found)


def _orphans(folder: Folder, engine: Engine, now: float) -> int:
    """Delete files that no transaction published: a compactor was killed before it could."""
    old = [path for path in folder.tables.glob("*/*.parquet") if _older(path, now - ORPHAN_AGE)]
    loose = [
        path
        for path in folder.tables.glob("*/*.parquet.ids")
        if not path.with_suffix("").exists() and _older(path, now - ORPHAN_AGE)
    ]
    for path in loose:
        path.unlink(missing_ok=True)
    if not old:
        return len(loose)
    with engine.connect() as connection:
        listed = set(connection.execute(sa.select(c.files.c.path)).scalars())
    if not listed:  # a manifest that lists nothing is more likely lost than right
        return len(loose)
    orphans = [path for path in old if str(path.relative_to(folder.tables)) not in listed]
    for path in orphans:
        delete(path)
    return len(orphans) + len(loose)


def _older(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False


def _drafts(folder: Folder, now: float) -> int:
    """Delete unfinished segments, and sidecars without their segment, once they are old.

    A segment that never got its name but holds events gets it now: a power cut may have taken the renaming alone.
    """
    drafts = [
        path
        for log in (folder.row_log, folder.graph_log)
        if log.is_dir()
        for path in log.iterdir()
        if path.suffix in (".tmp", ".open") or (path.suffix == ".json" and not path.with_suffix("").exists())
    ]
    old = [path for path in drafts if _older(path, now - ORPHAN_AGE)]
    for path in old:
        if path.name.endswith(".jsonl.open") and path.stat().st_size and not path.with_suffix("").exists():
            path.rename(path.with_suffix(""))
            sync_folder(path.parent)
        else:
            path.unlink(missing_ok=True)
    for path in folder.scratch.iterdir() if folder.scratch.is_dir() else []:
        if _older(path, now - SCRATCH_AGE):
            path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _old_names(folder: Folder, engine: Engine, now: float) -> None:
    """Forget names of segments and keys of requests that nobody will ask for any more."""
    lying = {path.name for path in folder.row_log.iterdir()} if folder.row_log.is_dir() else set()
    old = now - KEY_AGE
    with engine.connect() as connection:
        names = connection.execute(sa.select(c.segments.c.name).where(c.segments.c.taken < old).limit(10_000)).scalars()
        gone = [name for name in names if name not in lying]
        unasked = (c.ingested.c.taken < old) & ~c.ingested.c.key.startswith("import:")  # those of imports stay
        keys = connection.execute(sa.select(sa.func.count()).where(unasked)).scalar_one()
    if gone or keys:
        with writing(engine) as transaction:
            transaction.execute(c.segments.delete().where(c.segments.c.name.in_(gone)))
            transaction.execute(c.ingested.delete().where(unasked))
