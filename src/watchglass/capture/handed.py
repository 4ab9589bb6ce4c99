"""What a server hands out of what is in quarantine or retracted → the same marks beside the spool, where each run looks.

A process that records to a server has the marks that it put down itself and these. The last answer lies beside the spool,
so that what the server takes back is taken away here, whoever put it down, and that the next process is warned at its first
read. A server that does not know of marks is asked again after a minute.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import drops, quarantine, subjects
from watchglass.capture.exchange import get
from watchglass.capture.quarantine import is_digest
from watchglass.capture.subjects import Mark
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PATH: Final = "/api/v1/marks"
FILE: Final = "marks.json"
MOST: Final = 6_000
"""Marks of each kind that a server hands out, the newest, 0.8 MB in all; it says how many there are beyond."""
_OLD: Final = 600.0
"""Seconds after which a server that does not tell of a mark put down here is known to have had the run that did."""
_FRESH: Final = 200
_UNKNOWN: Final = (404, 405)
_LATER: Final = 60.0


@dataclass(frozen=True, slots=True)
class Handed:
    """Marks by the names of their files, those of quarantine that a person took back, and how many more there are that are not told."""

    quarantined: frozenset[str] = frozenset()
    retracted: Mapping[str, Mark] = field(default_factory=dict)
    left_out: int = 0
    released: frozenset[str] = frozenset()

    def document(self) -> dict[str, object]:
        """Write it as the JSON object that it is read from: of what was retracted, from when on a run is stopped, and `said`."""
        retracted = {name: [mark.block_after, int(mark.said)] for name, mark in sorted(self.retracted.items())}
        marked, released = sorted(self.quarantined), sorted(self.released)
        return {"quarantined": marked, "retracted": retracted, "released": released, "left_out": self.left_out}


def parsed(text: bytes, source: str) -> Handed:
    """Read marks; raises `BadInput` for what is none: their names are names of files here."""
    try:
        found = cast("dict[str, dict[str, tuple[int, int]]]", json.loads(text))
        marked = frozenset(map(str, found["quarantined"]))
        marks = {str(name): Mark(int(after), bool(said)) for name, (after, said) in found["retracted"].items()}
        released = frozenset(map(str, found["released"]))
        if all(map(is_digest, (*marked, *marks, *released))):
            return Handed(marked, marks, int(str(found["left_out"])), released)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    message = f"{source} holds no marks: names of 32 hexadecimal digits would do"
    raise BadInput(message)


def there(root: str) -> Handed:
    """List the marks of a store, at most the newest `MOST` of each kind. Raises `OSError`."""
    marked, more = _newest(Path(root, quarantine.FOLDER))
    home = Path(root, subjects.FOLDER)
    names, beyond = _newest(home)
    marks = {name: mark for name in names if (mark := subjects.read(str(home / name))) is not None}
    return Handed(frozenset(marked), marks, more + beyond)


def _newest(home: Path) -> tuple[list[str], int]:
    names: list[str] = []
    with suppress(FileNotFoundError):
        names = [path.name for path in home.iterdir() if is_digest(path.name)]
    if len(names) <= MOST:
        return names, 0
    return sorted(names, key=lambda name: _age(home / name), reverse=True)[:MOST], len(names) - MOST


def _age(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


class Marks:
    """Keeps the marks beside a spool as a server says."""

    def __init__(self, url: str, store: str) -> None:
        self._url, self._store = url, store
        self._etag = ""
        self._not_before = 0.0

    def fetch(self) -> None:
        """Ask the server, and put down and take away what changed; what cannot be had leaves all as it is."""
        if monotonic() < self._not_before:
            return
        headers = {"If-None-Match": self._etag} if self._etag else {}
        try:
            status, answered, body = get(self._url, PATH, headers, timeout=3.0)
        except OSError:
            return  # not there: the sender warns of that
        if status in _UNKNOWN:
            self._not_before = monotonic() + _LATER
        if status != _FRESH:
            return
        try:
            found = parsed(body, f"the answer of {self._url}{PATH}")
        except BadInput as error:
            drops.warn("marks", f"what is retracted stays as it was known: {error}")
            return
        if found.left_out:
            what = f"{found.left_out} more marks are on {self._url} than a process is told: it is not warned of these"
            drops.warn("marks left out", what)
        self._apply(found)
        self._etag = answered.get("etag", "")

    def _apply(self, found: Handed) -> None:
        """Put down first, take away after; what is written before says of both, so that a kill between loses track of none."""
        before = self._before()
        whole = Handed(before.quarantined | found.quarantined, {**before.retracted, **found.retracted})
        self._keep(whole)
        home = Path(self._store, quarantine.FOLDER)
        if found.quarantined:
            home.mkdir(parents=True, exist_ok=True)
        for name in found.quarantined:
            (home / name).touch()
        for name, mark in found.retracted.items():
            if subjects.read(f"{self._store}/{subjects.FOLDER}/{name}") != mark:
                subjects.write(self._store, mark, name)
        gone = before.quarantined | found.released
        self._lift(quarantine.FOLDER, gone, found.quarantined, partial=found.left_out > 0)
        self._lift(subjects.FOLDER, before.retracted, found.retracted, partial=found.left_out > 0)
        self._keep(found)

    def _lift(self, folder: str, gone: Collection[str], found: Collection[str], *, partial: bool) -> None:
        """Take away what the server takes back, and what it had time enough to hear of and does not tell."""
        home = Path(self._store, folder)
        with suppress(FileNotFoundError):
            for path in home.iterdir():
                known = path.name in gone or (not partial and time() - _age(path) > _OLD)
                if is_digest(path.name) and path.name not in found and known:
                    path.unlink(missing_ok=True)

    def _before(self) -> Handed:
        with suppress(FileNotFoundError, BadInput):
            return parsed(Path(self._store, FILE).read_bytes(), FILE)
        return Handed()

    def _keep(self, found: Handed) -> None:
        replaced(f"{self._store}/{FILE}", json.dumps(found.document()).encode())


def replaced(path: str, body: bytes) -> None:
    """Put a file in the place of another, whole or not at all. Raises `OSError`."""
    aside = f"{path}.{os.getpid()}.tmp"
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - a text path
    try:
        Path(aside).write_bytes(body)
        os.replace(aside, path)  # noqa: PTH105 - likewise
    except OSError:
        with suppress(OSError):
            os.unlink(aside)  # noqa: PTH108 - likewise
        raise
