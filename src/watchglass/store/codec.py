"""A record ↔ JSON: every field by its name, times in ISO 8601 with offset, exact both ways."""

from __future__ import annotations

import math
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, with_config

if TYPE_CHECKING:
    from collections.abc import Hashable

    from watchglass.records import Json

T = TypeVar("T")


@cache
def _made(kind: Hashable) -> TypeAdapter[object]:
    chosen = cast("type[object]", kind)
    if not hasattr(chosen, "__pydantic_config__"):
        chosen = with_config(ConfigDict(ser_json_inf_nan="strings"))(chosen)
    return TypeAdapter(chosen)


def _adapter(kind: type[object]) -> TypeAdapter[object]:
    return _made(cast("Hashable", kind))


def encode(record: object) -> str:
    """Write a record as JSON that `decode` reads back; NaN is kept as text."""
    return _adapter(type(record)).dump_json(record).decode()


def decode(kind: type[T], text: str) -> T:
    """Read a record of a known kind back."""
    return cast("T", _adapter(kind).validate_json(text))


def plain(record: object) -> Json:
    """Give a record as plain JSON values for others to read: NaN and infinities become null."""
    return _plain(_adapter(type(record)).dump_python(record))


def _plain(value: object) -> Json:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date | timedelta):
        return value.isoformat() if isinstance(value, date) else str(value)
    return cast("Json", value)
