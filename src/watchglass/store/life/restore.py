"""A folder of backups and a time → a store that answers what the first one answered then.

It is made beside its place under a hidden name, every file held against its sum, and renamed when all is on the disk.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from watchglass.errors import BadInput, StoreError
from watchglass.store.artifacts import quarantine_marks
from watchglass.store.compact import engine_room
from watchglass.store.folder import make_folder, prepare, sync_folder
from watchglass.store.life import backups
from watchglass.store.life.audit import note
from watchglass.store.parquet import write_index
from watchglass.store.segments import is_sealed
from watchglass.store.subjects import marks
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchglass.records import Json
    from watchglass.store.life.backups import Backup, Kept, Moment


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored where: the backup it came from, the files and rows of its tables."""

    path: str
    backup: Backup
    files: int
    rows: int


def restore(
    from_: str | os.PathLike[str],
    to: str | os.PathLike[str],
    at: datetime | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Restored:
    """Make a store of the newest backup in a folder that is not later than `at`; no offset means UTC, None is the newest.

    `to` is a folder that is not there yet, or empty. `progress` is told the bytes that are done and how many there are.
    Raises `BadInput` where no backup is so old or the folder holds something, `StoreError` when a file of the backup is
    missing or damaged: then nothing is there.
    """
    home, target = Path(from_), Path(to)
    moment = backups.moment_of(home, _chosen(home, at))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        message = f"{str(to)!r} holds something: name a folder that is empty or not there yet"
        raise BadInput(message)
    make_folder(target.absolute().parent)
    _sweep(target.absolute())
    draft = target.absolute().with_name(f".{target.name}.{uuid.uuid4().hex}.restoring")
    draft.mkdir()
    handle = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)  # one that nobody locks is a dead process's: process ids come again
        _lay_out(home, moment, draft, progress)
        _take_note(home, moment, draft)
        backups.finish(draft, target.absolute())
    finally:
        os.close(handle)
        shutil.rmtree(draft, ignore_errors=True)
    return Restored(str(to), moment.backup, moment.backup.files, moment.backup.rows)


def _chosen(home: Path, at: datetime | None) -> str:
    """Name the newest backup not later than a time."""
    found = backups.backups(home)
    if at is None:
        return found[0].name
    wanted = at if at.tzinfo else at.replace(tzinfo=UTC)
    old = [item for item in found if item.time <= wanted]
    if not old:
        message = f"the oldest backup in {str(home)!r} is of {found[-1].time.isoformat()}, none is as old as {wanted.isoformat()}"
        raise BadInput(message)
    return old[0].name


def _sweep(target: Path) -> None:
    """Remove what a killed restore left beside the place."""
    for path in target.parent.glob(f".{target.name}.*.restoring"):
        with suppress(FileNotFoundError):
            if is_sealed(path):
                shutil.rmtree(path, ignore_errors=True)


def _lay_out(home: Path, moment: Moment, draft: Path, progress: Callable[[int, int], None] | None) -> None:
    """Put every file in its place, and write the indexes of ids anew."""
    own, folder = backups.moments_of(home) / moment.backup.name, prepare(draft, create=True)
    done, total = 0, sum(kept.bytes for kept in (*moment.tables, *moment.beside, *moment.artifacts))
    with engine_room(folder) as connection:
        for kept, source, target, link in (
            *((kept, own / kept.place, draft / kept.place, False) for kept in moment.beside),  # those are written to
            *((kept, backups.object_of(home, kept), folder.tables / kept.place, True) for kept in moment.tables),
            *((kept, backups.kept_object_of(home, kept), draft / kept.place, True) for kept in moment.artifacts),
        ):
            _place(home, kept, source, target, link=link)
            if kept.indexed:
                write_index(connection, target)
            done += kept.bytes
            if progress:
                progress(done, total)


def _place(home: Path, kept: Kept, source: Path, target: Path, *, link: bool) -> None:
    if ".." in Path(kept.place).parts or Path(kept.place).is_absolute():
        message = f"a backup in {str(home)!r} names a file {kept.place!r} outside the store: nothing was restored"
        raise StoreError(message)
    make_folder(target.parent)
    try:
        backups.put(source, target, kept.sum, link=link)
    except FileNotFoundError as error:
        message = f"the file {str(source)!r} is not there: nothing was restored. Take another backup: watchglass restore {home} --list"
        raise StoreError(message) from error
    except StoreError as error:
        message = f"{error}: nothing was restored. Take another backup: watchglass restore {home} --list"
        raise StoreError(message) from error


def _take_note(home: Path, moment: Moment, draft: Path) -> None:
    """Open the restored store, so that a catalog of an older version is upgraded, and write into its audit where it is from."""
    engine = connect(prepare(draft))
    try:
        told: dict[str, Json] = {
            "from": str(home.resolve()),
            "backup": moment.backup.name,
            "time": moment.backup.time.isoformat(),
            "files": moment.backup.files,
            "rows": moment.backup.rows,
        }
        with writing(engine) as transaction:
            note(transaction, "restore", None, told, datetime.now(UTC))
        quarantine_marks.refresh(prepare(draft), engine)
        marks.refresh_if_new(prepare(draft), engine)
    finally:
        engine.dispose()
    sync_folder(draft)
