"""Runs that are under way by what the log says, though their process is gone → crashed, by whoever looks.

A run that is written to a folder names its writer, `<host>:<pid>:<hex>`, whose file in log/drops is locked while it lives
(capture/drops.py); on the writer's own machine its pid says the same at once. A run that goes to a server says every
`beat` seconds that it lasts; the server puts in when it heard so. Of a run that says neither nothing can be known. What comes
late still holds: a beat makes it running again, its end ends it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.capture.origin import host
from watchglass.store import catalog as c
from watchglass.store.transactions import next_change, writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

LOOK_SECONDS: Final = 1.0
MISSED_BEATS: Final = 4
_SETTLED: Final = 60_000_000
"""µs after which a writer on another machine has made its file, or never will."""
_AT_ONCE: Final = 10_000
"""Runs under way that are looked at, the oldest first."""
_REST: Final = 20
_SLACK: Final = 2.0
"""Seconds by which the clocks of a process and of its runs may differ."""
_STARTED: Final = 19
"""Where /proc/PID/stat says when, counted behind the name (proc(5): field 22)."""
_looked: weakref.WeakKeyDictionary[Engine, float] = weakref.WeakKeyDictionary()


def mark(folder: Folder, engine: Engine, now: float | None = None) -> int:
    """Mark the runs whose process is gone as crashed; gives how many. `now` is in seconds since the epoch."""
    moment = int((time.time() if now is None else now) * 1e6)
    runs = c.runs
    told = sa.or_(runs.c.links.is_not(None), runs.c.resources.is_not(None))
    under_way = sa.and_(sa.text(c.NOT_OK), runs.c.status == "running", runs.c.ended.is_(None), told)
    wanted = (runs.c.id, runs.c.started, runs.c.links, runs.c.resources)
    query = sa.select(*wanted).where(under_way).order_by(runs.c.started).limit(_AT_ONCE)
    with engine.connect() as connection:
        found = connection.execute(query).all()
    writers = Writers(folder)
    dead = [
        {"run": ident, "why": why}
        for ident, started, links, resources in found
        if (why := _death(started, _read(links), _read(resources), moment, writers))
    ]
    if not dead:
        return 0
    with writing(engine) as connection:
        values = {"status": "crashed", "error": sa.bindparam("why"), "changed": next_change(connection)}
        chosen = sa.and_(runs.c.id == sa.bindparam("run"), runs.c.status == "running", runs.c.ended.is_(None))
        connection.execute(runs.update().where(chosen).values(**values), dead)
    return len(dead)


def mark_if_due(folder: Folder, engine: Engine) -> None:
    """Do so at most once a second for each open store, and in at most a twentieth of the time."""
    moment = time.monotonic()
    if moment - _looked.get(engine, -LOOK_SECONDS) >= LOOK_SECONDS:
        _looked[engine] = moment
        mark(folder, engine)
        _looked[engine] = moment + _REST * (time.monotonic() - moment)


def _read(text: str | None) -> Mapping[str, object]:
    with suppress(ValueError, RecursionError):
        found = json.loads(text or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def _death(
    started: int, links: Mapping[str, object], resources: Mapping[str, object], moment: int, writers: Writers
) -> str | None:
    """Say why a run is over though it did not say so; None when it may live."""
    beat, seen, writer = resources.get("beat"), resources.get("seen"), links.get("writer")
    if isinstance(beat, (int, float)) and isinstance(seen, int):
        silent = (moment - max(seen, started)) / 1e6
        return f"nothing was heard of it for {silent:.0f} s" if silent > MISSED_BEATS * beat else None
    if not isinstance(writer, str):
        return None
    return writers.named(writer).gone(started, moment)


@dataclass(frozen=True, slots=True)
class Writer:
    """A process that wrote runs: its machine and pid, and the signs of it."""

    where: str
    pid: int
    here: bool
    """Whether it is on this machine."""
    files: bool
    """Whether it has a file of its own while it lives."""
    locked: bool | None
    """Whether that file is locked; None when there is none."""
    begun: float | None
    """When the process that has its pid now began, in seconds since the epoch; None when none has."""

    def gone(self, started: int, moment: int) -> str | None:
        """Say that it is gone, of a run that started then; None when it lives or nothing can be known."""
        if self.locked:
            return None
        told = f"its process {self.pid} on {self.where} is gone"
        if self.here:
            return None if self.begun is not None and self.begun <= started / 1e6 + _SLACK else told
        if not self.files or (self.locked is None and moment - started < _SETTLED):
            return None
        return told


class Writers:
    """The writers of a store, each looked at once."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._known: dict[str, Writer] = {}

    def named(self, name: str) -> Writer:
        """Look at one."""
        if name not in self._known:
            where, _, rest = name.partition(":")
            text, _, digits = rest.partition(":")
            pid, here = (int(text) if text.isdecimal() else 0), where == host()
            locked = _locked(self._folder, name) if digits else None
            self._known[name] = Writer(where, pid, here, bool(digits), locked, _begun(pid) if here else None)
        return self._known[name]


def _begun(pid: int) -> float | None:
    """Say when the process of a pid began; None when there is none, or only what is left of one."""
    try:
        about = (Path("/proc") / str(pid) / "stat").read_text(errors="replace")
        fields = about.rpartition(")")[2].split()
        ticks = int(fields[_STARTED]) if fields[0] not in "ZX" else None
        if ticks is None:
            return None
        return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None


def _locked(folder: Folder, writer: str) -> bool | None:
    """Say whether a writer's own file is locked; None when there is none."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", writer)
    try:
        handle = os.open(folder.root / "log" / "drops" / f"{name}.json", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
