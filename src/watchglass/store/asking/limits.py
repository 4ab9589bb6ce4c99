"""A question that runs → stopped with a sentence once it takes longer than it may, or the process grows by more than a question may need.

DuckDB's own limit counts what it keeps, not what a function makes before it is kept, so the process is looked at as well. A
call is stopped when it is done with some thousand rows; what one call may take is bounded by `costly.py`.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.errors import QueryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 300.0
"""What a question from Python or the command line may take unless it says otherwise."""
GROWN: Final = 1536 << 20
"""Bytes by which a process may grow while a question runs: DuckDB's own limit and room for what it does not count."""
_EVERY: Final = 0.05  # seconds between two looks
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")
_WOULD_DO: Final = "a narrower time, fewer columns or a LIMIT would do"


class _Watch:
    """Looks at the clock and at the process until the question is over."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float | None) -> None:
        self._connection, self._seconds = connection, seconds
        self._over = threading.Event()
        self._before = _resident()
        self._thread = threading.Thread(target=self._look, name="watchglass-question", daemon=True)
        self.why: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        end = None if self._seconds is None else time.monotonic() + self._seconds
        while not self._over.wait(_EVERY if end is None else min(_EVERY, max(end - time.monotonic(), 0.001))):
            if self.why is None and end is not None and time.monotonic() >= end:
                self.why = f"the question took longer than {self._seconds:g} seconds and was stopped: {_WOULD_DO}"
            elif self.why is None and _resident() - self._before > GROWN:
                self.why = f"the question needs more memory than {GROWN >> 20} MiB and was stopped: {_WOULD_DO}"
            if self.why is not None:
                self._connection.interrupt()  # again and again: between two statements there is nothing to interrupt


@contextmanager
def watched(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """Stop what runs in a connection once it takes too much; raises `QueryRefused` that says what."""
    watch = _Watch(connection, seconds)
    watch.start()
    try:
        yield
    except duckdb.Error as error:
        if watch.why is not None:
            raise QueryRefused(watch.why) from error
        raise
    finally:
        watch.stop()


def _resident() -> int:
    """Give the bytes of memory that this process holds; 0 where the machine does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except OSError:
        return 0
