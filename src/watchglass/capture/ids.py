"""The clock and the system's randomness → identifiers that sort by time (UUID version 7, RFC 9562).

In each millisecond the first has 73 random bits; the others of that millisecond and process count on from it.
"""

from __future__ import annotations

import os
import threading
from itertools import count
from time import time_ns
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_FIRST: Final = (1 << 47) - 1
"""Of 48 bits that are counted on the highest is room to count."""
_VARIANTS: Final = "89ab"
_NOISE_BYTES: Final = 10
_random: Final[list[bytes]] = []
_lock = threading.RLock()  # re-entrant: a signal handler may record while this thread holds it
_now: tuple[int, str, Callable[[], int]] = (0, "", int)
"""The millisecond, how its identifiers begin, and what counts them."""


def new_id() -> str:
    """Make an identifier in the usual form, always above the one before in this thread.

    >>> first, second = new_id(), new_id()
    >>> first < second, first[14], len(first)
    (True, '7', 36)
    """
    millisecond, start, following = _now
    if time_ns() // 1_000_000 > millisecond:
        start, following = _advanced()
    return f"{start}{following():012x}"


def _advanced() -> tuple[str, Callable[[], int]]:
    global _now  # noqa: PLW0603 - the order holds for the process
    with _lock:
        millisecond = time_ns() // 1_000_000
        if millisecond > _now[0]:
            noise = _noise()
            first = int.from_bytes(noise[4:]) & _LARGEST_FIRST
            digits, random = f"{millisecond:012x}", noise.hex()
            start = f"{digits[:8]}-{digits[8:]}-7{random[:3]}-{_VARIANTS[noise[3] & 3]}{random[3:6]}-"
            _now = (millisecond, start, count(first).__next__)
        return _now[1], _now[2]


def _noise() -> bytes:
    """Take ten random bytes, none of them twice; the system is asked for many at a time, which a call after a pause would feel."""
    try:
        return _random.pop()
    except IndexError:
        found = os.urandom(_NOISE_BYTES * 256)
        _random.extend(found[start : start + _NOISE_BYTES] for start in range(0, len(found), _NOISE_BYTES))
        return os.urandom(_NOISE_BYTES)


def new_hex() -> str:
    """Make an identifier of 32 hexadecimal digits."""
    return new_id().replace("-", "")


def renew_lock() -> None:
    """Make another lock: a thread that is no more may have held it."""
    global _lock  # noqa: PLW0603 - the process's own
    _lock = threading.RLock()


def _in_child() -> None:
    """Start afresh after a fork: another lock, other randomness, and no counting on from the parent's last identifier."""
    global _now  # noqa: PLW0603 - the child's own
    renew_lock()
    _now = (0, "", int)
    _random.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
