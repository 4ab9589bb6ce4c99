"""A small store whose every answer can be counted by hand."""

from __future__ import annotations

import json

import pytest

from tests.store.bench import BEGIN, DAY, Bench
from watchglass.store.models import moment
from watchglass.store.questions.answering import answer

HOUR = DAY // 24
NOW = moment(BEGIN + 10 * DAY)


class Asking(Bench):
    """A bench that answers questions."""

    def told(self, name, /, **values):
        return answer(self.folder, self.engine, name, values, NOW).rows()

    def run(self, identity, component, *, at, version="1", read=(), wrote=(), status="ok", error=None, seconds=60):
        """Record a run with what it read and wrote, as (name, version)."""
        code = {"function": f"pipeline.{component}", "source_hash": "0123456789ab", "commit": "c0ffee"}
        events = [
            {
                "kind": "run",
                "id": identity,
                "component": component,
                "version": version,
                "started": at,
                "ended": at + seconds * 1_000_000,
                "status": status,
                "error": error,
                "code": code,
                "host": "h1",
                "time": at,
            }
        ]
        events += [_edge("read", identity, *item, at) for item in read]
        events += [_edge("write", identity, *item, at + 1) for item in wrote]
        self.write("graph", events)


def _edge(kind, run, name, version, at):
    return {"kind": kind, "run": run, "name": name, "version": version, "rule": "content", "time": at}


def served(number, prediction, *, day=0, version="1", site="harbour", **fields):
    """A prediction of model digits; its id is p<number>."""
    event = {
        "kind": "prediction",
        "model": "digits",
        "id": f"p{number}",
        "time": BEGIN + day * DAY + number * 1_000_000,
    }
    event |= {"version": version, "features": {"ink": float(number), "pen": "blue"}, "prediction": prediction}
    return {
        **event,
        "score": 0.9,
        "tags": {"site": site, "customer": f"u{number % 2}"},
        "environment": "live",
        **fields,
    }


def truth(number, label, *, at, **fields):
    """A label that came `at` hours after the beginning."""
    return {"kind": "label", "model": "digits", "id": f"p{number}", "label": label, "time": BEGIN + at * HOUR, **fields}


@pytest.fixture
def store(tmp_path):
    made = Asking(tmp_path / "store")
    features, tags = (("ink", "number"), ("pen", "text")), ("site", "customer")
    made.model("digits", slices=("site",), features=features, tags=tags)
    yield made
    made.close()


@pytest.fixture
def labelled(store):
    """Eight predictions on two days by two versions; version 2 was trained on bad rows and is wrong in half of them.

    Half of the rows are in the tables, the newest still in the log; p7 has no label, p1's was corrected.
    """
    store.run("clean-1", "clean", at=BEGIN - 5 * HOUR, wrote=[("rows", "good")])
    store.run("train-1", "train", at=BEGIN - 4 * HOUR, read=[("rows", "good")], wrote=[("model", "m1")])
    store.run("clean-2", "clean", at=BEGIN + 20 * HOUR, version="2", wrote=[("rows", "bad")])
    store.run("train-2", "train", at=BEGIN + 21 * HOUR, read=[("rows", "bad")], wrote=[("model", "m2")])
    store.run("serve-1", "serve", at=BEGIN - HOUR, read=[("model", "m1")])
    for version in ("1", "2"):
        event = {
            "kind": "model",
            "name": "digits",
            "version": version,
            "run": f"train-{version}",
            "slices": ["site"],
            "time": BEGIN,
        }
        store.write("graph", [event])
    first = [served(n, said, run="serve-1", latency=0.1 * (n + 1)) for n, said in enumerate(["a", "a", "b", "b"])]
    store.write(
        "rows",
        [
            *first,
            truth(0, "a", at=2),
            truth(1, "b", at=2),
            truth(1, "a", at=5),
            truth(2, "b", at=4),
            truth(3, "b", at=6),
        ],
    )
    store.compact()
    store.follow()
    second = [
        served(
            n, said, day=1, version="2", site="quay", score=0.99 if n == 5 else 0.6, error="Timeout" if n == 6 else None
        )
        for n, said in ((4, "a"), (5, "a"), (6, "b"), (7, "b"))
    ]
    store.write("rows", [*second, truth(4, "a", at=30), truth(5, "b", at=31), truth(6, "b", at=33)])
    return store


def counted(store):
    """Bring all rows into tables and cells."""
    store.compact()
    store.follow()
    return store


def plain(rows):
    """Rows as JSON has them, for comparing times and dates."""
    return json.loads(json.dumps(rows, default=str))
