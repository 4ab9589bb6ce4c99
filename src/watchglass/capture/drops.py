"""What could not be recorded → counts by reason and a warning at most once a minute; the caller's work goes on."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
WARN_EVERY: Final = 60.0
_counts: dict[str, int] = {}
_warned: dict[str, float] = {}
_lock = threading.RLock()


def dropped() -> dict[str, int]:
    """Count what this process could not record, by reason (an errno's name, or what failed)."""
    with _lock:
        return dict(_counts)


def reason(error: BaseException) -> str:
    """Name an error in a word: ENOSPC, EACCES, …, else its type.

    >>> reason(OSError(28, "No space left on device"))
    'ENOSPC'
    """
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, f"errno {error.errno}")
    return type(error).__name__


def count(why: str, text: str, rows: int = 1) -> None:
    """Count a loss and warn of it, at most once a minute for each reason."""
    with _lock:
        _counts[why] = _counts.get(why, 0) + rows
        total = _counts[why]
    warn(why, f"{text} ({why}, {total} so far in this process)")


def warn(subject: str, text: str) -> None:
    """Warn through the logger `watchglass`, at most once a minute for each subject."""
    moment = time.monotonic()
    with _lock:
        if moment - _warned.get(subject, -WARN_EVERY) < WARN_EVERY:
            return
        _warned[subject] = moment
    logging.getLogger("watchglass").warning(text)


def shielded(why: str, text: str, verb: Callable[[], T], otherwise: T) -> T:
    """Call what may fail inside the caller's process; a failure is counted under `why` and gives `otherwise`."""
    try:
        return verb()
    except Exception as error:  # noqa: BLE001 - the one blind place: the host's work goes on
        count(why, f"{text}: {type(error).__name__}: {error}")
        return otherwise


def _in_child() -> None:
    """Start afresh after a fork: the parent's losses are the parent's."""
    global _lock  # noqa: PLW0603 - a thread that is not here may have held it
    _lock = threading.RLock()
    _counts.clear()
    _warned.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
