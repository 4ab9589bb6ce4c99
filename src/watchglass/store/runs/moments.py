"""A time, or a length before now such as 7d → whole microseconds since the epoch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from watchglass.capture.times import WOULD_DO, micros
from watchglass.errors import BadInput
from watchglass.store.models import microseconds, span

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from watchglass.records import Time

_LENGTH: Final = re.compile(r"\d{1,6}(\.\d{1,6})?[dhms]")


def microseconds_of(value: Time, what: str, now: datetime) -> int:
    """Turn a time into microseconds; raises `BadInput` that names the argument.

    >>> from datetime import UTC, datetime
    >>> microseconds_of("1d", "since", datetime(1970, 1, 3, tzinfo=UTC))
    86400000000
    """
    if isinstance(value, str) and _LENGTH.fullmatch(value):
        return microseconds(now - span(value))
    try:
        return micros(value, what)
    except BadInput as error:
        message = f"{str(error).replace(WOULD_DO, WOULD_DO.replace(' would do', ''))}, or a length before now such as '7d', '36h' or '90m' would do"
        raise BadInput(message) from None


def length_of(value: str | timedelta, what: str) -> timedelta:
    """Read a length of time; raises `BadInput`.

    >>> length_of("30d", "age").days
    30
    """
    if not isinstance(value, str):
        return value
    if not _LENGTH.fullmatch(value):
        message = f"{what} cannot be {value!r:.80}: a length such as '30d', '36h' or '90m' would do"
        raise BadInput(message)
    return span(value)
