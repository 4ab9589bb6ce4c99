"""Segments that a living process still writes → the same without some rows: their lines are overwritten with blanks where they lie.

A writer appends with one write(2) a line and never looks back, so that bytes before the end can be changed in place:
the length stays, the line's end stays, and every reader passes a line of blanks by. What the writer holds in memory
(durability "fast") comes later, as do rows that are logged later.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from watchglass.store.life.forget_keys import FIELDS, MESSAGE
from watchglass.store.life.forget_mentions import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from watchglass.store.life.forget_keys import Key, Keys, Sought
    from watchglass.store.segments import Segment

OF_ID: Final = ("prediction", "label", "feedback")
_TOLD: Final = (b'"log"', b'"metric"')
_ID: Final = re.compile(rb'"id"\s*:\s*"([^"\\]*)"')


@dataclass(slots=True)
class Blanked:
    """How many lines of which kind, in how many segments; "other" lines were no rows, and spoke of what was forgotten."""

    lines: dict[str, int] = field(default_factory=dict)
    segments: int = 0

    def add(self, kind: str) -> None:
        """Count a line."""
        self.lines[kind] = self.lines.get(kind, 0) + 1


def keys_where(
    segments: Iterable[Segment], texts: frozenset[str], holds: Callable[[Mapping[str, object]], bool], found: Keys
) -> Keys:
    """Add the rows in lines for which something holds; only lines that may have one of the texts are looked into."""
    ways = [way.encode("utf-8", "surrogatepass") for text in texts for way in written(text)]
    for segment in segments:
        for _, raw in lines_of(segment):
            if b"\\" not in raw and not any(way in raw for way in ways):
                continue
            event = _event(raw)
            if event is not None and event.get("kind") in OF_ID and holds(event):
                found.add(*key_of(event))
    return found


def key_of(event: Mapping[str, object]) -> Key:
    """Give what the row of a line is known by."""
    environment = event.get("environment")
    return str(event.get("model")), "live" if environment is None else str(environment), str(event.get("id"))


def blank(segments: Sequence[Segment], keys: Keys, sought: Sought, *, dry: bool = False) -> Blanked:
    """Overwrite the lines of some rows, what was logged or measured of them, and broken lines that speak of them; synced.

    `dry` only counts.
    """
    done = Blanked()
    for segment in segments:
        places: list[tuple[int, bytes]] = []
        for offset, raw in lines_of(segment):
            kind = _kind(raw, keys, sought)
            if kind is not None:
                done.add(kind)
                places.append((offset, b" " * len(raw)))
        if places:
            done.segments += 1
            if not dry:
                overwrite(segment, places)
    return done


def _kind(raw: bytes, keys: Keys, sought: Sought) -> str | None:
    """Say of which kind a line is that must go; None: it stays."""
    told = _ID.findall(raw)
    plain = bool(told) and len(told) == raw.count(b'"id"') and b"\\" not in raw and raw.endswith(b"}")
    if (
        plain
        and not any(kind in raw for kind in _TOLD)
        and sought.ids.isdisjoint(part.decode("utf-8", "replace") for part in told)
    ):
        return None  # a row of another id, as nearly all are: not worth parsing
    event = _event(raw)
    if event is None or event.get("kind") == "rejected":
        return "other" if sought.named_in(raw.decode("utf-8", "replace")) else None
    if (kind := event.get("kind")) in FIELDS:
        return str(kind) if sought.of_row(event.get(FIELDS[str(kind)]), event.get(MESSAGE[str(kind)])) else None
    if event.get("kind") in OF_ID and key_of(event) in keys:
        return str(event["kind"])
    return None


def _event(raw: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def lines_of(segment: Segment) -> Iterator[tuple[int, bytes]]:
    """Give each whole line that is not blank, without its end, and where it begins."""
    offset = 0
    for raw in segment.lines().split(b"\n"):
        if raw.strip():
            yield offset, raw
        offset += len(raw) + 1


def overwrite(segment: Segment, places: Iterable[tuple[int, bytes]]) -> None:
    """Write other bytes over some, each at its offset, and sync them."""
    handle = os.open(f"/proc/self/fd/{segment.handle}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        for offset, told in places:
            view = memoryview(told)
            while view:
                done = os.pwrite(handle, view, offset)
                view, offset = view[done:], offset + done  # noqa: PLW2901 - what is left of it
        os.fsync(handle)
    finally:
        os.close(handle)
