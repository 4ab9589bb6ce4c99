"""A spool → a server that has its events: round after round while this process lives, slower while there is trouble."""

from __future__ import annotations

import os
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Literal

from watchglass.capture import drops, spool
from watchglass.capture.forking import whole
from watchglass.capture.shipping import Later, Taken, ship

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchglass.capture.exchange import Line
    from watchglass.capture.shipping import Refusal
    from watchglass.capture.spool import LogName, Sealed

IDLE_SECONDS: Final = 2.0
FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 30.0
_SWEEP_SECONDS: Final = 3600.0
_PATIENCE: Final = 3
_MOST_BLAMED: Final = 1000

Word = Literal["sealed", "now"]


class Carrier:
    """The work of one sender's thread, from its start until it is told to end."""

    def __init__(self, url: str, root: str, line: Line) -> None:
        self.line = line
        self.ending = False
        self.until = float("inf")
        self._url = url
        self._root = root
        self._bell: SimpleQueue[Word] = SimpleQueue()  # its put may interrupt itself: a signal handler records
        self.refusals = 0
        self._failures = 0
        self._blamed: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._swept = -_SWEEP_SECONDS

    def ring(self, word: Word) -> None:
        """Say that a segment was sealed, or that what waits should be tried now."""
        if word == "now" or self._bell.empty():
            self._bell.put(word)

    def run(self) -> None:
        """Ship until told to end; then what is sealed by then, for as long as the server answers at all."""
        while True:
            ending = self.ending  # what was sealed before that is on the list of the round that begins now
            found = self._safely()
            if ending and (found is None or found.manner != "trouble" or not found.blamed or self.line.hung_up):
                break  # nothing is left, or no answer is to be had in time
            if found is None:
                self._failures = 0
                self._sweep()
                self._pause(IDLE_SECONDS, ("sealed", "now"))
                continue
            self._failures += 1
            asked = found.manner == "asked"
            seconds = self._delay(found)
            self._warn(found, seconds)
            self._pause(seconds, () if asked else ("now",))
            if self.ending and asked:
                break
        self.line.close()

    def _safely(self) -> Later | None:
        try:
            return self._round()
        except Exception as error:  # noqa: BLE001 - the one blind place: this thread must not end while its process lives
            return Later(f"{type(error).__name__}: {error}")

    def _round(self) -> Later | None:
        """Ship every segment that is sealed; says why not all."""
        hopeless = 0
        for log, name in self._order():
            if self.line.hung_up or time.monotonic() >= self.until:
                return None
            found = self._attempt(log, name)
            if found is None:
                continue
            if not (found.blamed and self._is_hopeless(name)):
                return found
            hopeless += 1
            if hopeless > _PATIENCE:  # it is not these segments, it is the server
                return found
            seconds = min(LONGEST_DELAY, 2.0 ** min(self._blamed[name] - _PATIENCE, 16))
            self._not_before[name] = time.monotonic() + seconds
            self._warn(found, seconds)
        return self._ship_kept()

    def _attempt(self, log: LogName, name: str) -> Later | None:
        try:
            with spool.sealed(self._root, log, name) as segment:
                return None if segment is None else self._ship(segment)
        except OSError as error:  # this machine's disk, or a file that is not ours to read
            self._blame(name)
            return Later(f"{type(error).__name__}: {error}", blamed=True)

    def _order(self) -> Iterator[tuple[LogName, str]]:
        """Graph before rows, each in the order of time, then losses; last, what has failed again and again where others did not."""
        for row in [None, *self._waiting("rows")]:
            for graph in self._waiting("graph"):
                yield "graph", graph
            if row is not None:
                yield "rows", row
        for name in self._waiting("drops"):
            yield "drops", name
        for log in ("graph", "rows", "drops"):
            for name in self._waiting(log, hopeless=True):
                if time.monotonic() >= self._not_before.get(name, 0.0):
                    yield log, name

    def _waiting(self, log: LogName, *, hopeless: bool = False) -> list[str]:
        names = spool.waiting(self._root, log)
        return [name for name in names if self._is_hopeless(name) is hopeless]

    def _is_hopeless(self, name: str) -> bool:
        return self._blamed.get(name, 0) >= _PATIENCE

    def _ship(self, segment: Sealed) -> Later | None:
        found = ship(self.line, segment)
        if isinstance(found, Later):
            if found.blamed:
                self._blame(segment.name)
            return found
        self._settle(segment, found)
        self._failures = 0
        self._blamed.pop(segment.name, None)
        self._not_before.pop(segment.name, None)
        return None

    def _ship_kept(self) -> Later | None:
        """Ship what is kept of artifacts once the events are there."""
        if self.line.hung_up or time.monotonic() >= self.until or not os.path.isdir(f"{self._root}/artifacts"):  # noqa: PTH112 - text paths here
            return None
        with whole:
            from watchglass.capture.keeping_ship import ship_kept  # noqa: PLC0415 - only where something is kept
        return ship_kept(self.line, self._root)

    def _blame(self, name: str) -> None:
        if len(self._blamed) >= _MOST_BLAMED:
            self._blamed.clear()
            self._not_before.clear()
        self._blamed[name] = self._blamed.get(name, 0) + 1

    def _settle(self, segment: Sealed, taken: Taken) -> None:
        """Remove what the server has, and put aside what it refused."""
        if taken.rejected:
            text = f"the server at {self._url} set {taken.rejected} events of {segment.name} aside; it keeps them with its reasons"
            drops.warn("set aside by the server", text)
        self.refusals += len(taken.refusals)
        for refusal in taken.refusals:
            self._put_aside(segment, refusal)
        if all(refusal.part.key != segment.name for refusal in taken.refusals):
            spool.delete(segment)

    def _put_aside(self, segment: Sealed, refusal: Refusal) -> None:
        part = refusal.part
        rows = spool.rows(segment, part.start, part.end)
        reason = {"server": self._url, "status": refusal.status, "said": refusal.why, "time": time.time_ns() // 1000}
        text = f"the server at {self._url} refused events for good: {refusal.why}"
        if part.key == segment.name:
            kept = spool.refuse(self._root, segment, reason)
        else:
            kept = spool.refuse_part(self._root, segment, part.key, (part.start, part.end), reason)
        text += (
            f" (they are kept in {kept!r})"
            if kept
            else " (they are not kept: what was refused before fills its folder)"
        )
        drops.count(f"refused {refusal.status}", text, rows)

    def _delay(self, trouble: Later) -> float:
        if trouble.manner == "asked":
            return trouble.seconds
        if trouble.manner == "denied":
            return LONGEST_DELAY
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures - 1, 16))
        return longest * (0.5 + os.urandom(1)[0] / 510)  # a herd of workers must not knock all at once

    def _warn(self, trouble: Later, seconds: float) -> None:
        text = (
            f"events wait in {self._root!r} for the server at {self._url}: {trouble.why} (next try in {seconds:.1f} s)"
        )
        drops.warn("the server", text)

    def _pause(self, seconds: float, until: tuple[Word, ...]) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                word = self._bell.get(timeout=left)
                if word == "now":
                    self._not_before.clear()
                if word in until or (word == "now" and self.ending):
                    return
            except Empty:
                return

    def _sweep(self) -> None:
        if time.monotonic() - self._swept >= _SWEEP_SECONDS:
            self._swept = time.monotonic()
            spool.sweep(self._root)
