"""A store's folder → whether its log may grow: how much the log holds and how much of the disk is free, against their settings."""

from __future__ import annotations

import os
from errno import EDQUOT, ENOBUFS, ENOSPC
from time import monotonic
from typing import Final, NamedTuple

from watchglass import settings
from watchglass.capture.segment import LOGS

FULL: Final = frozenset((ENOSPC, EDQUOT, ENOBUFS))
"""What an operating system says when there is no room now and may be some later."""
_SHARE: Final = 20
_PACE: Final = 100


class Bounds(NamedTuple):  # making a dataclass takes a millisecond of the first event
    """How many bytes the log of a store may hold, how many of the disk it leaves free (at most a twentieth of the disk), how long to wait for room."""

    log_bytes: int
    free_bytes: int
    block_seconds: float = 0.0


class Full(NamedTuple):
    """There is no room: the name of the setting that says so, and the figures."""

    setting: str
    text: str


def bounds(on_full: object) -> Bounds:
    """Give the bounds that are set; `on_full` is the argument that says whether to wait for room."""
    waits = settings.resolve(settings.ON_FULL, on_full) == "block"
    return Bounds(
        log_bytes=settings.resolve(settings.LOG_BYTES),
        free_bytes=settings.resolve(settings.FREE_BYTES),
        block_seconds=settings.resolve(settings.BLOCK_SECONDS) if waits else 0.0,
    )


class Room:
    """Looks at a log now and then: a log of many thousand segments takes a while, of which the host may feel a hundredth."""

    def __init__(self, root: str, bounds: Bounds) -> None:
        self._root = root
        self._bounds = bounds
        self._found: Full | None = None
        self._again = 0.0

    def look(self) -> Full | None:
        """Say why the log may not grow, as it was found not long ago."""
        began = monotonic()
        if began >= self._again:
            self._found = look(self._root, self._bounds)
            self._again = began + _PACE * (monotonic() - began)
        return self._found


def look(root: str, bounds: Bounds) -> Full | None:
    """Say why the log may not grow; None when it may, or the folder is not there yet."""
    try:
        disk = os.statvfs(root)
        free, least = disk.f_bavail * disk.f_frsize, min(bounds.free_bytes, disk.f_blocks * disk.f_frsize // _SHARE)
        if free < least:
            return Full("free_bytes", f"{free} bytes of the disk are free, setting free_bytes keeps {least}")
        held = sum(_size(f"{root}/log/{log}") for log in LOGS)
    except OSError:  # the log's own writes will say what is wrong
        return None
    if held >= bounds.log_bytes:
        return Full(
            "log_bytes", f"the log holds {held} bytes, setting log_bytes allows {bounds.log_bytes}: compact the store"
        )
    return None


def _size(folder: str) -> int:
    size = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    size += entry.stat().st_size
                except FileNotFoundError:  # compacted meanwhile
                    continue
    except FileNotFoundError:
        return 0
    return size
