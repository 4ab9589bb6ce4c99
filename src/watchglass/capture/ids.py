"""The clock and the system's randomness → identifiers that sort by time (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
from typing import Final

_RANDOM_BITS: Final = 74
_STEP_BITS: Final = 32
_lock = threading.RLock()  # re-entrant: a signal handler may record while this thread holds it
_last = 0


def _next() -> int:
    """Give 48 bits of milliseconds and 74 of randomness, always above the one before in this process."""
    global _last  # noqa: PLW0603 - the order holds for the process
    noise = int.from_bytes(os.urandom(9), "big")  # 72 bits: the headroom above keeps steps inside the millisecond
    with _lock:
        fresh = (time.time_ns() // 1_000_000 << _RANDOM_BITS) | noise
        _last = fresh if fresh > _last else _last + 1 + (noise >> (72 - _STEP_BITS))
        return _last


def new_id() -> str:
    """Make an identifier in the usual form.

    >>> first, second = new_id(), new_id()
    >>> first < second, first[14], len(first)
    (True, '7', 36)
    """
    value = _next()
    milliseconds = value >> _RANDOM_BITS
    last = f"{0x8000 | (value >> 48 & 0x3FFF):04x}-{value & 0xFFFF_FFFF_FFFF:012x}"
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7{value >> 62 & 0xFFF:03x}-{last}"


def new_hex() -> str:
    """Make an identifier of 32 hexadecimal digits."""
    return new_id().replace("-", "")


def _in_child() -> None:
    """Start afresh after a fork: another lock, and no counting on from the parent's last identifier."""
    global _lock, _last  # noqa: PLW0603 - the child's own
    _lock = threading.RLock()
    _last = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
