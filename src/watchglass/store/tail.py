"""Live segments, held open → tables of their rows in a reader's DuckDB: each line is parsed once, however often is asked.

A question parses only what was appended since the one before. A table holds what several segments got in between;
the rows of a segment that is in the files by now are left out, and a table none of whose segments is live is dropped.
"""

from __future__ import annotations

import mmap
import os
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from watchglass.store.frames import fault
from watchglass.store.lines import has_half_pairs, latest_time, sift
from watchglass.store.quoting import literal
from watchglass.store.rows import Layout, odd, reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from watchglass.store.segments import Segment

    Stretch = tuple[Segment, int, int]


@dataclass(slots=True)
class _Parsed:
    """What was parsed at once: a table, and from where to where of which segments. `whole` says: features and tags too."""

    table: str
    ranges: tuple[tuple[str, int, int], ...]
    whole: bool
    users: int = 0
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A table of rows of the tail, as a source: without the rows of segments that are in the files."""

    parsed: _Parsed
    source: str


class Tail:
    """The parsed tail of one store, as one reader keeps it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, room: Path, slots: Sequence[int]) -> None:
        self._connection = connection
        self._room = room
        self._slots = slots
        self._parsed: list[_Parsed] = []
        self._links: dict[str, Path] = {}
        self._broken: set[str] = set()
        self._lock = threading.Lock()

    def take(self, live: Sequence[Segment], *, whole: bool) -> list[Piece]:
        """Give the rows of the live segments of lines; what is given is kept until `release`."""
        with self._lock:
            held = {segment.name: segment for segment in live if segment.sidecar is None}
            if whole:
                self._widen(held)
            self._parse(self._news(held), whole=whole)
            self._forget(set(held))
            pieces = [self._piece(parsed, held) for parsed in self._parsed if not parsed.dead]
            for piece in pieces:
                piece.parsed.users += 1
            return pieces

    def release(self, pieces: Sequence[Piece]) -> None:
        """Let go of what `take` gave."""
        with self._lock:
            for piece in pieces:
                piece.parsed.users -= 1
            self._drop()

    def link(self, segment: Segment, select: Callable[[str], str]) -> str | None:
        """Give a columnar segment a path that stays as long as it is live for this reader; None when its rows cannot be had.

        `select` writes the SELECT of its rows at a path. What cannot be had is told when it is compacted.
        """
        with self._lock:
            path = self._links.get(segment.name)
            if path is None or not path.exists():
                path = self._links[segment.name] = self._room / segment.name
                _kept(segment, path)
                if fault(self._connection, select(str(path))) is not None:
                    self._broken.add(segment.name)
            return None if segment.name in self._broken else str(path)

    def _news(self, held: dict[str, Segment]) -> list[Stretch]:
        done: dict[str, int] = {}
        for parsed in self._parsed:
            for name, _, end in parsed.ranges if not parsed.dead else ():
                done[name] = max(done.get(name, 0), end)
        found = []
        for name, segment in held.items():
            start = done.get(name, 0)
            end = segment.end_of_lines(start) if segment.size > start else start
            if end > start:
                found.append((segment, start, end))
        return found

    def _widen(self, held: dict[str, Segment]) -> None:
        """Parse again, with features and tags, what was parsed without."""
        for parsed in [item for item in self._parsed if not item.whole and not item.dead]:
            parsed.dead = True
            self._parse([(held[name], start, end) for name, start, end in parsed.ranges if name in held], whole=True)

    def _parse(self, news: Sequence[Stretch], *, whole: bool) -> None:
        """Parse stretches of segments, a table for as many as there are slots; the bytes go from file to file in the kernel."""
        at_once = len(self._slots) - 1  # the last is for trying
        for first in range(0, len(news), at_once):
            chosen = news[first : first + at_once]
            table = f"tail_{uuid.uuid4().hex}"
            for slot, (segment, start, end) in zip(self._slots, chosen, strict=False):
                os.ftruncate(slot, 0)
                _copied(segment.handle, slot, start, end)
            halves = any(_has_half_pairs(slot) for slot in self._slots[: len(chosen)])
            if halves or not self._created(table, len(chosen), whole=whole):
                self._sifted(table, chosen, whole=whole)
            for slot in self._slots[: len(chosen)]:
                os.ftruncate(slot, 0)
            ranges = tuple((segment.name, start, end) for segment, start, end in chosen)
            self._parsed.append(_Parsed(table, ranges, whole))

    def _sifted(self, table: str, chosen: Sequence[Stretch], *, whole: bool) -> None:
        """Parse what can be taken, line by line; what cannot is told when it is compacted."""
        for slot, (segment, start, end) in zip(self._slots, chosen, strict=False):
            good, _ = sift(segment.name, segment.part(start, end - start), latest_time())
            _put(slot, b"".join(self._takes(good)))
        self._create(table, len(chosen), whole=whole)

    def _takes(self, lines: list[bytes]) -> list[bytes]:
        """Leave out the lines that DuckDB does not take, found by halving."""
        path = slot_path(self._slots[-1])
        if not lines:
            return []
        _put(self._slots[-1], b"".join(lines))
        try:
            self._connection.execute(f"SELECT count(COLUMNS(*)) FROM {reader([path], Layout())}").fetchall()
        except duckdb.Error:
            half = len(lines) // 2
            return self._takes(lines[:half]) + self._takes(lines[half:]) if half else []
        return lines

    def _created(self, table: str, slots: int, *, whole: bool) -> bool:
        try:
            self._create(table, slots, whole=whole)
            query = f"SELECT count(*) FROM {table} WHERE {odd(Layout(), latest_time(), rows=whole)}"
            return not (self._connection.execute(query).fetchone() or (1,))[0]
        except duckdb.Error:
            return False

    def _create(self, table: str, slots: int, *, whole: bool) -> None:
        paths = [slot_path(slot) for slot in self._slots[:slots]]
        parsed = reader(paths, Layout(), rows=whole, named=True)
        place = f"list_position([{', '.join(map(literal, paths))}], filename)::INTEGER AS segment"
        self._connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * EXCLUDE filename, {place} FROM {parsed}")

    def _piece(self, parsed: _Parsed, held: dict[str, Segment]) -> Piece:
        gone = [str(place) for place, (name, _, _) in enumerate(parsed.ranges, start=1) if name not in held]
        if not gone:
            return Piece(parsed, parsed.table)
        return Piece(parsed, f"(SELECT * FROM {parsed.table} WHERE segment NOT IN ({', '.join(gone)}))")

    def _forget(self, held: set[str]) -> None:
        for parsed in self._parsed:
            if not any(name in held for name, _, _ in parsed.ranges):
                parsed.dead = True
        self._drop()

    def _drop(self) -> None:
        for parsed in [item for item in self._parsed if item.dead and not item.users]:
            self._connection.execute(f"DROP TABLE IF EXISTS {parsed.table}")
            self._parsed.remove(parsed)

    def forget_links(self, live: Sequence[Segment]) -> None:
        """Drop the paths of columnar segments that are in the files by now; a question that reads one has it open."""
        names = {segment.name for segment in live}
        with self._lock:
            for name in [name for name in self._links if name not in names]:
                self._links.pop(name).unlink(missing_ok=True)
                self._broken.discard(name)


def slot_path(slot: int) -> str:
    """Give the path of a file that is open."""
    return f"/proc/self/fd/{slot}"


def _copied(source: int, target: int, start: int, end: int) -> None:
    os.lseek(target, 0, os.SEEK_SET)
    while start < end:
        done = os.sendfile(target, source, start, end - start)
        if not done:
            break
        start += done


def _has_half_pairs(slot: int) -> bool:
    if not os.fstat(slot).st_size:
        return False
    with mmap.mmap(slot, 0, access=mmap.ACCESS_READ) as data:
        return has_half_pairs(data)


def _put(target: int, data: bytes) -> None:
    os.ftruncate(target, 0)
    os.lseek(target, 0, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def _kept(segment: Segment, path: Path) -> None:
    """Give a file that is held open a second name; where it was deleted meanwhile, a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(segment.path, path)
        if os.path.samestat(path.stat(), os.fstat(segment.handle)):
            return
        path.unlink()
    with path.open("wb") as file:
        offset = 0
        while part := segment.part(offset, 1 << 20):
            file.write(part)
            offset += len(part)
