"""An idempotency key → what its request came to, if it is in the store: told by this process, a segment's first line, or the catalog.

Segments are looked at before the catalog: one that is compacted between the two looks is in the catalog by then.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from watchglass.capture.encode import line
from watchglass.capture.segment import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_KEPT: Final = 50_000
_FIRST_LINE: Final = 8 << 20
_MARK: Final = b'{"kind":"batch"'


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request came to: how many of its events were accepted, how many lines refused."""

    accepted: int
    rejected: int


def header(keys: Iterable[tuple[str, Taken]]) -> bytes:
    r"""Write the first line of a segment: the requests that are in it.

    >>> header([("a", Taken(2, 1))])
    b'{"kind":"batch","keys":[["a",2,1]]}\n'
    """
    return line({"kind": "batch", "keys": [[key, taken.accepted, taken.rejected] for key, taken in keys]})


class Keys:
    """The keys that are known: a bounded memory, behind it the store."""

    def __init__(self, root: str, look_up: Callable[[Sequence[str]], Mapping[str, Taken]]) -> None:
        """`look_up` asks the catalog; it may raise `OSError`."""
        self._root = root
        self._look_up = look_up
        self._known: OrderedDict[str, Taken] = OrderedDict()
        self._seen: dict[str, set[str]] = {log: set() for log in LOGS}

    def find(self, keys: Sequence[str]) -> dict[str, Taken]:
        """Give those of some keys that are in the store; raises `OSError` when it cannot be read."""
        unknown = [key for key in keys if key not in self._known]
        if unknown:
            self._look_at_segments()
            unknown = [key for key in unknown if key not in self._known]
        if unknown:
            for key, taken in self._look_up(unknown).items():
                self._remember(key, taken)
        return {key: self._known[key] for key in keys if key in self._known}

    def committed(self, keys: Iterable[tuple[str, Taken]], name: str, log: str) -> None:
        """Remember what this process wrote, and in which segment, which need not be looked at again."""
        self._seen[log].add(name)
        for key, taken in keys:
            self._remember(key, taken)

    def _remember(self, key: str, taken: Taken) -> None:
        self._known[key] = taken
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def _look_at_segments(self) -> None:
        """Read the first lines of segments that came since the last look."""
        for log in LOGS:
            folder = f"{self._root}/log/{log}"
            try:
                names = {name for name in os.listdir(folder) if name.endswith(".jsonl")}  # noqa: PTH208 - text paths here
            except FileNotFoundError:
                continue
            fresh = names - self._seen[log]
            for name in fresh:
                for key, taken in _header_of(f"{folder}/{name}"):
                    self._remember(key, taken)
            self._seen[log] = names


def _header_of(path: str) -> list[tuple[str, Taken]]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - text paths here
            if file.read(len(_MARK)) != _MARK:
                return []
            first = _MARK + file.readline(_FIRST_LINE)
    except FileNotFoundError:  # compacted meanwhile: the catalog knows
        return []
    try:
        return [(key, Taken(accepted, rejected)) for key, accepted, rejected in orjson.loads(first)["keys"]]
    except (ValueError, KeyError, TypeError):
        return []
