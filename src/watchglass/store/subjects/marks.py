"""Retracted tags, and all that carries them → the marks by which recording processes see it, kept as the catalog has it."""

from __future__ import annotations

import os
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.capture.subjects import DRAFT, FOLDER, Mark, digest, digest_of_tag, read, write
from watchglass.capture.times import now
from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.carriers import closure
from watchglass.store.lineage.names import newest_write
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.lineage.carriers import Closure

WATERMARK: Final = "retractions"
_AGE: Final = 3600.0
"""Seconds after which a draft is that of a writer who is dead."""


def refresh_if_new(folder: Folder, engine: Engine) -> None:
    """Put the marks right where runs or tags came since; a store without retractions costs one look."""
    with engine.connect() as connection:
        if connection.execute(sa.select(c.retractions.c.tag).limit(1)).first() is None:
            return
        known = connection.execute(_seen(WATERMARK)).scalar()
        due = known != _state(connection) or not (folder.root / FOLDER).is_dir()  # a restored store has none
    if due:
        refresh(folder, engine)


def refresh(folder: Folder, engine: Engine) -> None:
    """Put down the marks of all that carries a retracted tag, and take away those of what does not; raises `StoreError`.

    A run logs what it writes before it marks it, so of what is marked when this begins the log tells everything.
    """
    root = str(folder.root)
    home = folder.root / FOLDER
    try:
        there = {path.name for path in home.iterdir()} if home.is_dir() else set()
        take_in(folder, engine)
        with engine.connect() as connection:
            state = _state(connection)
            wanted = _wanted(connection)
        for one, mark in wanted.items():
            if one not in there or read(f"{root}/{FOLDER}/{one}") != mark:
                write(root, mark, one)
        for one in there - wanted.keys():
            if not one.startswith(DRAFT) or (home / one).stat().st_mtime < time() - _AGE:
                with suppress(FileNotFoundError):
                    os.unlink(home / one)  # noqa: PTH108 - a path of the folder that was listed
    except OSError as error:
        message = f"marks of what was retracted cannot be written to {str(home)!r}: {error}. Is the folder writable?"
        raise StoreError(message) from error
    with writing(engine) as transaction:
        mark_now = insert(c.watermarks).values(name=WATERMARK, seq=state)
        transaction.execute(mark_now.on_conflict_do_update(index_elements=["name"], set_={"seq": state}))


def _seen(name: str) -> sa.Select[int]:
    return sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == name)


def _state(connection: Connection) -> int:
    """Give a number that rises with each change of runs, tags and retractions."""
    tags, retracted = (sa.select(sa.func.count()).select_from(table) for table in (c.subject_tags, c.retractions))
    counted = sum(int(connection.execute(query).scalar_one()) for query in (tags, retracted))
    return int(connection.execute(_seen("graph")).scalar() or 0) + counted


def _wanted(connection: Connection) -> dict[str, Mark]:
    """Say which marks there are to be: retractions of one end of grace together, as all whose grace is over, the strictest last."""
    t = c.retractions.c
    rows = connection.execute(sa.select(t.tag, t.block_after)).all()
    moment = now()
    over = {row.block_after for row in rows if row.block_after is not None and row.block_after <= moment}
    first = min(over, default=0)
    by_end: dict[int, list[str]] = {}
    for row in rows:
        end = first if row.block_after in over else row.block_after or 0
        by_end.setdefault(end, []).append(row.tag)
    found: dict[str, Mark] = {}
    for end in sorted(by_end, key=lambda end: end or 2**63, reverse=True):
        found |= {digest_of_tag(tag): Mark(end) for tag in by_end[end]}
        carrying = closure(connection, by_end[end])
        found |= {digest(one.name, one.version): Mark(end) for one in carrying.carried if one.version}
        for name, said in _by_name(connection, carrying).items():
            before = found.get(digest(name, ""), Mark(end))
            found[digest(name, "")] = Mark(end, said or before.said)
    return found


def _by_name(connection: Connection, found: Closure) -> dict[str, bool]:
    """Give the names that carry a tag while no version is told: their newest write does, or it was said of the name itself (True)."""
    versions: dict[str, set[str]] = {}
    for one in found.carried:
        versions.setdefault(one.name, set()).add(one.version)
    said = {one.name: True for one in found.carried if one.version == "" and one.depth == 0}
    used = {one.run for one in found.used}
    for name in versions.keys() - said.keys():
        row = newest_write(connection, name)
        if row is not None and row.version in versions[name] and (row.version or row.run in used):
            said[name] = False
    return said
