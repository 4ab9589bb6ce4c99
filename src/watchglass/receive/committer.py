"""Checked bodies of many requests → one segment for each log, on the disk before any of them is acknowledged.

The graph segment goes first, for the rows need its schemas. A key stands in the last segment of its request: rows, or graph
where there are none. So a key that is found means that all of its request is there; a graph event taken twice is the same
as once.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from watchglass.capture.drops import reason
from watchglass.capture.segment import new_file, prepare, sync_folder
from watchglass.receive.keys import Taken, header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watchglass.receive.keys import Keys
    from watchglass.receive.lines import Checked

_GROUP: Final = 32 << 20
_REQUESTS: Final = 2000  # their keys make the first line, which readers look for in the first megabyte


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a request came to, once it is on the disk."""

    taken: Taken
    duplicate: bool


@dataclass(slots=True, eq=False)
class Request:
    """A checked body that waits to be written."""

    key: str | None
    checked: Checked
    done: Future[Receipt] = field(default_factory=Future)

    @property
    def taken(self) -> Taken:
        """What it comes to."""
        return Taken(self.checked.accepted, self.checked.refused)


class ShuttingDown(Exception):
    """The server is ending and takes nothing more."""


class NotWritten(OSError):
    """What went wrong while a group was written, and was not the disk's doing."""


class Committer:
    """The one thread that writes what requests bring."""

    def __init__(self, root: str, keys: Keys, committed: Callable[[Checked], None]) -> None:
        """`committed` is told of each body that is on the disk, before its request is answered."""
        self._root = root
        self._keys = keys
        self._tell = committed
        self._waiting: deque[Request] = deque()
        self._wake = threading.Condition()
        self._ending = False
        self.last: float | None = None
        """When the last segment was on the disk, in epoch seconds."""
        self.failed: dict[str, int] = {}
        """Events whose requests were told to come again, by reason."""
        self._thread = threading.Thread(target=self._run, name="watchglass-commit", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[Receipt]:
        """Hand a body over; the future is done once it is on the disk, or failed with `OSError`. Raises `ShuttingDown`."""
        with self._wake:
            if self._ending:
                message = "the server is ending"
                raise ShuttingDown(message)
            self._waiting.append(request)
            self._wake.notify()
        return request.done

    def close(self) -> None:
        """Write what waits, and end."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next():
            self._take(group)

    def _next(self) -> list[Request]:
        """Wait for requests, and give all that wait, up to a size; empty at the end."""
        with self._wake:
            while not self._waiting and not self._ending:
                self._wake.wait()
            group: list[Request] = []
            size = 0
            while self._waiting and size < _GROUP and len(group) < _REQUESTS:
                request = self._waiting.popleft()
                size += request.checked.size
                group.append(request)
            return group

    def _take(self, group: Sequence[Request]) -> None:
        pending = [request for request in group if request.done.set_running_or_notify_cancel()]
        try:
            self._write(pending)
        except Exception as error:  # noqa: BLE001 - were this thread to die, every request would wait for ever
            for request in pending:
                if not request.done.done():
                    self._count(error, request)
                    request.done.set_exception(error if isinstance(error, OSError) else NotWritten(repr(error)))

    def _count(self, error: Exception, request: Request) -> None:
        why = reason(error)
        self.failed[why] = self.failed.get(why, 0) + request.checked.accepted

    def _write(self, group: Sequence[Request]) -> None:
        """Write a group; of two requests with one key the second is told what the first came to."""
        wanted = list(dict.fromkeys(request.key for request in group if request.key is not None))
        known = self._keys.find(wanted) if wanted else {}
        fresh: list[Request] = []
        repeated: list[tuple[Request, Taken]] = []
        for request in group:
            taken = None if request.key is None else known.get(request.key)
            if taken is not None:
                repeated.append((request, taken))
                continue
            if request.key is not None:
                known[request.key] = request.taken
            fresh.append(request)
        self._segments(fresh)
        for request in fresh:
            self._tell(request.checked)
            request.done.set_result(Receipt(request.taken, duplicate=False))
        for request, taken in repeated:
            request.done.set_result(Receipt(taken, duplicate=True))

    def _segments(self, fresh: Sequence[Request]) -> None:
        rows = [request for request in fresh if request.checked.rows]
        graph = [request for request in fresh if request.checked.graph]
        self._segment("graph", [part for request in graph for part in request.checked.graph], _keyed(graph, last=True))
        self._segment("rows", [part for request in rows for part in request.checked.rows], _keyed(rows))

    def _segment(self, log: str, parts: Sequence[bytes], keys: Sequence[tuple[str, Taken]]) -> None:
        if not parts:
            return
        folder = prepare(self._root, log)
        name = new_file(log)
        publish(folder, name, [header(keys), *parts])
        self._keys.committed(keys, name, log)
        self.last = time.time()


def _keyed(requests: Sequence[Request], *, last: bool = False) -> list[tuple[str, Taken]]:
    """Give the keys of requests; with `last`, only of those that go into no later segment."""
    return [(r.key, r.taken) for r in requests if r.key is not None and not (last and r.checked.rows)]


def publish(folder: str, name: str, parts: Sequence[bytes]) -> None:
    """Bring a file to the disk whole: written aside, synced, renamed, its folder synced; raises `OSError`, leaving nothing."""
    aside = f"{folder}/{name}.tmp"
    try:
        with open(aside, "xb", buffering=0) as file:  # noqa: PTH123 - text paths here
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[file.write(view) :]
            os.fsync(file.fileno())
        os.rename(aside, f"{folder}/{name}")  # noqa: PTH104 - text paths here
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)  # noqa: PTH108 - text paths here
        raise
    sync_folder(folder)
