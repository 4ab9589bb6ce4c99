"""Numbers, intervals, times and slices → the words that pages, charts and commands print."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from watchglass.explain import wording

if TYPE_CHECKING:
    from watchglass.records import Estimate, Slice

NONE = "–"
NBSP = "\u00a0"
MINUS = "−"
_DIGITS = 3
_SMALL, _LARGE = 1e-4, 1e9
_HOURS_A_DAY = 24
_HALF = 0.5


def _signs(text: str) -> str:
    return text.replace("-", MINUS).replace(",", NBSP)


def number(value: float | None) -> str:
    """Write three significant digits, thousands apart by a no-break space; "–" for none.

    >>> number(0.9041), number(0.96), number(4.575), number(float("nan"))
    ('0.904', '0.960', '4.58', '–')
    >>> number(184321).replace(NBSP, " "), number(-0.0123), number(0.0)
    ('184 000', '−0.0123', '0')
    """
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value == 0:
        return "0"
    if not _SMALL <= abs(value) < _LARGE:
        return _signs(f"{value:.2e}")
    rounded = float(f"{value:.{_DIGITS - 1}e}")
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(abs(rounded))))
    return _signs(f"{rounded:,.{decimals}f}")


def count(value: float | None) -> str:
    """Write a whole number in full.

    >>> count(18432).replace(NBSP, " "), count(None)
    ('18 432', '–')
    """
    return NONE if value is None or math.isnan(value) else _signs(f"{round(value):,}")


def counted(value: float, noun: str, plural: str | None = None) -> str:
    """Write a whole number and its noun.

    >>> counted(1, "day"), counted(2, "day")
    ('1 day', '2 days')
    """
    return f"{count(value)} {noun if round(value) == 1 else plural or noun + 's'}"


def percent(share: float | None) -> str:
    """Write a share as per cent.

    >>> percent(0.3012).replace(NBSP, " "), percent(0.0439).replace(NBSP, " "), percent(None)
    ('30.1 %', '4.39 %', '–')
    """
    return NONE if share is None or math.isnan(share) else f"{number(share * 100)}{NBSP}%"


def signed(value: float | None, decimals: int = 2) -> str:
    """Write a change with its sign, in three significant digits and at most `decimals` decimals.

    >>> signed(1.8512), signed(-0.05), signed(25.7), signed(0.001)
    ('+1.85', '−0.05', '+25.7', '0.00')
    """
    if value is None or not math.isfinite(value):
        return number(value)
    if abs(value) >= 1:
        decimals = max(0, min(decimals, _DIGITS - 1 - math.floor(math.log10(abs(value)))))
    text = f"{value:+,.{decimals}f}"
    return _signs(text[1:] if float(text.replace(",", "")) == 0 else text)


def interval(estimate: Estimate | None) -> str:
    """Write the interval of an estimate in brackets; nothing when it has none.

    >>> from watchglass.records import Estimate
    >>> interval(Estimate(0.904, 0.898, 0.910, 1160)), interval(Estimate(-0.01, -0.02, 0.005, 900))
    ('[0.898–0.910]', '[−0.0200 to 0.00500]')
    """
    if estimate is None or math.isnan(estimate.low) or math.isnan(estimate.high):
        return ""
    between = "–" if estimate.low >= 0 else " to "
    return f"[{number(estimate.low)}{between}{number(estimate.high)}]"


def moment(when: datetime | None) -> str:
    """Write a time to the minute, in UTC.

    >>> moment(datetime(2026, 6, 12, 2, tzinfo=UTC))
    '2026-06-12 02:00Z'
    """
    return NONE if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def iso(when: datetime) -> str:
    """Write a time for a machine, with its offset.

    >>> iso(datetime(2026, 6, 12, 2, tzinfo=UTC))
    '2026-06-12T02:00:00+00:00'
    """
    return when.astimezone(UTC).isoformat()


def day(when: datetime | None) -> str:
    """Write the day of a time, in UTC.

    >>> day(datetime(2026, 6, 12, 2, tzinfo=UTC))
    '2026-06-12'
    """
    return NONE if when is None else f"{when.astimezone(UTC):%Y-%m-%d}"


def date(when: datetime | None, *, year: bool = False) -> str:
    """Write the day of a time as one says it.

    >>> date(datetime(2026, 6, 12, tzinfo=UTC)), date(datetime(1997, 5, 5, tzinfo=UTC), year=True)
    ('12 June', '5 May 1997')
    """
    if when is None:
        return NONE
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%B}" + (f" {utc.year}" if year else "")


def days_between(first: datetime, last: datetime) -> str:
    """Write two days as a range, naming the month once where it is the same.

    >>> days_between(datetime(2026, 6, 11, tzinfo=UTC), datetime(2026, 6, 13, tzinfo=UTC))
    '11 and 13 June'
    """
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} and {date(last)}"
    return f"{date(first, year=first.year != last.year)} and {date(last, year=first.year != last.year)}"


def length(time: timedelta) -> str:
    """Write a length of time in whole days, or hours below two days.

    >>> length(timedelta(days=8, hours=4)), length(timedelta(hours=15, minutes=50))
    ('8 days', '16 hours')
    """
    hours = time.total_seconds() / 3600
    return counted(hours, "hour") if hours < 2 * _HOURS_A_DAY else counted(hours // _HOURS_A_DAY, "day")


def lag(days: float | None) -> str:
    """Write a label lag.

    >>> lag(1.83), lag(0.25), lag(21.0), lag(None)
    ('1.8 d', '6.0 h', '21 d', '–')
    """
    if days is None or math.isnan(days):
        return NONE
    if days < _HALF:
        return f"{days * _HOURS_A_DAY:.1f}{NBSP}h".replace(NBSP, " ")
    return f"{days:.1f} d" if days < 10 else f"{days:.0f} d"  # noqa: PLR2004 - three digits at most


def cut(name: str, width: int = 28) -> str:
    """Shorten a long name in its middle; the ends tell names apart.

    >>> cut("customer_age_at_first_order_in_days", 20)
    'customer_a…r_in_days'
    """
    if len(name) <= width:
        return name
    head = width // 2
    return f"{name[:head]}…{name[len(name) - (width - head - 1) :]}"


def slice_words(tags: Slice) -> str:
    """Write a slice as its tags.

    >>> slice_words((("channel", "post"), ("site", "harbour"))), slice_words(())
    ('channel = post, site = harbour', 'all rows')
    """
    return wording.tags(tags)


def times_alarm(evidence: float | None) -> str:
    """Write odds in units of the alarm level.

    >>> times_alarm(5.64), times_alarm(float("inf")), times_alarm(float("nan"))
    ('5.64 times the alarm level', 'far beyond the alarm level', 'evidence not kept')
    """
    if evidence is None or math.isnan(evidence):
        return "evidence not kept"
    if evidence >= 1e6:  # noqa: PLR2004 - past a million the digits tell nobody anything
        return "far beyond the alarm level"
    return f"{number(evidence)} times the alarm level"
