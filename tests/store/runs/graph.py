"""Runs written by hand: an open store and the lines of runs that lie days apart."""

from __future__ import annotations

from tests.store.bench import BEGIN, DAY, Bench
from watchglass.store.reader import close_reader
from watchglass.store.runs.opened import Reviewing

HOUR = DAY // 24


class Pipeline(Bench, Reviewing):
    """A store to which runs are told one by one; the nth begins n hours after the first unless a time is given."""

    def __init__(self, root):
        super().__init__(root)
        self._folder, self._engine = self.folder, self.engine
        self.told = 0

    def ran(self, component, reads=(), writes=(), *, at=None, took=60_000_000, **fields):
        """Tell of a run; what it reads and writes are names, pairs of name and version, or whole edges. Gives its id."""
        self.told += 1
        start = BEGIN + (self.told * HOUR if at is None else at)
        ident = fields.pop("id", f"{component}-{self.told}")
        told = {
            "kind": "run",
            "id": ident,
            "component": component,
            "started": start,
            "ended": start + took,
            "status": "ok",
            "reads": [edge(one, start) for one in reads],
            "writes": [edge(one, start + took) for one in writes],
        }
        self.write("graph", [{**told, **fields}])
        return ident

    def close(self):
        close_reader(self.engine)
        super().close()


def edge(thing, time):
    if isinstance(thing, dict):
        return thing
    name, version = thing if isinstance(thing, tuple) else (thing, None)
    return {"name": name, "version": version, "time": time}
