"""Lines → memory at once, and from there to the log when the background thread comes by: the caller never waits for a disk."""

from __future__ import annotations

import os
import threading
from errno import ENOBUFS
from time import sleep
from typing import TYPE_CHECKING, Final

from watchglass.capture.segment import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchglass.capture.segment import Limits

_PER_LINE: Final = 64  # what Python keeps beside a line's bytes
_AT_ONCE: Final = 1 << 22
_YIELD: Final = 0.0005


class HeldLog(Log):
    """A log whose lines wait in memory, at most so many bytes; `wake` is called when the first of them waits, and when half the memory is full.

    What waits in the log `before` is written first: it tells the columns of these lines.
    """

    def __init__(
        self, root: str, name: str, limits: Limits, wake: Callable[[], None], before: Log | None = None
    ) -> None:
        super().__init__(root, name, limits)
        self._before = before
        self._most = limits.held
        self._crowd = limits.held - limits.held // 4
        self._wake = wake
        self._renew()

    def _renew(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0  # in `_lines`
        self._urgent = self._most // 2  # when they are not left to wait for more
        self._leaving = 0  # bytes on their way to the log
        self._trouble: OSError | None = None
        self._forking = (False, False)

    def renew_locks(self) -> None:
        """Make other locks: a thread that is no more may have held them."""
        super().renew_locks()
        self._lines_lock = threading.RLock()
        self._drain_lock = threading.RLock()

    def append(self, data: bytes) -> None:
        """Keep a line; raises `OSError` when there is no room for it, the one that keeps the log from being written if any."""
        size = len(data) + _PER_LINE
        with self._lines_lock:
            if self._bytes + self._leaving + size <= self._most:
                self._bytes += size
                self._lines.append(data)
                call = len(self._lines) == 1 or self._bytes >= self._urgent
                if self._bytes >= self._urgent:
                    self._urgent = self._most + 1  # called once
                crowded = self._bytes + self._leaving > self._crowd and self._trouble is None
            elif size <= self._most:
                raise self._trouble or OSError(ENOBUFS, f"{os.strerror(ENOBUFS)}: {self._most} bytes wait for the disk")
            else:
                call, crowded = None, False
        if call is None:  # no memory that it may have would do
            self.drain()
            super().append(data)
        elif call:
            self._wake()
        if crowded:  # callers that never let go of the interpreter would keep the background thread from writing
            sleep(_YIELD)

    def drain(self) -> None:
        """Write what waits; what the disk refuses goes on waiting."""
        with self._drain_lock:
            with self._lines_lock:
                lines, self._lines = self._lines, []
                self._leaving, self._bytes = self._bytes, 0
                self._urgent = self._most // 2
            done = 0
            try:
                if self._before is not None:
                    self._before.drain()
                while done < len(lines):
                    done += self._put(lines, done)
                self._trouble = None
            except OSError as error:
                self._trouble = error
                raise
            finally:
                with self._lines_lock:
                    if done < len(lines):
                        self._lines[:0] = lines[done:]
                        self._bytes = sum(map(len, self._lines)) + _PER_LINE * len(self._lines)
                    self._leaving = 0

    def _put(self, lines: list[bytes], start: int) -> int:
        """Write some of the lines together, or where that fails the first one alone; gives how many."""
        end = start + 1
        size = len(lines[start])
        while end < len(lines) and size + len(lines[end]) <= _AT_ONCE:
            size += len(lines[end])
            end += 1
        try:
            super().append(b"".join(lines[start:end]))
        except OSError:
            if end == start + 1:
                raise
            super().append(lines[start])
            return 1
        return end - start

    def sync(self) -> int:
        """Write what waits and bring all that was written to the disk."""
        self.drain()
        return self._bring()

    def close(self) -> int:
        """Write what waits and seal the segment."""
        try:
            self.drain()
        finally:
            closed = super().close()
        return closed

    def abandon(self) -> int:
        """Give up what waits; says how many lines that were."""
        with self._lines_lock:
            lines, self._lines, self._bytes = self._lines, [], 0
        return len(lines)

    @property
    def waiting(self) -> bool:
        """Say whether lines wait in memory."""
        return bool(self._lines)

    @property
    def has_work(self) -> bool:
        """Say whether something waits for the log or the disk, or a segment is open."""
        return bool(self._lines) or super().has_work

    def before_fork(self) -> bool:
        """Wait for an append and for a write that are under way, but not for ever: a disk may stall."""
        self._forking = (super().before_fork(), self._lines_lock.acquire(timeout=0.5))
        return any(self._forking)

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        (written, kept), self._forking = self._forking, (False, False)
        if kept:
            self._lines_lock.release()
        if written:
            super().after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Let go of the parent's segments and of its lines, which the parent writes."""
        super().after_fork_in_child()
        self._renew()
