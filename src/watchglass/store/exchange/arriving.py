"""A file that is being sent to a store → a folder of its own below tmp/, which is gone with the process that takes it in.

Such a file is as it was sent: no rule of redaction has been applied to it yet.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from watchglass.store.exchange.aside import held, sweep_held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watchglass.store.folder import Folder


@contextmanager
def arriving(folder: Folder) -> Iterator[Path]:
    """Give a folder for a file under way, which is gone at the end; raises `OSError` where none can be made."""
    folder.scratch.mkdir(parents=True, exist_ok=True)
    with held(folder.scratch / f"import-{uuid4().hex}") as room:
        yield room


def sweep_arrived(folder: Folder) -> int:
    """Delete what killed processes left; gives how many folders."""
    return sweep_held(folder.scratch, "import-*")
