"""A record ↔ JSON: every field by its name, times in ISO 8601 with offset, exact both ways."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
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
    """Give a record of any kind as plain JSON values for others to read: NaN and infinities become null."""
    if is_dataclass(record) and not isinstance(record, type):
        return {
            item.name: plain(getattr(record, item.name)) for item in fields(record) if not item.name.startswith("_")
        }
    if isinstance(record, dict):
        return {str(key): plain(item) for key, item in record.items()}
    if isinstance(record, list | tuple):
        return [plain(item) for item in record]
    if isinstance(record, float) and not math.isfinite(record):
        return None
    if isinstance(record, date | timedelta):
        return record.isoformat() if isinstance(record, date) else str(record)
    return cast("Json", record)
