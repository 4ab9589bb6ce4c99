"""What could not be recorded → counts by reason and a warning at most once a minute; the caller's work goes on.

A reason is an errno's name (ENOSPC), what failed (encode, fingerprint), a setting that was reached (log_bytes,
free_bytes) or "too large". "sync …" counts syncs that failed, not rows: what was written may not outlive a power cut.

Other processes see the counts in two places. Both are cumulative, so of one writer the largest count of a reason holds:

- `log/drops/<host>-<pid>-<hex>.json`, one for each recording process: exactly 4,096 bytes, written over in place
  within a second or so of a loss. It is one JSON object, `{"writer": "<host>:<pid>:<hex>", "reasons": {"<reason>":
  <count>}, "time": <µs since the epoch, UTC>}`, then blanks and a line end. The most frequent reasons are named when
  there are too many for the page, the others summed under "other". A reader that meets half a change (the text is no
  JSON) reads again. The writer holds a shared lock (flock) on the file while it lives. When it ends well without a
  loss it removes the file; whoever has the exclusive lock may take the counts in and remove it.
- an event of kind "drops" in the graph log with the same keys, at most every ten seconds and when the log is closed.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from watchglass.errors import Blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
WARN_EVERY: Final = 60.0
PAGE: Final = 4096
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
    import logging  # noqa: PLC0415 - 4 ms, and only when something is wrong

    logging.getLogger("watchglass").warning(text)


def page(writer: str, counts: Mapping[str, int], moment: int) -> bytes:
    """Write the file of one process's losses, always as long.

    >>> page("host:1:ab", {"ENOSPC": 3}, 5).rstrip()
    b'{"writer": "host:1:ab", "reasons": {"ENOSPC": 3}, "time": 5}'
    """
    reasons = dict(sorted(counts.items(), key=lambda entry: -entry[1]))
    while True:
        data = json.dumps({"writer": writer, "reasons": reasons, "time": moment}).encode()
        if len(data) < PAGE or not reasons:
            return data[: PAGE - 1].ljust(PAGE - 1) + b"\n"
        rest = reasons.pop("other", 0)
        _, rows = reasons.popitem()
        reasons["other"] = rest + rows


def shielded(why: str, text: str, verb: Callable[[], T], otherwise: T) -> T:
    """Call what may fail inside the caller's process; a failure is counted under `why` and gives `otherwise`.

    Raises `Blocked` alone: who wanted to be stopped is.
    """
    try:
        return verb()
    except Blocked:
        raise
    except Exception as error:  # noqa: BLE001 - the one blind place: the host's work goes on
        count(why, f"{text}: {type(error).__name__}: {error}")
        return otherwise


def renew_lock() -> None:
    """Make another lock: a thread that is no more may have held it."""
    global _lock  # noqa: PLW0603 - the process's own
    _lock = threading.RLock()


def _in_child() -> None:
    """Start afresh after a fork: the parent's losses are the parent's."""
    renew_lock()
    _counts.clear()
    _warned.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
