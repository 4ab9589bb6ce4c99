"""Bytes that requests hold in memory → a bound: new ones are turned away while too much is held, and none grows without end."""

from __future__ import annotations

import threading


class Busy(Exception):
    """The server holds as much as it may; the same request will do later."""


class Ledger:
    """What all requests hold together.

    A request begins only while less than `room` is held; then it may grow, and all of them together up to `room` and
    the largest single body (`grown`), so that a large body is not starved by small ones. What is alone may grow as it
    likes: its own limit bounds it.
    """

    def __init__(self, room: int, grown: int) -> None:
        self._room = room
        self._most = room + grown
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    def begin(self) -> Share:
        """Let a request begin; raises `Busy`."""
        if self._held >= self._room:
            message = f"{self._held} bytes of other requests wait to be written"
            raise Busy(message)
        return Share(self)

    def _move(self, change: int, own: int) -> None:
        with self._lock:
            if change > 0 and self._held > own and self._held + change > self._most:
                message = f"{self._held} bytes of other requests wait to be written"
                raise Busy(message)
            self._held += change


class Share:
    """What one request holds; given back when it is done."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._bytes = 0

    def set(self, size: int) -> None:
        """Say how much the request holds now; raises `Busy` when that is too much."""
        self._ledger._move(size - self._bytes, self._bytes)  # noqa: SLF001 - two halves of one thing
        self._bytes = size

    def done(self) -> None:
        """Give everything back."""
        self.set(0)
