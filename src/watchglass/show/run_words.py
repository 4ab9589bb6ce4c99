"""Lengths of time, sizes, ids, versions and recorded values → the words that pages about runs print."""

from __future__ import annotations

import json
import math
from typing import Final

from watchglass.show import words

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_LONG: Final = 2.0
_HEAD, _TAIL = 8, 4
_KILO: Final = 1000.0
_SIZES: Final = ("kB", "MB", "GB", "TB")
LOOKS: Final = {
    "ok": ("ok", "Ended ok"),
    "error": ("bad", "Failed"),
    "crashed": ("bad", "Crashed"),
    "running": ("learn", "Running"),
}
"""How a run's status looks and reads."""


def took(seconds: float | None) -> str:
    """Write how long something took, in the unit that suits; "–" for what is not over.

    >>> took(14.23), took(0.000157), took(600.0), took(9000.0), took(None)
    ('14.2 s', '157 µs', '10.0 min', '2.50 h', '–')
    """
    if seconds is None or math.isnan(seconds):
        return words.NONE
    size = abs(seconds)
    for limit, unit, name in (
        (1e-3, 1e-6, "µs"),
        (1.0, 1e-3, "ms"),
        (_LONG * _MINUTE, 1.0, "s"),
        (_LONG * _HOUR, _MINUTE, "min"),
        (_LONG * _DAY, _HOUR, "h"),
    ):
        if size < limit:
            return f"{words.number(seconds / unit)} {name}" if seconds else "0 s"
    return f"{words.number(seconds / _DAY)} days"


def apart(seconds: float) -> str:
    """Write how far two times lie apart, roughly.

    >>> apart(0.2), apart(45), apart(100), apart(5_400), apart(400_000)
    ('less than 1 s', '45 s', '2 min', '90 min', '5 days')
    """
    for limit, unit, name in ((_LONG * _MINUTE, 1.0, "s"), (_LONG * _HOUR, _MINUTE, "min"), (_LONG * _DAY, _HOUR, "h")):
        if seconds < (limit if unit > 1 else 1.5 * _MINUTE):
            return f"{words.count(seconds / unit)} {name}" if seconds >= 1 else "less than 1 s"
    return f"{words.count(seconds / _DAY)} days"


def size(count: float | None) -> str:
    """Write a number of bytes, by thousands.

    >>> size(648_210), size(210), size(None)
    ('648 kB', '210 B', '–')
    """
    if count is None:
        return words.NONE
    if abs(count) < _KILO:
        return f"{words.count(count)} B"
    power = min(int(math.log10(abs(count)) // 3), len(_SIZES))
    return f"{words.number(count / _KILO**power)} {_SIZES[power - 1]}"


def short(ident: str) -> str:
    """Shorten an id: its first digits are the time, its last tell ids of one time apart.

    >>> short("01a2130f-6c32-73c8-9fd9-53da6a08c31c"), short("run-7")
    ('01a2130f…c31c', 'run-7')
    """
    return ident if len(ident) <= _HEAD + _TAIL + 1 else f"{ident[:_HEAD]}…{ident[-_TAIL:]}"


def named(name: str, version: str | None, width: int = 40) -> str:
    """Write an artifact's name with the first digits of its version; the name alone where none is known.

    >>> named("raw_images", "976f947851bd20df"), named("raw_images", None)
    ('raw_images@976f9478', 'raw_images')
    """
    return words.cut(name, width) + (f"@{version[:_HEAD]}" if version else "")


def component(name: str, version: str | None, width: int = 48) -> str:
    """Write a component with the version that ran.

    >>> component("clean", "2"), component("clean", None)
    ('clean, version 2', 'clean')
    """
    return words.cut(name, width) + (f", version {words.cut(version, 16)}" if version else "")


def value(found: object, width: int = 80) -> str:
    """Write a recorded value of any kind; "–" where there is none.

    >>> value("site"), value([1, 2]), value(0.25), value(None), value(True)
    ('"site"', '[1, 2]', '0.25', '–', 'true')
    """
    return words.NONE if found is None else words.cut(json.dumps(found, ensure_ascii=False, default=str), width)


def listed(names: list[str], most: int = 3) -> str:
    """Write names in a row, those beyond the first few as a number.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    shown = names[:most]
    if len(names) > most:
        return f"{', '.join(shown)} and {words.count(len(names) - most)} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
