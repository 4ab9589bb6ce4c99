"""A store that is being filled → compacted, counted, merged and judged, by a process of its own beside the server.

What DuckDB takes, of memory and of the interpreter, is taken there, and given back: the process is there while events
come, and for a look every ten minutes. It ends with its parent, whatever way that ends: the kernel tells it, and a pipe from
the parent closes.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from watchglass.capture.drops import warn
from watchglass.capture.segment import LOGS
from watchglass.errors import StoreTooNew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from watchglass.records import Json
    from watchglass.store.folder import Folder

_LOG = logging.getLogger(__name__)
EVERY: Final = 1.0
MARKED_EVERY: Final = 2.0
JUDGED_EVERY: Final = 60.0
LOOKED_EVERY: Final = 600.0
"""Seconds after which a store in which nothing happens is judged: windows close without events too."""
LINGER: Final = 20.0
"""Seconds without events after which the process ends."""
_GROUPS: Final = 1  # merged in a round: what waits in the log must not wait for all
_PATIENCE: Final = 20.0
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_STEADY: Final = 120.0  # a process that lived so long starts anew at once
_PR_SET_PDEATHSIG: Final = 1
_TOO_NEW: Final = 3
"""The exit code of a process that found the store taken over by a newer package: starting again would not help."""


class Maintenance:
    """The process beside a server: started, watched, started again when it dies, ended with the server."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._command = [sys.executable, "-m", "watchglass.web.maintenance", store]
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self._thread = threading.Thread(target=self._watch, name="watchglass-maintenance", daemon=True)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process and the thread that watches it."""
        self._thread.start()

    def told(self) -> dict[str, Json]:
        """Say how it stands."""
        process = self._process
        running = process is not None and process.poll() is None
        return {"running": running, "pid": process.pid if process and running else None, "restarts": self.restarts}

    def _watch(self) -> None:
        wait, looked = _FIRST_WAIT, -LOOKED_EVERY
        while not self._ending.wait(EVERY):
            if time.monotonic() - looked < LOOKED_EVERY and not waiting(self._store):
                continue
            looked = begun = time.monotonic()
            code = self._once()
            if code == 0 or self._ending.is_set():
                wait = _FIRST_WAIT
                continue
            if code == _TOO_NEW:
                return  # the process has said so; what comes waits in the log until the server is upgraded
            self.restarts += 1
            wait = _FIRST_WAIT if time.monotonic() - begun > _STEADY else min(wait * 2, _LONGEST_WAIT)
            looked -= LOOKED_EVERY  # what it was to do is not done
            _LOG.warning("the maintenance of the store ended with %s; it starts again in %.0f s", code, wait)
            self._ending.wait(wait)

    def _once(self) -> int | None:
        try:
            with self._lock:
                if self._ending.is_set():
                    return None
                self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, process_group=0)  # noqa: S603 - our own module
        except OSError as error:
            _LOG.warning("the maintenance of the store cannot start: %s", error)
            return None
        code = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def close(self) -> None:
        """End the process: asked first, killed when it does not heed."""
        self._ending.set()
        with self._lock:
            process = self._process
        if process is not None:
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._thread.join(_PATIENCE)


@dataclass(slots=True)
class Stop:
    """Whether to go on: not after a signal, nor once the parent is gone."""

    asked: bool = False

    def wait(self, seconds: float) -> bool:
        """Wait, at most so long; says whether to end."""
        if self.asked:
            return True
        ready, _, _ = select.select([0], [], [], max(seconds, 0.0))
        return self.asked or bool(ready)  # the parent never writes: what comes is the end of the pipe


def _die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent dies; where it has no such thing the pipe alone tells."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def waiting(store: str) -> bool:
    """Say whether the log of a store holds anything."""
    return any(_holds(f"{store}/log/{log}") for log in LOGS)


def _holds(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith((".jsonl", ".parquet")) for entry in entries)
    except OSError:
        return False


def main() -> None:
    """Keep a store until told to end."""
    parser = argparse.ArgumentParser(prog="python -m watchglass.web.maintenance", description=__doc__)
    parser.add_argument("store")
    path = parser.parse_args().store
    stop = Stop()

    def heed(*_: object) -> None:
        stop.asked = True

    signal.signal(signal.SIGTERM, heed)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the server, which ends this
    _die_with_parent()
    with suppress(OSError):
        os.nice(10)  # requests, pages and questions go first
    if not stop.wait(0):
        try:
            keep(path, stop)
        except StoreTooNew as error:
            _LOG.warning("the store is kept no more: %s", error)
            sys.exit(_TOO_NEW)


def keep(path: str, stop: Stop) -> None:
    """Go round until told to end, or until no events came for a while."""
    from watchglass.store.folder import prepare  # noqa: PLC0415 - likewise
    from watchglass.store.transactions import connect  # noqa: PLC0415 - after the signals are in place

    folder = prepare(path)
    engine = connect(folder)
    busy, judged, fresh = time.monotonic(), -JUDGED_EVERY, True
    marks = _Marks(folder, engine)
    try:
        while not stop.wait(0):
            begun = time.monotonic()
            if waiting(path):
                busy, fresh, marks.due = begun, True, True
                _round(folder, engine)
            marks.look(begun)
            if fresh and (begun - judged >= JUDGED_EVERY or begun - busy >= LINGER):
                judged, fresh = begun, False
                _judge(folder, engine)
            if begun - busy >= LINGER or stop.wait(EVERY - (time.monotonic() - begun)):
                return
    finally:
        engine.dispose()


def _round(folder: Folder, engine: Engine) -> None:
    """Compact, count and merge; what fails is tried again in the next round."""
    from watchglass.store.cells import follow  # noqa: PLC0415 - after the signals are in place
    from watchglass.store.compact import compact  # noqa: PLC0415 - likewise
    from watchglass.store.merge import merge  # noqa: PLC0415 - likewise

    with _tried_again("compaction"):
        compact(folder, engine)
    with _tried_again("counting"):
        follow(folder, engine)
    with _tried_again("merging"):
        merge(folder, engine, _GROUPS)


class _Marks:
    """Puts the marks right by which recording processes are warned, while events come: every two seconds, for a tenth of the time at most."""

    def __init__(self, folder: Folder, engine: Engine) -> None:
        self._folder, self._engine = folder, engine
        self._next = 0.0
        self.due = True

    def look(self, begun: float) -> None:
        """Do it, if it is due and was not done just now."""
        from watchglass.store.artifacts import quarantine_marks  # noqa: PLC0415 - after the signals are in place
        from watchglass.store.graph import take_in  # noqa: PLC0415 - likewise
        from watchglass.store.subjects import marks  # noqa: PLC0415 - likewise

        if not self.due or begun < self._next:
            return
        self.due, started = False, time.monotonic()
        with _tried_again("marking"):
            take_in(self._folder, self._engine)
            quarantine_marks.refresh_if_new(self._folder, self._engine)
            marks.refresh_if_new(self._folder, self._engine)
        self._next = begun + max(MARKED_EVERY, 10 * (time.monotonic() - started))


def _judge(folder: Folder, engine: Engine) -> None:
    from watchglass.alert.rounds import due  # noqa: PLC0415 - after the signals are in place

    with _tried_again("judging"):
        due(folder, engine, datetime.now(UTC))


@contextmanager
def _tried_again(what: str) -> Iterator[None]:
    """Tell of what failed, at most once a minute for each step: a full disk must not end this process."""
    try:
        yield
    except StoreTooNew:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the next round tries again
        warn(what, f"{what} failed and is tried again: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
