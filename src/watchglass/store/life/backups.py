"""A folder of backups → each with its moment and what it names; and the one place where a file is put from one disk to another.

    backups/20261125T101500.123456Z/    a moment: backup.json, the catalog, settings.json, the log that is not compacted
    objects/<sum>.parquet               every file of the tables, once, named by the BLAKE2b sum of its bytes
    objects/<sum>.<format>              the bytes that are kept of artifacts, likewise

A folder of a moment is made under a hidden name and renamed when all is on the disk: what can be seen is whole.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchglass.errors import BadInput, StoreError
from watchglass.store.codec import decode
from watchglass.store.folder import make_folder, sync_file, sync_folder
from watchglass.store.parquet import sum_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOLD: Final = "backup.json"
HIDDEN: Final = "."
_FORMS: Final = (1, 2)
"""The second has bytes that are kept of artifacts: who knows the first alone would prune them."""
_CHUNK: Final = 1 << 20
_NO_LINK: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a backup: its place in the store, its bytes, their BLAKE2b sum; `rows` and `indexed` of a table's."""

    place: str
    bytes: int
    sum: str
    rows: int = 0
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup: its moment (UTC), the store it is of, and what lies in it; `new_files` and `new_bytes` were not in the folder before.

    `rows` counts those of the tables; `log_bytes` is the log that was not in the tables then, which is in the backup too.
    """

    name: str
    time: datetime
    store: str
    version: str
    catalog: int
    files: int
    rows: int
    bytes: int
    new_files: int
    new_bytes: int
    log_bytes: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What backup.json says: the backup, the files of its tables (objects), those that lie beside it, kept bytes (objects)."""

    form: int
    backup: Backup
    tables: tuple[Kept, ...]
    beside: tuple[Kept, ...]
    artifacts: tuple[Kept, ...] = ()


def objects_of(home: Path) -> Path:
    """Name the folder of the tables' files."""
    return home / "objects"


def moments_of(home: Path) -> Path:
    """Name the folder of the moments."""
    return home / "backups"


def object_of(home: Path, kept: Kept) -> Path:
    """Name the object that a table's file is."""
    return objects_of(home) / f"{kept.sum}.parquet"


def kept_object_of(home: Path, kept: Kept) -> Path:
    """Name the object that kept bytes of an artifact are."""
    return objects_of(home) / Path(kept.place).name


def name_of(time: datetime) -> str:
    """Name a moment so that names sort as times do.

    >>> name_of(datetime(2026, 11, 25, 10, 15, tzinfo=UTC))
    '20261125T101500.000000Z'
    """
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z"


def moment_of(home: Path, name: str) -> Moment:
    """Read a backup; raises `StoreError` for one that cannot be read or that a newer version made."""
    path = moments_of(home) / name / TOLD
    try:
        text = path.read_text()
        form = json.loads(text)["form"]
        if form in _FORMS:
            return decode(Moment, text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"the backup {str(path.parent)!r} cannot be read: {error}. Take another: watchglass restore {home} --list"
        )
        raise StoreError(message) from error
    message = f"the backup {str(path.parent)!r} is of form {form}, this package knows {_FORMS[-1]}: pip install --upgrade watchglass"
    raise StoreError(message)


def names(home: Path) -> list[str]:
    """List the names of a folder's backups, oldest first."""
    found = moments_of(home)
    return sorted(path.name for path in found.iterdir() if not path.name.startswith(HIDDEN)) if found.is_dir() else []


def backups(folder: str | os.PathLike[str]) -> Sequence[Backup]:
    """List the backups in a folder, newest first. Raises `BadInput` for a folder that holds none."""
    home = Path(folder)
    found = names(home)
    if not found:
        message = f"there is no backup in {str(folder)!r}. Make one: watchglass backup {folder}"
        raise BadInput(message)
    return [moment_of(home, name).backup for name in reversed(found)]


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Let one process at a time write to a folder of backups; raises `StoreError` when another does."""
    handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        message = f"another process writes to the backups in {str(home)!r}. Wait until it is done"
        raise StoreError(message) from error
    finally:
        os.close(handle)


def put(source: Path, target: Path, wanted: str, *, link: bool = True) -> None:
    """Put a file under another name: linked where that is the same disk, else (or without `link`) copied and synced.

    Whole or not there. Raises `StoreError` when its bytes have not the sum they should, `FileNotFoundError` when it is gone.
    """
    draft = target.with_name(f"{HIDDEN}{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        found = sum_of(draft) if link and _linked(source, draft) else _copied(source, draft)
        if found == wanted:
            draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    if found != wanted:
        message = f"the file {str(source)!r} is damaged: its bytes have the sum {found}, not {wanted}"
        raise StoreError(message)


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    return True


def _copied(source: Path, target: Path) -> str:
    """Copy a file and sync it; gives the sum of what was read, so that it is read once."""
    found = blake2b(digest_size=16)
    with source.open("rb") as file, target.open("xb") as copy:
        while part := file.read(_CHUNK):
            found.update(part)
            copy.write(part)
        copy.flush()
        os.fsync(copy.fileno())
    return found.hexdigest()


def write(path: Path, data: bytes) -> None:
    """Write a file and sync it."""
    make_folder(path.parent)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def finish(draft: Path, target: Path) -> None:
    """Give a folder its name once everything in it is on the disk."""
    for root, _, files in os.walk(draft):
        for name in files:
            sync_file(Path(root) / name)
        sync_folder(Path(root))
    draft.rename(target)
    sync_folder(target.parent)


def sweep(home: Path) -> None:
    """Remove what a killed process left half made; the caller is alone."""
    for path in (*moments_of(home).glob(f"{HIDDEN}*"), *objects_of(home).glob(f"{HIDDEN}*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def prune(home: Path, keep: int) -> int:
    """Remove all backups but the newest so many, then the objects that none of those names; gives how many backups.

    Raises `StoreError`, and removes no object, when one of those that stay cannot be read; the caller is alone.
    """
    found = names(home)
    gone = found[: max(0, len(found) - keep)]
    for name in gone:
        hidden = moments_of(home) / f"{HIDDEN}{name}.tmp"
        (moments_of(home) / name).rename(hidden)  # from here on nobody takes it for a backup
        shutil.rmtree(hidden)
    moments = [moment_of(home, name) for name in names(home)]
    named = {object_of(home, kept).name for moment in moments for kept in moment.tables}
    named |= {kept_object_of(home, kept).name for moment in moments for kept in moment.artifacts}
    for path in objects_of(home).iterdir():
        if path.name not in named:
            path.unlink()
    return len(gone)
