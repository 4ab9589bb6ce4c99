"""A time as people give it (datetime, ISO 8601 text, epoch seconds) → whole microseconds since the epoch, UTC."""

from __future__ import annotations

import time as clock
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from watchglass.capture.encode import shown
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from watchglass.records import Time

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_MILLISECONDS_FROM: Final = 100_000_000_000  # in seconds that is the year 5138, in milliseconds 1973
WOULD_DO: Final = "a datetime, ISO 8601 text such as '2026-03-01T12:00:00+00:00' or epoch seconds would do"


def now() -> int:
    """Read the clock."""
    return clock.time_ns() // 1000


def micros(value: Time | date, what: str = "time") -> int:
    """Turn a time into whole microseconds; no offset means UTC, a date alone means its midnight.

    `what` names the argument in the `BadInput` that anything else raises.

    >>> micros("1970-01-02"), micros(1.5), micros("1970-01-01T01:00+01:00")
    (86400000000, 1500000, 0)
    """
    if type(value) is float:
        return _of_seconds(value, what)
    if isinstance(value, datetime):
        return _of_datetime(value, what)
    if isinstance(value, str):
        return _of_text(value, what)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _of_seconds(value, what)
    if isinstance(value, date):
        return _of_datetime(datetime(value.year, value.month, value.day, tzinfo=UTC), what)
    return _of_scalar(value, what)


def _refused(value: object, what: str, hint: str = "") -> BadInput:
    return BadInput(f"{what} cannot be {shown(value)}{hint}: {WOULD_DO}")


def _of_datetime(value: datetime, what: str) -> int:
    if value != value:  # noqa: PLR0124 - pandas' NaT is a datetime that equals nothing
        raise _refused(value, what)
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (aware - EPOCH) // _MICROSECOND


def _of_text(value: str, what: str) -> int:
    try:
        return _of_datetime(datetime.fromisoformat(value.strip()), what)
    except ValueError:
        raise _refused(value, what) from None


def _of_seconds(value: float, what: str) -> int:
    try:
        exact = round(value * 1_000_000)
    except (OverflowError, ValueError):
        raise _refused(value, what) from None
    if not _FIRST <= exact <= _LAST or abs(value) >= _MILLISECONDS_FROM:
        raise _refused(value, what, " (it looks like milliseconds or nanoseconds; divide it)")
    return exact


def _of_scalar(value: object, what: str) -> int:
    """Take a library's own scalar (numpy's datetime64 or numbers) by what it can do, without its library."""
    convert, item = getattr(value, "astype", None), getattr(value, "item", None)
    try:
        if type(value).__name__ == "datetime64" and convert is not None:
            held = convert("datetime64[us]").item()
        else:
            held = item() if item is not None else None
    except (TypeError, ValueError, OverflowError):
        held = None
    if isinstance(held, (str, int, float, date)) and not isinstance(held, bool):
        return micros(held, what)
    raise _refused(value, what)
