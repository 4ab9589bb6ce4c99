"""A time as a client sends it (ISO 8601 text, epoch seconds, whole microseconds) → whole microseconds since the epoch, UTC.

One rule for numbers: below 10¹¹ in size they are epoch seconds, which may have a fraction; whole numbers from 10¹⁴ on are
microseconds, as the recorder writes them; what lies between is refused, for it may be milliseconds (it would be the
year 1973 in microseconds). A recorder's own lines may say `times=us`: then every number is microseconds.
"""

from __future__ import annotations

import time
from typing import Final

from watchglass.capture.times import micros
from watchglass.errors import BadInput

SECONDS_BELOW: Final = 100_000_000_000
MICROSECONDS_FROM: Final = 100_000_000_000_000
_AHEAD: Final = 86_400_000_000  # a time further ahead than a day is a broken clock's
_FIRST: Final = -(1 << 53)  # the year 1684: whole microseconds are exact in a double from there on
_LAST: Final = micros("9999-12-31T23:59:59.999999")


def latest() -> int:
    """Give the last time that an event may carry: a day ahead of this machine's clock."""
    return min(_LAST, time.time_ns() // 1000 + _AHEAD)


def moment(value: object, name: str, newest: int, *, exact: bool = False) -> int:
    """Turn a time into whole microseconds; raises `BadInput` with what would do.

    >>> moment("2026-03-01", "time", latest()), moment(1.5, "time", latest()), moment(1772323200000000, "time", latest())
    (1772323200000000, 1500000, 1772323200000000)
    >>> moment(1772323200000, "time", latest())
    Traceback (most recent call last):
    watchglass.errors.BadInput: time cannot be 1772323200000: it may be milliseconds; epoch seconds (divide by 1000), ISO 8601 text or whole microseconds would do
    """
    found = _numbered(value, name, exact=exact) if type(value) in (int, float) else _told(value, name)
    if not _FIRST <= found <= newest:
        where = "more than a day ahead of the server's clock" if found > newest else "before the year 1685"
        message = f"{name} cannot be {value!r}: that is {where}"
        raise BadInput(message)
    return found


def _numbered(value: object, name: str, *, exact: bool) -> int:
    if type(value) is float and not value.is_integer() and abs(value) < SECONDS_BELOW and not exact:
        return micros(value, name)
    if isinstance(value, (int, float)) and value == value and abs(value) != float("inf") and int(value) == value:  # noqa: PLR0124 - NaN equals nothing
        if exact or abs(value) >= MICROSECONDS_FROM:
            return int(value)
        if abs(value) < SECONDS_BELOW:
            return int(value) * 1_000_000
    message = f"{name} cannot be {value!r}: " + (
        "whole microseconds since the epoch would do"
        if exact
        else "it may be milliseconds; epoch seconds (divide by 1000), ISO 8601 text or whole microseconds would do"
    )
    raise BadInput(message)


def _told(value: object, name: str) -> int:
    if not isinstance(value, str):
        message = f"{name} cannot be {value!r:.80}: ISO 8601 text, epoch seconds or whole microseconds would do"
        raise BadInput(message)
    try:
        number = float(value)
    except ValueError:
        return micros(value[:100], name)
    return _numbered(int(value) if value.strip().lstrip("+-").isdecimal() else number, name, exact=False)
