"""A row segment's bytes → the lines that can be taken, whole and in plain JSON, and the rejects with their reason and raw text.

This is the careful way: one line at a time, in Python. It is gone when DuckDB's own parser took a segment as it is.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from watchglass.capture.encode import line as encoded

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator, Mapping, Sequence

KINDS: Final = ("prediction", "label", "feedback", "metric", "log")
HEADER: Final = "batch"
"""The kind of a first line that says which requests a server's segment holds; it is no row."""
REFUSED: Final = "rejected"
"""The kind of a line that a server wrote in the place of one it refused."""
EXACT_UNTIL: Final = 1 << 53
LONGEST: Final = 32 << 20
RAW_KEPT: Final = 100_000
FIRST: Final = -62_135_596_800_000_000  # µs: year 1
LAST: Final = 253_402_300_799_999_999  # µs: year 9999
AHEAD: Final = 86_400_000_000  # µs: a time further ahead than a day is a broken clock's
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "prediction": ("model", "id"),
    "label": ("model", "id"),
    "feedback": ("model", "id", "event"),
    "metric": ("name",),
    "log": ("message",),
}
_OBJECTS: Final = ("features", "tags", "labels")
_NUMBERS: Final = ("latency", "value", "step", "weight")
_WHOLE: Final = ("step", "weight")
_DIGITS: Final = 4000  # Python reads no longer integers
_BOM: Final = b"\xef\xbb\xbf"
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]|[^"\[\]{}]+', re.DOTALL)
_DEEP: Final = 100
_HALF: Final = re.compile(rb"\xed[\xa0-\xbf]")  # half of a surrogate pair, in bytes that are no UTF-8


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line, or values of a column, that could not be taken; `role` and `name` are the column's, `model` where it is known."""

    segment: str
    line: int | None
    reason: str
    raw: str | None
    rows: int = 1
    model: str | None = None
    role: str | None = None
    name: str | None = None


def misfit(role: str, name: str, model: str, kind: str) -> str:
    """Write the reason of a value that is not of its column's type."""
    return f"{role} {name!r} of model {model!r}: value is not a {kind}, kept as NULL"


def each_told(lost: Rejected, raws: Sequence[str]) -> list[Rejected]:
    """Tell values one by one as far as their lines are at hand, the rest together."""
    found = [replace(lost, raw=raw[:RAW_KEPT], rows=1) for raw in raws]
    rest = lost.rows - len(found)
    return [*found, replace(lost, rows=rest)] if rest else found


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


def sift(segment: str, data: bytes, latest: int) -> tuple[list[bytes], list[Rejected]]:
    """Part the lines that can be taken from those that cannot.

    A good line stays as it is, so that it means what it would mean to DuckDB alone; only one that DuckDB would refuse
    for its form (a key twice, half a surrogate pair) is written anew.
    """
    good, bad = [], []
    for number, raw in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
        if not raw.strip():
            continue
        found = _read(raw)
        if isinstance(found, str):
            bad.append(Rejected(segment, number, found, shown(raw)))
            continue
        event, plain = found
        if event.get("kind") == HEADER:
            continue
        if event.get("kind") == REFUSED:
            bad.append(_refused(segment, event))
            continue
        reason = _fault(event, latest)
        if reason is not None:
            bad.append(Rejected(segment, number, reason, shown(raw), model=model_in(event)))
            continue
        misfits = [name for name in _NUMBERS if event.get(name) is not None and not _fits(name, event[name])]
        for name in misfits:
            reason = f"{name} cannot be {event.pop(name)!r:.80}: kept as NULL"
            bad.append(Rejected(segment, number, reason, shown(raw), model=model_in(event)))
        good.append(raw + b"\n" if plain and not misfits else encoded(event))
    return good, bad


def _refused(segment: str, event: Mapping[str, object]) -> Rejected:
    """Read the line that a server wrote of a line it refused: its place in the request, the reason, its raw text."""
    place, raw = event.get("line"), event.get("raw")
    return Rejected(
        segment,
        place if isinstance(place, int) else None,
        str(event.get("reason"))[:500],
        None if raw is None else str(raw)[:RAW_KEPT],
        model=None if raw is None else model_in(str(raw)),
    )


def model_in(said: object) -> str | None:
    """Name the model that an event, or its text where that can be read, is about."""
    event = said
    if isinstance(said, str):
        try:
            event = json.loads(said)
        except (ValueError, RecursionError):
            return None
    found = event.get("name" if event.get("kind") == "model" else "model") if isinstance(event, dict) else None
    try:
        return found if isinstance(found, str) and found.encode() and "\0" not in found else None
    except UnicodeEncodeError:  # half a surrogate pair
        return None


def shown(raw: bytes) -> str:
    """Show a line's bytes as text, for who looks into what was rejected."""
    return raw[:RAW_KEPT].decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def has_half_pairs(data: bytes | mmap.mmap) -> bool:
    """Say whether bytes hold half a surrogate pair, which DuckDB lets pass and no text can hold."""
    return data.find(b"\xed") >= 0 and _HALF.search(data) is not None


def _read(raw: bytes) -> tuple[dict[str, object], bool] | str:
    """Read a line: the event, and whether DuckDB takes its form; or why it is none."""
    if len(raw) > LONGEST:
        return f"a line of {len(raw)} bytes: up to {LONGEST} would do"
    twice: list[str] = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(items)
        if len(made) != len(items):
            twice.append("")
        return made

    try:
        try:
            event = json.loads(raw.decode("utf-8"), object_pairs_hook=pairs, parse_int=_integer)
        except RecursionError:
            event = json.loads(_shallow(raw).decode("utf-8"), object_pairs_hook=pairs, parse_int=_integer)
            return _taken_deep(event, odd=bool(twice))
    except ValueError as error:
        return f"not JSON: {type(error).__name__}: {error}"[:500]
    if not isinstance(event, dict):
        return f"not an object but {type(event).__name__}"
    return event, not twice and not (b"\\ud" in raw.lower() and has_half_pairs(_surrogates(event)))


def _shallow(raw: bytes) -> bytes:
    """Cut a line so that Python can read it: what lies deeper than a hundred levels is null."""
    kept, depth = [], 0
    for token in (found.group() for found in _TOKENS.finditer(raw)):
        depth += token in (b"[", b"{")
        if depth <= _DEEP:
            kept.append(token)
        elif depth == _DEEP + 1 and token in (b"[", b"{"):
            kept.append(b"null")
        depth -= token in (b"]", b"}")
    return b"".join(kept)


def _taken_deep(event: object, *, odd: bool) -> tuple[dict[str, object], bool] | str:
    """Take a line that is too deep for Python as it is, as DuckDB does; one that had to be written anew cannot be."""
    if not isinstance(event, dict):
        return f"not an object but {type(event).__name__}"
    if odd or any(event.get(name) is not None and not _fits(name, event[name]) for name in _NUMBERS):
        return "nested too deep to be written anew, which its form asks for"
    return event, True


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < _DIGITS else float(digits)


def _surrogates(event: dict[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _number(value: object) -> float | None:
    """Read a number as DuckDB does: true is 1, a text is read, anything else is none."""
    if isinstance(value, (bool, int, float, str)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None
    return None


def _fits(name: str, value: object) -> bool:
    number = _number(value)
    if number is None:
        return False
    if name not in _WHOLE or not math.isfinite(number):
        return name not in _WHOLE
    return number == math.floor(number) and abs(number) < EXACT_UNTIL and (name != "weight" or number >= 1)


def _fault(event: dict[str, object], latest: int) -> str | None:
    kind = event.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return f"unknown kind {kind!r:.80}; known: {', '.join(KINDS)}"
    for name in _NAMES[kind]:
        value = event.get(name)
        if value is None or (name != "message" and (value == "" or isinstance(value, (list, dict)))):
            return f"{name} of a {kind} must be a text, not {value!r:.80}"
    for name in _OBJECTS:
        value = event.get(name)
        if value is not None and not isinstance(value, dict):
            return f"{name} must be an object, not {value!r:.80}"
    return _fault_of_time(event.get("time"), latest)


def _fault_of_time(value: object, latest: int) -> str | None:
    moment = _number(value)
    if moment is None or not math.isfinite(moment) or moment != math.floor(moment):
        return f"time must be whole microseconds since the epoch, not {value!r:.80}"
    if not FIRST <= moment <= LAST:
        return f"time {value!r:.80} lies outside the years 1 to 9999"
    if moment > latest:
        return f"time {value!r:.80} is more than a day ahead of this machine's clock"
    return None


def each_line(data: bytes, take: Callable[[dict[str, object]], None]) -> None:
    """Hand over what can be read as an object, in order; for looking at a sample of a segment."""
    for raw in data.split(b"\n"):
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            take(event)
