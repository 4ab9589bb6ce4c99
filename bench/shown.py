"""A figure → as it is shown: a count as it is, anything else with three significant digits."""

from __future__ import annotations

from math import floor, isfinite, log10


def number(value: float) -> str:
    """Write a figure.

    >>> number(3749902), number(62498.4), number(0.04567), number(3.0), number(0), number(1499.6), number(9.996)
    ('3,749,902', '62,500', '0.0457', '3', '0', '1,500', '10')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if not isfinite(value) or value == 0:
        return "0" if value == 0 else str(value)
    digits = 2 - floor(log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.{max(digits, 0)}f}".rstrip("0")
