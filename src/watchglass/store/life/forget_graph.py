"""The log of the graph and what is forgotten → the same lines with stars in its place, no byte longer: who writes there writes on.

The catalog has taken the lines in, and is wiped itself; they lie there until their writer is gone.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from watchglass.store.life.forget_log import lines_of, overwrite
from watchglass.store.life.forget_mentions import FEW, without, written
from watchglass.store.life.forget_texts import said_without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import Json
    from watchglass.store.life.forget_keys import Sought
    from watchglass.store.segments import Segment

_KINDS: Final = ("run", "read", "write", "component", "flag", "release")
_FREE: Final = (
    "error",
    "params",
    "metrics",
    "notes",
    "left_out",
    "tests",
    "preview",
    "profile",
    "note",
    "reason",
    "description",
)
"""What the catalog is wiped of too."""


def mask(segments: Sequence[Segment], sought: Sought, *, dry: bool = False) -> int:
    """Put stars over names and ids in the texts of runs; gives in how many lines. `dry` only counts."""
    if not sought.everywhere:
        return 0
    few = len(sought.wanted) <= FEW
    ways = [way.encode("utf-8", "surrogatepass") for text in sought.wanted if few for way in written(text)]
    masked = 0
    for segment in segments:
        places = []
        for offset, raw in lines_of(segment):
            if few and not any(way in raw for way in ways):
                continue
            after = _starred(raw, sought)
            if after != raw and len(after) <= len(raw):
                places.append((offset, after.ljust(len(raw))))
        masked += len(places)
        if places and not dry:
            overwrite(segment, places)
    return masked


def _starred(raw: bytes, sought: Sought) -> bytes:
    """Write a line anew; one that cannot be read is a rejected one, whose text goes in the catalog too."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw
    gone = sought.said(text)
    if not gone:
        return raw
    with suppress(ValueError, RecursionError):
        event: Json = json.loads(text)
        if isinstance(event, dict) and event.get("kind") in _KINDS:
            after = _free_without(event, gone)
            return raw if after == event else json.dumps(after, ensure_ascii=False, separators=(",", ":")).encode()
        return raw
    for one in gone:
        text = without(text, frozenset((one,)), "*" * len(one))
    return text.encode()


def _free_without(told: Json, gone: frozenset[str]) -> Json:
    if isinstance(told, dict):
        return {
            name: said_without(part, gone, stars=True) if name in _FREE else _free_without(part, gone)
            for name, part in told.items()
        }
    return [_free_without(part, gone) for part in told] if isinstance(told, list) else told
