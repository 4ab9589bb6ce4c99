"""A server's URL and its spool → a background thread of this process that ships what is sealed; nothing here waits for a network unless asked to."""

from __future__ import annotations

import os
import threading
import time
from typing import Final

from watchglass.capture import spool
from watchglass.capture.carrier import Carrier
from watchglass.capture.exchange import Line, address, credentials, get
from watchglass.capture.forking import whole

__all__ = ["Sender", "get"]

_LOOK_EVERY: Final = 0.02
_GRACE: Final = 0.2


class Sender:
    """Ships the segments of a spool, this process's and those that earlier ones left; deletes what the server has.

    Raises `BadInput` for a URL that leads nowhere and a token that no header can carry.
    """

    def __init__(self, url: str, spool: str) -> None:
        self.url = url.strip().rstrip("/")
        self._root = spool
        self._server = address(url)
        self._headers = credentials()
        self._carrier: Carrier | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()

    def start(self) -> None:
        """Ship in the background from now on; called again it does nothing."""
        if self._thread is None:
            with self._lock:
                self._begin()

    def _begin(self) -> None:
        if self._thread is not None:  # another thread came first
            return
        carrier = Carrier(self.url, self._root, Line(self._server, self._headers))
        thread = threading.Thread(target=carrier.run, name="watchglass-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # none starts while the interpreter ends: `close` does the work itself
            self._carrier = carrier
            return
        self._carrier, self._thread = carrier, thread

    def wake(self) -> None:
        """Say that a segment was sealed. Never waits; signal handlers and finalisers may call it."""
        carrier = self._carrier
        if carrier is not None:
            carrier.ring("sealed")

    def deliver(self, timeout: float) -> bool:
        """Wait until the server has every segment that this process wrote, all of them sealed, and what is kept here of artifacts; says whether it took them."""
        end = time.monotonic() + timeout
        names, kept = self._own(), self._kept()
        self.start()
        carrier = self._carrier
        if carrier is None:
            return not names and not kept
        refused = carrier.refusals
        carrier.ring("now")
        while self._still_here(names) or any(map(os.path.exists, kept)):
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_EVERY)
        return carrier.refusals == refused and not spool.refused(self._root, [name for _, name in names])

    def _own(self) -> list[tuple[spool.LogName, str]]:
        process = f"-{os.getpid()}"
        logs: tuple[spool.LogName, ...] = ("graph", "rows")
        return [
            (log, name)
            for log in logs
            for name in spool.waiting(self._root, log)
            if name.partition(".")[0].endswith(process)
        ]

    def _kept(self) -> list[str]:
        """List the bytes of artifacts that wait for the server."""
        if not os.path.isdir(f"{self._root}/artifacts"):  # noqa: PTH112 - text paths here
            return []
        with whole:
            from watchglass.capture.keeping_ship import waiting  # noqa: PLC0415 - only where something is kept
        return waiting(self._root)

    def _still_here(self, names: list[tuple[spool.LogName, str]]) -> bool:
        return any(os.path.exists(f"{self._root}/log/{log}/{name}") for log, name in names)  # noqa: PTH110 - text paths here

    def close(self, timeout: float) -> None:
        """Try for so many seconds to ship what is sealed, then end the thread; what is left waits for the next start."""
        with self._lock:
            thread, self._thread = self._thread, None
            carrier, self._carrier = self._carrier, None
        if carrier is None:
            return
        carrier.ending = True
        carrier.until = time.monotonic() + timeout
        carrier.ring("now")
        if thread is None:
            carrier.line.hurry(timeout)
            carrier.run()
            return
        thread.join(timeout)
        if thread.is_alive():
            carrier.line.hang_up()
            carrier.ring("now")
            thread.join(_GRACE)

    def after_fork_in_child(self) -> None:
        """Forget the parent's thread and connection; the next start begins others."""
        self._lock = threading.RLock()
        carrier, self._carrier = self._carrier, None
        self._thread = None
        if carrier is not None:
            carrier.line.after_fork_in_child()
