"""What this process dropped → a file of its own in log/drops and an event in the graph log, so that other processes see it.

The form of the file is told in drops.py.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from watchglass.capture import drops
from watchglass.capture.encode import line
from watchglass.capture.ids import new_hex
from watchglass.capture.segment import prepare
from watchglass.capture.times import now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TELL_EVERY: Final = 10.0
_HEX_DIGITS: Final = 12


class Losses:
    """The losses of one process in one store: counted from its begin, told when they changed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._before = drops.dropped()
        self._begin()

    def _begin(self) -> None:
        self.writer = f"{os.uname().nodename}:{os.getpid()}:{new_hex()[-_HEX_DIGITS:]}"
        self._handle = -1
        self._path = ""
        self._filed: Mapping[str, int] = {}
        self._told: Mapping[str, int] = {}
        self._told_at = -TELL_EVERY

    def counts(self) -> dict[str, int]:
        """Count what was lost, by reason."""
        lost = {why: rows - self._before.get(why, 0) for why, rows in drops.dropped().items()}
        return {why: rows for why, rows in lost.items() if rows}

    def begin(self) -> None:
        """Make the file, or warn that it cannot be made."""
        try:
            self.open()
        except OSError as error:
            drops.warn("losses", f"other processes will not see how many events are dropped here: {error}")

    def open(self) -> None:
        """Make the file while there is room: written over in place, it needs none later."""
        if self._handle >= 0:
            return
        name = re.sub(r"[^A-Za-z0-9._-]", "-", self.writer)
        path = f"{prepare(self._root, 'drops')}/{name}.json"
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self._write(handle, {})
        except BaseException:
            os.close(handle)
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - text paths here
            raise
        self._handle, self._path = handle, path

    def _write(self, handle: int, counts: Mapping[str, int]) -> None:
        data = drops.page(self.writer, counts, now())
        if os.pwrite(handle, data, 0) != len(data):
            message = "the file of losses was written in part"
            raise OSError(message)

    def tell(self, moment: float, append: Callable[[bytes], None], *, last: bool = False) -> None:
        """Write what changed into the file, and into the graph log at most every ten seconds (the last time at once).

        Raises `OSError` when that failed; called again it tries again.
        """
        counts = self.counts()
        try:
            if counts != self._filed:
                self.open()
                self._write(self._handle, counts)
                self._filed = counts
        finally:  # each way on its own
            if counts != self._told and (last or moment - self._told_at >= TELL_EVERY):
                append(line({"kind": "drops", "writer": self.writer, "reasons": counts, "time": now()}))
                self._told, self._told_at = counts, moment

    def close(self) -> None:
        """Let go of the file; one that tells of nothing goes."""
        handle, self._handle = self._handle, -1
        if handle < 0:
            return
        if not self._filed:
            with suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108 - text paths here
        os.close(handle)

    def after_fork_in_child(self) -> None:
        """Begin a file of its own: the parent's losses are the parent's."""
        handle = self._handle
        self._before = {}
        self._begin()
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)
