"""A file that is being sent to a store → a folder of its own below tmp/, held by a lock that ends with its process: what a killed one left goes at once.

Such a file is as it was sent: no rule of redaction has been applied to it yet.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watchglass.store.folder import Folder

_HELD: Final = "import-"


@contextmanager
def arriving(folder: Folder) -> Iterator[Path]:
    """Give a folder for a file under way, which is gone at the end; raises `OSError` where none can be made."""
    name = uuid4().hex
    unheld, room = folder.scratch / f"coming-{name}", folder.scratch / f"{_HELD}{name}"
    unheld.mkdir(parents=True)
    handle = os.open(unheld, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        unheld.rename(room)
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(handle)


def sweep_arrived(folder: Folder) -> int:
    """Delete the folders whose process is no more; gives how many."""
    gone = 0
    for room in folder.scratch.glob(f"{_HELD}*"):
        with suppress(FileNotFoundError):
            handle = os.open(room, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(room, ignore_errors=True)
                gone += 1
            except BlockingIOError:
                continue
            finally:
                os.close(handle)
    return gone
