"""Events → the two logs of the store that this process writes to; what cannot be written is counted, never raised."""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, Final

from watchglass import settings
from watchglass.capture import drops
from watchglass.capture.drops import dropped
from watchglass.capture.encode import line
from watchglass.capture.segment import Limits, Log

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Recorder", "close", "current", "dropped", "flush", "init"]

SYNC_EVERY: Final = 1.0


class Recorder:
    """Where this process records: a store's folder, its two logs open for writing, and what was announced there."""

    def __init__(self, store: str, limits: Limits, *, disabled: bool = False) -> None:
        self.store = store
        self.disabled = disabled
        self.announced: dict[object, object] = {}
        """What this process has said already and need not say again: components, the columns of models."""
        self._graph = Log(store, "graph", limits)
        self._rows = Log(store, "rows", limits)
        self._logs = (self._graph, self._rows)
        self._ticking: threading.Thread | None = None
        self._stop = threading.Event()
        self._held: list[Log] = []

    def graph(self, event: Mapping[str, object]) -> bool:
        """Append an event to the graph log; says whether it is in the log."""
        return self._put(self._graph, event)

    def row(self, event: Mapping[str, object]) -> bool:
        """Append an event to the row log; says whether it is in the log."""
        return self._put(self._rows, event)

    def _put(self, log: Log, event: Mapping[str, object]) -> bool:
        if self.disabled:
            return False
        try:
            log.append(line(event))
        except OSError as error:
            self.lost(error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever an odd value does while it is written, the host's work goes on
            drops.count("encode", f"an event of kind {event.get('kind')!r} is dropped: {type(error).__name__}: {error}")
            return False
        if self._ticking is None:
            self._start()
        return True

    def lost(self, error: OSError, rows: int = 1) -> None:
        """Count what could not be written."""
        drops.count(drops.reason(error), f"events for {self.store!r} are dropped: {error}", rows)

    def _start(self) -> None:
        with _lock:
            if self._ticking is not None:
                return
            self._ticking = threading.Thread(target=self._tick, args=(self._stop,), name="watchglass-sync", daemon=True)
            try:
                self._ticking.start()
            except RuntimeError:  # no thread starts while the interpreter ends: bring it to the disk here
                self._ticking = None
                self.sync()

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(SYNC_EVERY):
            for log in self._logs:
                if log.has_work:
                    self._maintain(log)

    def _maintain(self, log: Log) -> None:
        try:
            log.roll_if_idle()
            log.sync()
        except OSError as error:
            self.not_synced(error)

    def not_synced(self, error: OSError) -> None:
        """Count what is in the log but did not reach the disk."""
        drops.count(f"sync {drops.reason(error)}", f"events in {self.store!r} may not outlive a power cut: {error}")

    def sync(self) -> None:
        """Bring all that was written to the disk."""
        for log in self._logs:
            try:
                log.sync()
            except OSError as error:
                self.not_synced(error)

    def close(self) -> None:
        """Seal the segments; a later event opens others."""
        stop, self._stop = self._stop, threading.Event()
        self._ticking = None
        stop.set()
        for log in self._logs:
            try:
                log.close()
            except OSError as error:
                self.not_synced(error)

    def before_fork(self) -> None:
        """Let appends of other threads end, so that the child inherits whole segments."""
        self._held = [log for log in self._logs if log.before_fork()]

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        held, self._held = self._held, []
        for log in held:
            log.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Begin segments, announcements and a thread of its own."""
        self._held = []
        self.announced = {}
        self._ticking = None
        self._stop = threading.Event()
        for log in self._logs:
            log.after_fork_in_child()


_current: Recorder | None = None
_lock = threading.RLock()


def init(store: str | os.PathLike[str] | None = None, durability: str | None = None) -> None:
    """Say where this process records: a folder, else WATCHGLASS_STORE, else ./watchglass-data, made at the first event.

    `durability` "default": an event is in the log before the call returns, so a killed process loses none; a power
    cut loses a second at most. "sync": it is on the disk before the call returns. Called again, it closes the
    segments of the store before. Raises `BadInput` for a store or a durability that this version does not know.
    """
    _install(_configured(store, durability))


def _configured(store: object = None, durability: object = None) -> Recorder:
    limits = Limits(
        seconds=settings.resolve(settings.ROLL_SECONDS),
        size=settings.resolve(settings.ROLL_BYTES),
        sync=settings.resolve(settings.DURABILITY, durability) == "sync",
    )
    folder = os.path.abspath(settings.resolve(settings.STORE, store))  # noqa: PTH100 - it must not follow a later chdir
    return Recorder(folder, limits, disabled=settings.resolve(settings.DISABLED))


def _install(recorder: Recorder) -> None:
    global _current
    with _lock:
        before, _current = _current, recorder
    if before is not None:
        before.close()


def current() -> Recorder:
    """Give the process's recorder; without `init`, the environment and the defaults say where it writes."""
    found = _current
    if found is not None:
        return found
    with _lock:
        if _current is None:
            _install(_configured())
        return current()


def flush() -> None:
    """Return when every event recorded before this call is on the disk."""
    if _current is not None:
        _current.sync()


def close() -> None:
    """Seal this process's segments, so that they can be compacted; a later event opens others."""
    if _current is not None:
        _current.close()


def _before_fork() -> None:
    if _current is not None:
        _current.before_fork()


def _after_fork_in_parent() -> None:
    if _current is not None:
        _current.after_fork_in_parent()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - a thread that is not here may have held it
    _lock = threading.RLock()
    if _current is not None:
        _current.after_fork_in_child()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(close)
