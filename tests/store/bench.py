"""A store whose log another process wrote: events by hand, questions, compaction, cells."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time_ns

from watchglass import settings
from watchglass.capture.segment import ANNOUNCED
from watchglass.store.compact import compact
from watchglass.store.folder import prepare
from watchglass.store.query import ask
from watchglass.store.reader import close_reader
from watchglass.store.transactions import connect

DAY = 86_400_000_000
BEGIN = 1_780_272_000_000_000  # 2026-06-01T00:00Z


def promised(log, number):
    """Name a segment as a recorder does that has announced the columns of its rows."""
    return f"{time_ns() // 1_000_000:012x}{number:020x}-1{ANNOUNCED if log == 'rows' else '.jsonl'}"


@cache
def empty_catalog():
    """Give the bytes of a catalog with nothing in it, made once in a process: the making takes ten times as long as the opening."""
    with TemporaryDirectory() as root:
        folder = prepare(root, create=True)
        connect(folder).dispose()
        return folder.catalog.read_bytes()


def fresh(root):
    """Give a store's folder; in a new one lies an empty catalog."""
    folder = prepare(root, create=True)
    there = folder.catalog.exists() or folder.elsewhere.exists() or any(folder.tables.iterdir())
    if not there and not settings.resolve(settings.CATALOG):
        folder.catalog.write_bytes(empty_catalog())
    return folder


class Bench:
    """A store with segments written by hand, as another process would leave them."""

    def __init__(self, root):
        self.folder = fresh(root)
        self.engine = connect(self.folder)
        self.names = 0

    def close(self):
        """End the thread that reads ahead first: it would open the catalog anew."""
        close_reader(self.engine)
        self.engine.dispose()

    def handles(self):
        """Count how often this process has the catalog open."""
        links = list(Path("/proc/self/fd").iterdir())
        return sum(link.is_symlink() and link.readlink() == self.folder.catalog for link in links)

    def write(self, log, events, raw=b""):
        self.names += 1
        path = self.folder.root / "log" / log / promised(log, self.names)
        path.write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in events) + raw)
        return path

    def model(self, name="digits", slices=("site",), features=(("ink", "number"),), tags=("site",)):
        schema = [["feature", *feature] for feature in features] + [["tag", tag, "text"] for tag in tags]
        self.write(
            "graph",
            [
                {
                    "kind": "model",
                    "name": name,
                    "version": "1",
                    "slices": list(slices),
                    "window": "1d",
                    "label_delay": "3d",
                    "time": BEGIN,
                },
                {"kind": "schema", "model": name, "columns": schema, "time": BEGIN},
            ],
        )

    def ask(self, sql, model=None):
        return ask(self.folder, self.engine, sql, model=model).rows()

    def compact(self):
        return compact(self.folder, self.engine)

    def follow(self):
        from watchglass.store.cells import follow

        return follow(self.folder, self.engine)


def prediction(number, *, model="digits", time=None, **fields):
    event = {
        "kind": "prediction",
        "model": model,
        "id": f"p{number}",
        "time": BEGIN + number if time is None else time,
        "version": "1",
    }
    return {
        **event,
        "features": {"ink": number / 10},
        "prediction": number % 10,
        "score": 0.9,
        "tags": {"site": "harbour"},
        **fields,
    }


def label(number, truth, *, model="digits", time=None, **fields):
    return {
        "kind": "label",
        "model": model,
        "id": f"p{number}",
        "label": truth,
        "time": BEGIN + DAY if time is None else time,
        **fields,
    }
