"""A process that has loaded what it needs → as many forked workers as asked for, each replaced when it dies.

Forking after everything is loaded makes a new worker in milliseconds, where a new process needs seconds to import
scikit-learn. A worker learns of its parent's end, however that comes, by the end of a pipe.
"""

from __future__ import annotations

import os
import select
import signal
import time
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_LOOKS_EVERY: Final = 0.02
_STOPS_WITHIN: Final = 10.0


def supervise(count: int, *, until: int | None) -> int | None:
    """Keep `count` workers alive; this returns in each of them, with a descriptor that ends when it should stop.

    It returns in the calling process too, with None, when all workers are gone: after SIGTERM or SIGINT, or after
    the descriptor `until` ended.
    """
    told: list[int] = []
    for number in _SIGNALS:
        signal.signal(number, lambda got, _frame: told.append(got))
    ends, held = os.pipe()
    workers: set[int] = set()
    while not told and not _ended(until):
        workers -= _gone(workers)
        while len(workers) < count:
            worker = os.fork()
            if worker == 0:
                os.close(held)
                for number in _SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
                return ends
            workers.add(worker)
        time.sleep(_LOOKS_EVERY)
    os.close(held)
    _wait(workers)
    os.close(ends)
    return None


def _ended(descriptor: int | None) -> bool:
    if descriptor is None:
        return False
    ready = select.select([descriptor], [], [], 0)[0]
    return bool(ready) and not os.read(descriptor, 4096)


def _gone(workers: set[int]) -> set[int]:
    """Give the workers that have died, taking leave of each."""
    return {worker for worker in workers if os.waitpid(worker, os.WNOHANG)[0] == worker}


def _wait(workers: set[int]) -> None:
    """Wait until the workers have ended; those that take too long are killed."""
    late = time.monotonic() + _STOPS_WITHIN
    while workers and time.monotonic() < late:
        workers -= _gone(workers)
        time.sleep(_LOOKS_EVERY)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
