"""Verbs → called again and again by a background thread of this process, which signal handlers and finalisers may start and wake."""

from __future__ import annotations

import sys
import threading
from _thread import start_new_thread
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bell:
    """Rung by anybody, heard by one thread: a bare lock, as threading's Event hangs when a signal handler sets it in the middle of itself."""

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """Make the wait that goes on, or the next one, end."""
        with suppress(RuntimeError):  # it rings
            self._silence.release()

    def wait(self, seconds: float) -> bool:
        """Wait for a ring; says whether there was one."""
        return self._silence.acquire(timeout=seconds)


class Beat:
    """A daemon thread that calls `first` once, then `verb` every `seconds`, and `gather` seconds after it was woken."""

    def __init__(self, first: Callable[[], None], verb: Callable[[], None], seconds: float, gather: float) -> None:
        self._first = first
        self._verb = verb
        self._seconds = seconds
        self._gather = gather
        self._bell = Bell()
        self._stopped = False

    def start(self) -> bool:
        """Begin; says whether a thread could be had: none starts while the interpreter ends."""
        if sys.is_finalizing():
            return False
        try:
            start_new_thread(
                self._run, ()
            )  # threading.Thread.start waits, and hangs in a signal handler that interrupts another's
        except RuntimeError:
            return False
        return True

    def _run(self) -> None:
        self._first()
        while not self._stopped:
            if self._bell.wait(self._seconds) and not self._stopped:
                self._bell.wait(self._gather)
            if not self._stopped:
                self._verb()

    def wake(self) -> None:
        """Have the verb called soon."""
        self._bell.ring()

    def stop(self) -> None:
        """Call the verb no more."""
        self._stopped = True
        self._bell.ring()
