"""Live segments, held open → tables of their rows in a reader's DuckDB: each line is parsed once, however often is asked.

A question parses only what was appended since the one before. A table holds what several segments got in between;
the rows of a segment that is in the files by now are left out, and a table none of whose segments is live is dropped.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.store.frames import fault
from watchglass.store.lines import has_half_pairs, latest_time, sift
from watchglass.store.quoting import literal
from watchglass.store.rows import Layout, finished, reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from watchglass.store.segments import Segment

    Stretch = tuple[Segment, int, int]
    Needed = frozenset[str] | None


REMEMBERED: Final = 10.0  # seconds
TOGETHER: Final = 1.0  # seconds
AT_MOST: Final = 64 << 20


@dataclass(slots=True)
class _Parsed:
    """What was parsed at once: a table, from where to where of which segments, and which values (None: all, features and tags too)."""

    table: str
    ranges: tuple[tuple[str, int, int], ...]
    needed: Needed
    begun: float
    users: int = 0
    dead: bool = False

    def takes(self, other: _Parsed) -> bool:
        """Say whether what was parsed next may be added: many small tables would cost each question more than one."""
        alike = self.needed == other.needed and not self.dead and not self.users
        return alike and other.begun - self.begun < TOGETHER and self.bytes + other.bytes < AT_MOST

    @property
    def bytes(self) -> int:
        """How many bytes of lines it was parsed from."""
        return sum(end - start for _, start, end in self.ranges)


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
        self._asked: dict[Needed, float] = {}
        self._forgotten = 0
        self._lock = threading.Lock()

    def take(self, live: Sequence[Segment], needed: Needed, forgotten: int = 0) -> list[Piece]:
        """Give the rows of the live segments of lines, with the values that are needed; what is given is kept until `release`.

        `forgotten` is how often rows of the store were forgotten: what was parsed before the last time is not used again.
        """
        with self._lock:
            if forgotten > self._forgotten:
                self._forgotten = forgotten
                for parsed in self._parsed:
                    parsed.dead = True
                self._drop()
            held = {segment.name: segment for segment in live if segment.sidecar is None}
            wanted = self._wanted(needed)
            self._widen(held, needed, wanted)
            self._parse(self._news(held), wanted)
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
        """List the stretches that no table has.

        That can be an early one: who holds an older moment asks after one for whom a segment was in the files already,
        and whose question dropped the table of its beginning.
        """
        done: dict[str, list[tuple[int, int]]] = {}
        for parsed in self._parsed:
            for name, start, end in parsed.ranges if not parsed.dead else ():
                done.setdefault(name, []).append((start, end))
        found = []
        for name, segment in held.items():
            reached = 0
            for start, end in sorted(done.get(name, ())):
                if start > reached:
                    found.append((segment, reached, start))
                reached = end
            end = segment.end_of_lines(reached) if segment.size > reached else reached
            if end > reached:
                found.append((segment, reached, end))
        return found

    def _wanted(self, needed: Needed) -> Needed:
        """Add what other questions of the last seconds needed, so that two that take turns do not have all parsed twice."""
        now = time.monotonic()
        self._asked = {one: at for one, at in self._asked.items() if now - at < REMEMBERED}
        self._asked[needed] = now
        if None in self._asked:
            return None
        return frozenset(name for one in self._asked if one is not None for name in one)

    def _widen(self, held: dict[str, Segment], needed: Needed, wanted: Needed) -> None:
        """Parse again what was parsed without a value that is needed."""
        for parsed in [item for item in self._parsed if not item.dead and not _holds(item.needed, needed)]:
            parsed.dead = True
            self._parse([(held[name], start, end) for name, start, end in parsed.ranges if name in held], wanted)

    def _parse(self, news: Sequence[Stretch], needed: Needed) -> None:
        """Parse stretches of segments, as many at once as there are slots; the bytes go from file to file in the kernel."""
        at_once = len(self._slots) - 1  # the last is for trying
        for first in range(0, len(news), at_once):
            chosen = news[first : first + at_once]
            for slot, (segment, start, end) in zip(self._slots, chosen, strict=False):
                os.ftruncate(slot, 0)
                _copied(segment.handle, slot, start, end)
            ranges = tuple((segment.name, start, end) for segment, start, end in chosen)
            new = _Parsed(f"tail_{uuid.uuid4().hex}", ranges, needed, time.monotonic())
            if any(_has_half_pairs(slot) for slot in self._slots[: len(chosen)]) or not self._added(new):
                for slot, (segment, start, end) in zip(self._slots, chosen, strict=False):
                    good, _ = sift(segment.name, segment.part(start, end - start), latest_time())
                    _put(slot, b"".join(self._takes(good)))
                self._add(replace(new, table=f"tail_{uuid.uuid4().hex}", ranges=ranges, dead=False))
            for slot in self._slots[: len(chosen)]:
                os.ftruncate(slot, 0)

    def _added(self, new: _Parsed) -> bool:
        """Parse what lies in the slots; says whether every line was taken for what it is, else it is as if nothing had been done."""
        table, after = "", 0
        try:
            table, after = self._add(new)
        except duckdb.Error:
            return False
        odd = self._connection.execute(f"SELECT count(*) FROM {table} WHERE odd AND segment > {after}").fetchone()
        if not odd or not odd[0]:
            return True
        self._connection.execute(f"DELETE FROM {table} WHERE segment > {after}")
        kept = next(item for item in self._parsed if item.table == table)
        kept.ranges = kept.ranges[:after]
        kept.dead = kept.dead or not after
        return False

    def _add(self, new: _Parsed) -> tuple[str, int]:
        """Keep what lies in the slots, with what came before where that is fresh and small; gives the table, and how many segments it had."""
        last = self._parsed[-1] if self._parsed else None
        paths = [slot_path(slot) for slot in self._slots[: len(new.ranges)]]
        place = f"list_position([{', '.join(map(literal, paths))}], filename)::INTEGER AS segment"
        source = f"(SELECT * EXCLUDE filename, {place} FROM {reader(paths, Layout(), needed=new.needed, named=True)})"
        if last is not None and last.takes(new):
            after = len(last.ranges)
            rows = finished(source, new.needed, after=after, latest=latest_time())
            self._connection.execute(f"INSERT INTO {last.table} {rows}")
            last.ranges += new.ranges
            return last.table, after
        rows = finished(source, new.needed, after=0, latest=latest_time())
        self._connection.execute(f"CREATE TABLE {new.table} AS {rows}")
        self._parsed.append(new)
        return new.table, 0

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


def _holds(held: Needed, needed: Needed) -> bool:
    return held is None or (needed is not None and needed <= held)


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
