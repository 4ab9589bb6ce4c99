"""A reader that is being asked → its tail parsed a little ahead of each question, so that an answer need not wait for it.

The thread is there while questions come, and for two seconds after the last one.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY: Final = 0.05
LINGER: Final = 2.0
_all: weakref.WeakSet[Ahead] = weakref.WeakSet()


class Ahead:
    """A background thread that calls a verb again and again for as long as it was asked lately."""

    def __init__(self, verb: Callable[[], None]) -> None:
        self._verb = weakref.WeakMethod(verb)  # the thread must not keep its reader
        self._asked = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        _all.add(self)

    def asked(self) -> None:
        """Take note of a question."""
        self._asked = time.monotonic()
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._stop.is_set():
                    self._thread = threading.Thread(target=self._run, name="watchglass-ahead", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            verb = self._verb()
            if verb is None or time.monotonic() - self._asked > LINGER:
                break
            try:
                verb()
            except Exception:  # noqa: BLE001 - the question itself meets it, and tells
                break
            del verb
        self._thread = None

    def stop(self) -> None:
        """End the thread, for good."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()


def _stop_all() -> None:
    for ahead in list(_all):
        ahead.stop()


threading._register_atexit(_stop_all)  # type: ignore[attr-defined]  # noqa: SLF001 - as concurrent.futures does: atexit comes too late for a daemon's DuckDB
