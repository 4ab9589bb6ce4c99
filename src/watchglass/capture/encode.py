"""An event of any Python values → one line of JSON, the same to a reader whether orjson is installed or not.

What JSON lacks is written by what it can do, never refused: NaN and infinity as null, times as ISO 8601,
a library's scalars and arrays as Python's, sets as sorted lists, anything else as its text.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date, datetime, time
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment,unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watchglass.records import Json

DEEPEST: Final = 100
MOST_CONTAINERS: Final = 100_000
_WRITABLE_BITS: Final = 14_000  # Python refuses to write more than 4,300 digits
_INFINITE: Final = float("inf")
_CONTAINERS: Final = (dict, list, tuple, set, frozenset)


def line(event: Mapping[str, object]) -> bytes:
    """Encode an event, the line end included."""
    if orjson is not None:
        try:
            return orjson.dumps(event, plain, _OPTIONS)
        except TypeError:  # a key that is no text, half a surrogate pair, an integer beyond 64 bits, too deep
            event = cast("Mapping[str, object]", plain(event))
    return _portable(event)


def _portable(event: Mapping[str, object]) -> bytes:
    """Encode with the standard library alone."""
    with suppress(Exception):  # what JSON lacks, or a value's own methods, which may raise anything
        data = (_encode(event) + "\n").encode()
        if data.count(b"[") + data.count(b"{") <= DEEPEST:  # how deep the library itself goes differs by its version
            return data
    return (_encode(plain(event)) + "\n").encode()


def canonical(value: object) -> str:
    """Write a value as JSON with sorted keys and no blanks, as a preview shows it.

    >>> canonical({"b": (1, float("nan")), "a": {2}})
    '{"a":[2],"b":[1,null]}'
    """
    return _encode_sorted(plain(value))


class _Walk:
    """The containers around a value and how many more may be looked at: what holds itself, in whatever way, ends."""

    __slots__ = ("around", "left")

    def __init__(self) -> None:
        self.around: list[int] = []
        self.left = MOST_CONTAINERS


def plain(value: object, walk: _Walk | None = None) -> Json:
    """Turn any value into what JSON has; nothing that a value does is raised.

    >>> from pathlib import Path
    >>> plain({1: Path("a"), "t": date(2026, 3, 1), "x": float("inf")})
    {'1': 'a', 't': '2026-03-01', 'x': None}
    """
    kind = type(value)
    if kind is str:
        return _whole(cast("str", value))
    if value is None or kind is bool:
        return cast("Json", value)
    if kind is int:
        return cast("int", value) if cast("int", value).bit_length() < _WRITABLE_BITS else hex(cast("int", value))
    if kind is float:
        return cast("float", value) if -_INFINITE < cast("float", value) < _INFINITE else None
    return _entered(value, walk or _Walk())


def _entered(value: object, walk: _Walk) -> Json:
    """Turn what holds other values, or is none of Python's own."""
    walk.left -= 1
    if len(walk.around) > DEEPEST or walk.left < 0 or id(value) in walk.around:
        return _text(value)
    walk.around.append(id(value))
    try:
        if type(value) is dict:
            return {_key(key): plain(entry, walk) for key, entry in cast("dict[object, object]", value).items()}
        if type(value) is list or type(value) is tuple:
            return [plain(entry, walk) for entry in cast("list[object]", value)]
        return _converted(value, walk)
    except Exception:  # noqa: BLE001 - others' methods, called in the host's process, may raise anything
        return _text(value)
    finally:
        walk.around.pop()


def _converted(value: object, walk: _Walk) -> Json:
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return plain(convert(value), walk)
    return _duck(value, walk)


def _duck(value: object, walk: _Walk) -> Json:
    """Turn another library's value into Python's by what it can do; its library is never imported."""
    name = type(value).__name__
    if name in ("NaTType", "NAType"):
        return None
    if name in ("datetime64", "timedelta64"):
        text = str(value)
        return None if text == "NaT" else text
    found = _pythonic(value, name)
    return _text(value) if found is value else plain(found, walk)


def _pythonic(value: object, name: str) -> object:
    """Give a number, a list or a dict for a value; the value itself when it is none of them."""
    if name in ("Decimal", "Fraction"):
        return float(cast("float", value))
    if isinstance(value, type):
        return value
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return {field: getattr(value, field, None) for field in fields}
    for method, wanted in (("item", ()), ("tolist", None), ("to_list", None)):
        convert = getattr(value, method, None)
        if callable(convert) and (wanted is None or getattr(value, "shape", None) == wanted):
            return convert()
    return value


def shown(value: object) -> str:
    """Write a value for a message, as Python shows it; nothing that it does is raised."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - the value's own __repr__ may raise anything
        return f"<{type(value).__name__} without text>"


def _key(key: object) -> str:
    """Write a key as JSON writes it: true, null and 1 are text there."""
    if type(key) is str:
        return _whole(key)
    found = plain(key)
    return found if isinstance(found, str) else _encode_sorted(found)


def _whole(text: str) -> str:
    """Mend halves of surrogate pairs, which UTF-8 has no bytes for."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _text(value: object) -> str:
    try:
        if isinstance(value, _CONTAINERS):  # their text may be longer than any memory, when they hold one another
            return f"<{type(value).__name__} of {len(value)}, too deep or too large>"
        return _whole(str(value) if not isinstance(value, (bytes, bytearray)) else repr(value))
    except Exception:  # noqa: BLE001 - the value's own __str__ may raise anything
        return f"<{type(value).__name__} without text>"


def _sorted(values: object) -> list[Json]:
    return sorted((plain(value) for value in cast("Iterable[object]", values)), key=_encode_sorted)


_CONVERSIONS: Final[tuple[tuple[type | tuple[type, ...], Callable[..., object]], ...]] = (
    (Enum, lambda value: value.value),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (dict, dict),
    ((list, tuple), list),
    ((set, frozenset), _sorted),
    (datetime, lambda value: value.isoformat() if value == value else None),  # noqa: PLR0124 - NaT equals nothing
    ((date, time), lambda value: value.isoformat()),
)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain).encode
_encode_sorted = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_OPTIONS: Final = (
    0
    if orjson is None
    else orjson.OPT_APPEND_NEWLINE
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
