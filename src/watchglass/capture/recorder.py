"""Events → the two logs of the store that this process writes to; what cannot be written is counted, never raised."""

from __future__ import annotations

import os
import sys
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from watchglass import settings
from watchglass.capture import drops, ending, ids, room, tuning
from watchglass.capture.beating import Beat
from watchglass.capture.chosen import choose
from watchglass.capture.drops import dropped
from watchglass.capture.encode import line
from watchglass.capture.held import HeldLog
from watchglass.capture.losses import Losses
from watchglass.capture.room import Bounds, Full
from watchglass.capture.segment import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watchglass.capture.segment import Limits
    from watchglass.capture.sender import Sender

T = TypeVar("T")
__all__ = ["Recorder", "close", "current", "dropped", "flush", "init"]

LONGEST_LINE: Final = 16_000_000
SYNC_EVERY: Final = 1.0
DRAIN_AFTER: Final = 0.1
TICK_EVERY: Final = 5.0
_PAUSE: Final = 0.02
_NEARLY: Final = 0.95  # of a second: a wait may end a little early
_UNBOUNDED: Final = Bounds(log_bytes=1 << 62, free_bytes=0)


class Recorder(tuning.Tunable):
    """Where this process records: a store's folder, its two logs open for writing, and what was announced there."""

    ticks: ClassVar[list[Callable[[], None]]] = []
    """What the background thread of whichever recorder is in use calls every five seconds."""

    def __init__(
        self,
        store: str,
        limits: Limits,
        bounds: Bounds = _UNBOUNDED,
        *,
        disabled: bool = False,
        sender: Sender | None = None,
    ) -> None:
        self.store = store
        self.disabled = disabled
        self.announced: dict[object, object] = {}
        """What this process has said already and need not say again: components, the columns of models."""
        self._bounds = bounds
        self.sender = sender
        self._graph = self._log("graph", limits)
        self._rows = self._log("rows", limits, self._graph)
        self._logs = (self._rows, self._graph)
        self.losses = Losses(store)
        self._room = room.Room(store, bounds)
        self._full: Full | None = None
        self._hindered = disabled
        self._beat: Beat | None = None
        self._worked = self._ticked = 0.0
        self._forking: list[Log] = []

    def _log(self, name: str, limits: Limits, before: Log | None = None) -> Log:
        return HeldLog(self.store, name, limits, self._wake, before) if limits.held else Log(self.store, name, limits)

    def graph(self, event: Mapping[str, object]) -> bool:
        """Append an event to the graph log; says whether it is recorded."""
        return self._put(self._graph, event)

    def row(self, event: Mapping[str, object]) -> bool:
        """Append an event to the row log; says whether it is recorded."""
        return self._put(self._rows, event)

    def _put(self, log: Log, event: Mapping[str, object]) -> bool:
        if self._hindered and not (event := self.admitted(event)):
            return False
        try:
            data = line(event)
        except Exception as error:  # noqa: BLE001 - whatever an odd value does while it is written, the host's work goes on
            drops.count("encode", f"an event of kind {event.get('kind')!r} is dropped: {type(error).__name__}: {error}")
            return False
        if len(data) > LONGEST_LINE:
            drops.count(
                "too large",
                f"an event of kind {event.get('kind')!r} is dropped: it has {len(data)} bytes as JSON, {LONGEST_LINE} would do",
            )
            return False
        try:
            log.append(data)
        except OSError as error:
            return self._refused(log, data, error)
        if self._beat is None:
            self.start()
        return True

    def has_room(self, rows: int = 1) -> bool:
        """Say whether so many rows may be recorded; where there is no room, wait for some or count them as lost, as is set."""
        if self.disabled:
            return self.asleep()
        end = monotonic() + self._bounds.block_seconds
        while (full := self._full) is not None:
            if monotonic() >= end:
                drops.count(full.setting, f"events for {self.store!r} are dropped: {full.text}", rows)
                return False
            sleep(_PAUSE)
            self._look()
        return True

    def _refused(self, log: Log, data: bytes, error: OSError) -> bool:
        """Try again for as long as is set while there is no room; count the event when that is over."""
        if self._beat is None:
            self.start()
        end = monotonic() + self._bounds.block_seconds
        while error.errno in room.FULL and monotonic() < end:
            sleep(_PAUSE)
            try:
                log.append(data)
            except OSError as again:
                error = again
            else:
                return True
        self.lost(error)
        return False

    def persist(self, write: Callable[[], T | OSError]) -> T | OSError:
        """Write many rows at once; while there is no room, try again for as long as is set."""
        end = monotonic() + self._bounds.block_seconds
        while isinstance(outcome := write(), OSError) and outcome.errno in room.FULL and monotonic() < end:
            sleep(_PAUSE)
        self.start()
        return outcome

    def lost(self, error: OSError, rows: int = 1) -> None:
        """Count what could not be written."""
        drops.count(drops.reason(error), f"events for {self.store!r} are dropped: {error}", rows)

    def not_synced(self, error: OSError) -> None:
        """Count what is in the log but did not reach the disk."""
        drops.count(f"sync {drops.reason(error)}", f"events in {self.store!r} may not outlive a power cut: {error}")

    def start(self) -> None:
        """Have the background thread run."""
        with _lock:
            if self._beat is not None:
                return
            ending.with_child()
            beat = self._beat = Beat(self._first, self._work, SYNC_EVERY, DRAIN_AFTER)
            self._look()
            self._worked = self._ticked = monotonic()
            if ending.over() or not beat.start():  # nobody will come by: bring it to the disk here
                self._beat = None
                self._settle()
                self.sync()

    def _wake(self) -> None:
        if (beat := self._beat) is not None:
            beat.wake()

    def _first(self) -> None:
        """Do what can wait until the caller of the first event has gone on, unless all was closed meanwhile."""
        with _lock:
            if self._beat is None:
                return
            drops.shielded("background", "what others see of losses", self.losses.begin, None)
            if self.sender is not None:
                drops.shielded("sender", f"events wait in {self.store!r}", self.sender.start, None)

    def _work(self) -> None:
        drops.shielded("background", f"events in {self.store!r} wait", self._drain, None)
        moment = monotonic()
        if moment - self._worked < _NEARLY * SYNC_EVERY:
            return
        self._worked = moment
        drops.shielded("background", f"events in {self.store!r} wait", self._maintain, None)
        if moment - self._ticked >= TICK_EVERY:
            self._ticked = moment
            for tick in list(self.ticks):
                drops.shielded("tick", "a look at the settings failed", tick, None)

    def _drain(self) -> None:
        for log in self._logs:
            try:
                log.drain()
            except OSError as error:
                drops.warn(f"held {drops.reason(error)}", f"events for {self.store!r} wait in memory: {error}")

    def _maintain(self) -> None:
        busy = [log for log in self._logs if log.has_work]
        closed = sum(self._guarded(log, log.sync) for log in busy)
        if closed and self.sender is not None:
            self.sender.wake()
        if busy or self._full is not None:
            self._look()
        self._tell()

    def _guarded(self, log: Log, verb: Callable[[], int]) -> int:
        try:
            return verb()
        except OSError as error:
            if not log.waiting:
                self.not_synced(error)
            return 0

    def _look(self) -> None:
        self._full = self._room.look()
        self._hindered = self.disabled or self._full is not None or self.redactor is not None

    def _tell(self, *, last: bool = False) -> None:
        try:
            self.losses.tell(monotonic(), self._graph.append, last=last)
        except OSError as error:
            drops.warn("losses", f"other processes do not see yet how many events are dropped here: {error}")

    def _settle(self) -> None:
        """Write what waits in memory, or give it up and count it."""
        for log in self._logs:
            try:
                log.drain()
            except OSError as error:
                self.lost(error, log.abandon())

    def sync(self) -> None:
        """Bring all that was written to the disk."""
        for log in self._logs:
            self._guarded(log, log.sync)

    def deliver(self, timeout: float | None) -> bool:
        """Bring all that was written to the disk and, within a time, to the server; says whether the server has it."""
        self.sync()
        if timeout is None or self.sender is None:
            return True
        for log in self._logs:
            self._guarded(log, log.close)
        return self.sender.deliver(timeout)

    def close(self) -> None:
        """Seal the segments; a later event opens others."""
        self.end_intervals(for_good=ending.over() or self is not _current)
        with _lock:
            beat, self._beat = self._beat, None
        if beat is not None:
            beat.stop()
        self._settle()
        self._tell(last=True)
        self._settle()
        for log in self._logs:
            self._guarded(log, log.close)
        self.losses.close()
        if beat is not None and self.sender is not None:
            self.sender.start()
            self.sender.close(settings.resolve(settings.DELIVER_SECONDS))

    def before_fork(self) -> None:
        """Let appends of other threads end, so that the child inherits whole segments."""
        self._forking = [log for log in self._logs if log.before_fork()]

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        held, self._forking = self._forking, []
        for log in held:
            log.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Begin segments, announcements and a thread of its own."""
        self._forking, self.announced, self._beat = [], {}, None
        for log in self._logs:
            log.after_fork_in_child()
        self.losses.after_fork_in_child()
        if self.sender is not None:
            self.sender.after_fork_in_child()


_current: Recorder | None = None
_late: Recorder | None = None  # that of a process whose interpreter ends
_alone = False
_lock = threading.RLock()


def init(
    store: str | os.PathLike[str] | None = None,
    durability: str | None = None,
    on_full: str | None = None,
    sampling: Sequence[Mapping[str, object]] | None = None,
    redaction: Sequence[Mapping[str, object]] | None = None,
    auto: bool | None = None,  # noqa: FBT001 - a switch
) -> None:
    """Say where this process records: a folder, else WATCHGLASS_STORE, else ./watchglass-data, made at the first event.

    `store` may be a server's URL: events wait in a folder of this machine (setting spool) until the server has them.

    `durability` says what is lost of the events whose call has returned:

    ========= ==================== ======================= ===========================================================
    value     killed (-9)          power cut               the call
    ========= ==================== ======================= ===========================================================
    "fast"    the last 0.2 s       the last 1.5 s          into memory (setting held_bytes), whatever the disk does
    "default" none                 the last 1.5 s          one write(2)
    "sync"    none                 none                    one write(2) and one fsync(2)
    ========= ==================== ======================= ===========================================================

    All that was recorded when the interpreter ends by itself is kept, in each of them. `os._exit` is like a kill.

    `on_full` says what happens when there is no room: the disk or its quota is full, setting log_bytes or free_bytes
    is reached, or with "fast" the memory. "drop" (default): the event is dropped, counted and warned of at most once
    a minute. "block": the call waits for room, for block_seconds (30), then drops; so does an event loop it runs in.

    `sampling` lists rules that say which predictions are kept: capture/sampling.py, which the store's settings go before.
    `redaction` lists rules that say what is dropped, hashed or masked before it is written: capture/redaction.py.

    `auto=True` is `wg.auto()`. Called again, it closes the segments of the store before. Raises `BadInput` for a value that it does not know.
    """
    _install(_configured(store, durability, on_full, sampling, redaction, auto))


def _configured(*given: object) -> Recorder:
    found = choose(*given)
    here = Recorder(found.folder, found.limits, found.bounds, disabled=found.disabled, sender=found.sender)
    return here if found.disabled else tuning.attach(here, found)


def _install(recorder: Recorder) -> None:
    global _current
    with _lock:
        before, _current = _current, recorder
    if before is not None:
        before.close()


def current() -> Recorder:
    """Give the process's recorder; without `init`, the environment and the defaults say where it writes."""
    if (found := _current) is not None:
        return found
    if _late is not None:
        return _at_the_end(_late)
    with _lock:
        if _current is None:
            _install(_configured())
        return current()


def _at_the_end(recorder: Recorder) -> Recorder:
    """Give the recorder to what still records while the interpreter ends, when other threads may have died with a lock in hand."""
    global _lock, _alone  # noqa: PLW0603 - once for the process
    if sys.is_finalizing() and not _alone:
        _alone = True
        _lock = threading.RLock()
        ids.renew_lock()
        drops.renew_lock()
        for log in recorder._logs:  # noqa: SLF001 - of this module
            log.renew_locks()
    return recorder


def _end() -> None:
    """Seal the segments for good: an event that comes now is brought to the disk by its own call."""
    global _current, _late
    close()
    _current, _late = None, _current


def flush(timeout: float | None = None) -> bool:
    """Return when all recorded before is on the disk; with `timeout`, wait so long for a server too, and say whether it has all."""
    return _current is None or _current.deliver(timeout)


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
    global _lock, _current, _late  # noqa: PLW0603 - a thread that is not here may have held it
    _lock = threading.RLock()
    _current, _late = _current or _late, None
    if _current is not None:
        _current.after_fork_in_child()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
ending.at_end(_end)
