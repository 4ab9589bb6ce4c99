"""A row segment's bytes → the lines that can be taken, whole and in plain JSON, and the rejects with their reason and raw text.

This is the careful way: one line at a time, in Python. It is gone when DuckDB's own parser took a segment as it is.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.capture.encode import line as encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KINDS: Final = ("prediction", "label", "metric", "log")
HEADER: Final = "batch"
"""The kind of a first line that says which requests a server's segment holds; it is no row."""
LONGEST: Final = 32 << 20
RAW_KEPT: Final = 100_000
FIRST: Final = -62_135_596_800_000_000  # µs: year 1
LAST: Final = 253_402_300_799_999_999  # µs: year 9999
AHEAD: Final = 86_400_000_000  # µs: a time further ahead than a day is a broken clock's
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "prediction": ("model", "id"),
    "label": ("model", "id"),
    "metric": ("name",),
    "log": ("message",),
}
_OBJECTS: Final = ("features", "tags", "labels")
_NUMBERS: Final[Mapping[str, type]] = {"latency": float, "value": float, "step": int, "weight": int}
_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line, or values of a column, that could not be taken."""

    segment: str
    line: int | None
    reason: str
    raw: str | None
    rows: int = 1


@contextmanager
def in_memory(data: bytes) -> Iterator[str]:
    """Give lines a path that DuckDB can read, without a file."""
    handle = os.memfd_create("watchglass-lines")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def latest_time(now: float | None = None) -> int:
    """Give the last time, in µs, that a row may carry: a day ahead of this machine's clock."""
    return min(LAST, int((time.time() if now is None else now) * 1e6) + AHEAD)


def sift(segment: str, data: bytes, latest: int) -> tuple[bytes, list[Rejected]]:
    """Part the lines that can be read from those that cannot; what is good is written anew as plain JSON."""
    good, bad = [], []
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        event, reason = _read(raw, latest)
        if event is None:
            if reason is not None:
                bad.append(Rejected(segment, number, reason, _shown(raw)))
            continue
        misfits = [name for name, fits in _NUMBERS.items() if not _is_number(event.get(name), fits)]
        bad += [
            Rejected(segment, number, f"{name} cannot be {event[name]!r:.80}: kept as NULL", _shown(raw))
            for name in misfits
        ]
        good.append(encoded({name: value for name, value in event.items() if name not in misfits}))
    return b"".join(good), bad


def _shown(raw: bytes) -> str:
    return raw[:RAW_KEPT].decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _is_number(value: object, kind: type) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return kind is float or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _read(raw: bytes, latest: int) -> tuple[dict[str, object] | None, str | None]:
    """Read a line: the event, or why it is none; a header is neither."""
    if len(raw) > LONGEST:
        return None, f"a line of {len(raw)} bytes: up to {LONGEST} would do"
    try:
        event = json.loads(raw.decode("utf-8"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {type(error).__name__}: {error}"[:500]
    if not isinstance(event, dict):
        return None, f"not an object but {type(event).__name__}"
    if event.get("kind") == HEADER:
        return None, None
    reason = _fault(event, latest)
    return (event, None) if reason is None else (None, reason)


def _fault(event: dict[str, object], latest: int) -> str | None:
    kind = event.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return f"unknown kind {kind!r:.80}; known: {', '.join(KINDS)}"
    for check in (_fault_of_names, _fault_of_time, _fault_of_shape):
        reason = check(event, kind, latest)
        if reason is not None:
            return reason
    return None


def _fault_of_names(event: dict[str, object], kind: str, latest: int) -> str | None:
    del latest
    for name in _TEXTS[kind]:
        if not isinstance(event.get(name), str):
            return f"{name} of a {kind} must be a text, not {event.get(name)!r:.80}"
    return None


def _fault_of_time(event: dict[str, object], kind: str, latest: int) -> str | None:
    del kind
    moment = event.get("time")
    if type(moment) is not int:
        return f"time must be whole microseconds since the epoch, not {moment!r:.80}"
    if not FIRST <= moment <= LAST:
        return f"time {moment} lies outside the years 1 to 9999"
    if moment > latest:
        return f"time {moment} is more than a day ahead of this machine's clock"
    return None


def _fault_of_shape(event: dict[str, object], kind: str, latest: int) -> str | None:
    del kind, latest
    for name in _OBJECTS:
        value = event.get(name)
        if value is not None and not isinstance(value, dict):
            return f"{name} must be an object, not {value!r:.80}"
    if _depth_beyond(event, _DEEPEST):
        return f"nested more than {_DEEPEST} deep"
    return None


def _depth_beyond(value: object, deepest: int) -> bool:
    """Say whether a value is nested deeper than so many levels, without recursion."""
    level: list[object] = [value]
    for _ in range(deepest):
        level = [
            part
            for item in level
            if isinstance(item, (dict, list))
            for part in (item.values() if isinstance(item, dict) else item)
            if isinstance(part, (dict, list))
        ]
        if not level:
            return False
    return True


def each_line(data: bytes, take: Callable[[dict[str, object]], None]) -> None:
    """Hand over what can be read as an object, in order; for looking at a sample of a segment."""
    for raw in data.split(b"\n"):
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            take(event)
