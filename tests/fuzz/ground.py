"""A store whose log anybody may have scribbled in, and the laws that hold for it whatever lies there."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import watchglass as wg
from tests.store.bench import fresh
from watchglass.store.cells import follow

BEGIN = 1_780_272_000_000_000  # 2026-06-01T00:00Z
COUNTED = {
    "prediction": "SELECT * EXCLUDE (features, tags) FROM predictions",
    "label": "SELECT * FROM label_history",
    "metric": "SELECT * FROM metrics",
    "log": "SELECT * FROM logs",
}
WHOLE = "kept as NULL"
"""What the reason of a reject says when only a value was lost, and its row is there."""


def line(event):
    return json.dumps(event).encode() + b"\n"


def good(number, model="digits"):
    return line(
        {
            "kind": "prediction",
            "model": model,
            "id": f"good-{number}",
            "time": BEGIN + number,
            "version": "1",
            "features": {"ink": number / 8},
            "prediction": number % 10,
            "score": 0.5,
            "tags": {"site": "harbour"},
        }
    )


class Ground:
    def __init__(self, root):
        self.folder = fresh(root)
        self.store = wg.open(root)
        self.names = 0

    def close(self):
        self.store.close()

    def segment(self, data, log="rows"):
        self.names += 1
        path = self.folder.root / "log" / log / f"{self.names:032x}-1.jsonl"
        path.write_bytes(data)
        return path

    def announce(self, model="digits"):
        schema = [["feature", "ink", "number"], ["tag", "site", "text"]]
        self.segment(
            line({"kind": "model", "name": model, "version": "1", "slices": ["site"], "time": BEGIN})
            + line({"kind": "schema", "model": model, "columns": schema, "time": BEGIN}),
            "graph",
        )

    def compact(self):
        return self.store.compact()

    def follow(self):
        return follow(self.folder, self.store._engine)

    def rows(self):
        """All rows of every kind, as a bag of (kind, values)."""
        found = Counter()
        for kind, query in COUNTED.items():
            for row in self.store.sql(query).rows():
                found[kind, json.dumps(row, sort_keys=True, default=str)] += 1
        return found

    def ids(self, view="predictions"):
        return Counter(row["id"] for row in self.store.sql(f"SELECT id FROM {view}").rows())

    def rejected(self):
        return self.store.sql("SELECT segment, line, reason, raw, rows FROM rejected ORDER BY id").rows()

    def whole_lines_rejected(self):
        return sum(row["rows"] for row in self.rejected() if WHOLE not in row["reason"])

    def features(self, model):
        return self.store.sql("SELECT * FROM predictions", model=model).rows()


@contextmanager
def new_ground():
    """A store for one example, with the model announced."""
    with tempfile.TemporaryDirectory(prefix="watchglass-fuzz-") as folder:
        made = Ground(Path(folder) / "store")
        try:
            made.announce()
            yield made
        finally:
            made.close()


def lines_of(data):
    """How many lines a segment has that must become a row or a reject: a torn end counts, a blank line does not, nor a header."""
    whole, torn = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1], data.rpartition(b"\n")[2]
    return sum(1 for raw in whole if raw.strip()) + bool(torn) - headers_of(data)


def headers_of(data):
    found = 0
    for raw in data.split(b"\n")[:-1]:
        try:
            event = json.loads(raw.decode())
        except (ValueError, RecursionError):
            continue
        found += isinstance(event, dict) and event.get("kind") == "batch"
    return found


def hold(ground, segments, neighbours):
    """Read, compact, count into cells and compact again: no crash, every line a row or a reject, neighbours whole, nothing twice."""
    for data in segments:
        ground.segment(data)
    before = ground.rows()
    wanted = {f"good-{number}": 1 for number in neighbours}
    ids = ground.ids()
    assert {ident: ids[ident] for ident in wanted} == wanted, "a good neighbour is not seen in the tail"
    ground.compact()
    after = ground.rows()
    assert after == before, "compaction changed what is seen"
    lines = sum(map(lines_of, segments))
    assert sum(after.values()) + ground.whole_lines_rejected() == lines, ground.rejected()
    assert all(row["raw"] is not None or row["rows"] for row in ground.rejected())
    ground.follow()
    rejected = ground.rejected()
    again = ground.compact()
    assert (again.segments, again.rows, again.rejected) == (0, 0, 0)
    assert ground.follow() == 0
    assert ground.rows() == after
    assert ground.rejected() == rejected
    for (model,) in {tuple(row.values()) for row in ground.store.sql("SELECT DISTINCT model FROM predictions").rows()}:
        ground.features(model)
