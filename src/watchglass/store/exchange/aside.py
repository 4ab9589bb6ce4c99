"""The name of a folder that is to be → a folder beside it to write into, which takes the name when it is whole and is gone when it is not.

A lock that ends with the process says whether one is under way, so that what a killed process left goes at once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from watchglass.errors import StoreError
from watchglass.store.folder import make_folder, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def held(room: Path) -> Iterator[Path]:
    """Make a folder and hold its lock; it appears under its name only when it is held, and is gone at the end."""
    unheld = room.with_name(f".{uuid4().hex}.coming")
    unheld.mkdir()
    handle = os.open(unheld, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        unheld.rename(room)
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(handle)


def sweep_held(home: Path, named: str) -> int:
    """Delete the folders of a home, by a glob of their names, whose process is no more; gives how many."""
    gone = 0
    for room in home.glob(named):
        with suppress(OSError):  # gone meanwhile, or held
            handle = os.open(room, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(room)
                gone += 1
            finally:
                os.close(handle)
    return gone


@contextmanager
def becoming(place: Path) -> Iterator[Path]:
    """Give a folder beside one that is not there, or empty, to be written into; at the end it takes the name, after an error it is gone.

    Raises `OSError`, and `StoreError` where another wrote there meanwhile.
    """
    place = place.resolve()
    make_folder(place.parent)
    sweep_held(place.parent, f".{_escaped(place.name)}.*.unfinished")
    with held(place.with_name(f".{place.name}.{uuid4().hex}.unfinished")) as room:
        yield room
        try:
            room.rename(place)
        except OSError as error:
            message = f"{str(place)!r} was written to meanwhile ({error.strerror}), so nothing was put there: name another folder"
            raise StoreError(message) from error
        sync_folder(place.parent)


def _escaped(name: str) -> str:
    """Write a name as a glob that fits it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
