"""Lines that are far too long, too wide or too deep: taken, or rejected with what their raw line began with; neighbours whole."""

from __future__ import annotations

import json

import pytest

from tests.fuzz.ground import BEGIN, good, hold, line, new_ground
from tests.fuzz.hostile import with_field
from tests.fuzz.limits import LONG

MEGA = 1 << 20
WIDTH = 4500 if LONG else 500  # 4,000 is the most that is parsed into typed columns
RAW_KEPT = 100_000


def event(**fields):
    about = {"kind": "prediction", "model": "digits", "id": "large", "time": BEGIN, "features": {"ink": 1.0}}
    return {**about, **fields}


LARGE = {
    "a feature of 10 MB": lambda: line(event(features={"ink": "x" * 10 * MEGA})),
    "a tag of 10 MB": lambda: line(event(tags={"site": "x" * 10 * MEGA})),
    "a prediction of 10 MB": lambda: line(event(prediction="x" * 10 * MEGA)),
    "an id of 10 MB": lambda: line(event(id="x" * 10 * MEGA)),
    "10 MB of escapes": lambda: line(event(prediction="\x01" * 2 * MEGA)),
    "a line of 40 MB": lambda: line(event(prediction="x" * 40 * MEGA)),
    "a line of 70 MB": lambda: line(event(prediction="x" * 70 * MEGA)),
    "10 MB of nothing": lambda: b" " * 10 * MEGA + b"\n",
    "10 MB of null bytes": lambda: b"\0" * 10 * MEGA + b"\n",
    "10 MB of brackets": lambda: b"[" * 10 * MEGA + b"\n",
    "a number of 1 MB": lambda: with_field("prediction", "score", b"9" * MEGA),
    "100,000 deep": lambda: with_field("prediction", "features", b'{"ink":' * 100_000 + b"1" + b"}" * 100_000),
    "20,000 keys outside": lambda: line({**{f"k{n}": n for n in range(20_000)}, **event()}),
    "one key 20,000 times": lambda: with_field(
        "prediction", "features", b"{" + b",".join([b'"ink":1'] * 20_000) + b"}"
    ),
    "an own key twice": lambda: line(event())[:-2] + b',"id":"again","model":"digits"}\n',
}


@pytest.mark.parametrize("made", LARGE.values(), ids=LARGE)
def test_a_large_line_costs_only_itself(made):
    with new_ground() as ground:
        data = made()
        hold(ground, [good(1) + data + good(2), good(3)], [1, 2, 3])
        for row in ground.rejected():
            assert row["raw"]
            assert len(row["raw"]) <= 4 * RAW_KEPT + 1000


def test_very_many_features_are_kept_and_can_be_asked_for():
    with new_ground() as ground:
        wide = {f"column {n}": n / 2 for n in range(WIDTH)}
        hold(ground, [line(event(model="wide", features=wide)), good(1)], [1])
        (row,) = ground.store.sql("SELECT features FROM predictions WHERE model = 'wide'").rows()
        assert json.loads(row["features"]) == wide


def test_many_models_in_one_segment_are_kept_apart():
    with new_ground() as ground:
        hold(ground, [b"".join(good(n, model=f"model {n}") for n in range(60))], range(60))
        query = "SELECT count(DISTINCT model) AS n FROM predictions"
        assert ground.store.sql(query).rows() == [{"n": 60}]
        assert ground.store.sql("SELECT features FROM predictions WHERE model = 'model 59'").rows() == [
            {"features": json.dumps({"ink": 59 / 8}, separators=(",", ":"))}
        ]
