"""A store's folder of kept bytes → the same without drafts of dead writers and without bytes that no artifact version names.

Bytes are kept before the run says so, so what was touched within the hour stays. A writer touches bytes that are there
already: they are moved aside first, and back where they turn out young.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.capture.keeping_place import FOLDER
from watchglass.store import catalog as c
from watchglass.store.graph import take_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

_AGE: Final = 3600.0  # seconds: what is younger may be named by a line that is still on its way
_EVERY: Final = 600.0
_swept: Final[dict[str, float]] = {}


def kept_files(folder: Folder) -> Iterator[Path]:
    """Give the files of kept bytes, drafts not among them."""
    return (path for path in (folder.root / FOLDER).glob("??/*") if not path.name.startswith("."))


def sweep_if_due(folder: Folder, engine: Engine, now: float) -> int:
    """Sweep where this process has not within ten minutes: the names of all that is kept are read for it."""
    root = str(folder.root)
    if now - _swept.get(root, -_EVERY) < _EVERY:
        return 0
    _swept[root] = now
    return sweep_kept(folder, engine, now)


def sweep_kept(folder: Folder, engine: Engine, now: float) -> int:
    """Delete what nobody names; gives how many files."""
    home = folder.root / FOLDER
    if not home.is_dir():
        return 0
    old = [path for path in kept_files(folder) if _is_old(path, now)]
    gone = _drafts(home, now)
    if not old:
        return gone
    take_in(folder, engine)
    with engine.connect() as connection:
        named = set(connection.execute(sa.select(c.artifacts.c.kept).where(c.artifacts.c.kept.is_not(None))).scalars())
    return gone + sum(_let_go(path, now) for path in old if path.name not in named)


def _is_old(path: Path, now: float) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < now - _AGE
    return False


def _let_go(path: Path, now: float) -> bool:
    aside = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.rename(aside)
    except FileNotFoundError:  # another sweep was quicker
        return False
    if _is_old(aside, now):
        aside.unlink()
        return True
    aside.rename(path)  # somebody names it again
    return False


def _drafts(home: Path, now: float) -> int:
    """Delete what writers left unfinished, and what a killed sweep left aside."""
    old = [path for path in (*home.glob(".*.tmp*"), *home.glob("??/.*.tmp")) if _is_old(path, now)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
