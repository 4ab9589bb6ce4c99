"""Values that were made to hurt: none raises into the caller, none spoils its line or a neighbour's."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import watchglass as wg
from watchglass.capture import encode, recorder


class Angry:
    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __str__(self):
        raise ValueError

    __repr__ = __str__


class Trap(dict):
    def __init__(self):
        super().__init__(a=1)

    def __iter__(self):
        raise RuntimeError

    keys = items = __iter__


class Rabbits:
    """Holds two new ones each time it is asked."""

    def tolist(self):
        return [Rabbits(), Rabbits()]


def circle():
    found: list[object] = []
    found += [found, found, {"again": found}]
    return found


def deep(levels):
    found: object = 1
    for number in range(levels):
        found = [found] if number % 2 else {"d": found}
    return found


# Made when asked for: a test's own machinery would stumble over some of them.
HOSTILE = [
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: 2**80,
    lambda: -(2**64),
    lambda: 10**5000,
    lambda: "\ud800",
    lambda: "a\0b",
    lambda: "line\nbreak\r\u2028",
    lambda: b"\xff\x00",
    lambda: bytearray(b"x"),
    lambda: {1: "a", "1": "b"},
    lambda: {None: 1, True: 2, (1, 2): 3, b"k": 4, "\udfff": 5},
    lambda: {"": {"": ""}},
    lambda: {1, "a"},
    Angry,
    lambda: {Angry(): Angry()},
    Trap,
    Rabbits,
    circle,
    lambda: deep(300),
    lambda: deep(10_000),
    lambda: Angry,
    object,
    lambda: ...,
    lambda: range(3),
    lambda: memoryview(b"ab"),
    lambda: lambda: 1,
    lambda: (value for value in "ab"),
]
hostile = st.recursive(
    st.sampled_from(HOSTILE) | st.text(st.characters()) | st.floats() | st.integers() | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=3) | st.integers() | st.none() | st.binary(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


def made(drawn):
    """Make what was drawn: hypothesis itself would stumble over some of it."""
    if callable(drawn):
        return drawn()
    if isinstance(drawn, list):
        return [made(entry) for entry in drawn]
    return {key: made(entry) for key, entry in drawn.items()} if isinstance(drawn, dict) else drawn


def strict(data):
    """Read JSON as a reader without Python's liberties does: no NaN."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(data, parse_constant=refuse)


@pytest.fixture
def fresh(logs):
    """Read the rows that came since it was last asked: a log of large lines is not read anew for each example."""
    known = {}

    def read():
        found = []
        for path in logs.segments("rows"):
            with path.open("rb") as lines:
                lines.seek(known.get(path, 0))
                data = lines.read()
                known[path] = lines.tell()
            assert data == b"" or data.endswith(b"\n"), f"{path.name} ends in the middle of a line"
            found += map(json.loads, data.splitlines())
        return found

    return read


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(hostile, hostile, st.dictionaries(st.text(st.characters(), max_size=4), hostile, max_size=3))
def test_nothing_is_raised_and_every_line_is_whole(fresh, prediction, latency, features):
    prediction, latency, features = made(prediction), made(latency), made(features)
    wg.log_prediction("m", features={**features, "v": prediction}, prediction=prediction, tags={"t": latency})
    wg.log_label("m", "id", prediction)
    wg.log_prediction("m", id="good", features={"x": 1.5}, prediction=1)
    rows = fresh()
    labelled = encode.plain(prediction) is not None  # one that is none would take back what was said
    assert [row["kind"] for row in rows] == ["prediction", *["label"] * labelled, "prediction"]
    assert rows[-1]["id"] == "good"
    assert rows[-1]["features"] == {"x": 1.5}


@pytest.mark.parametrize("make", HOSTILE)
def test_each_becomes_one_line_of_strict_json(make):
    for made in (encode.line({"v": make()}), encode._portable({"v": make()})):
        assert made.count(b"\n") == 1
        assert set(strict(made)) == {"v"}


def test_ten_megabytes_are_recorded_and_more_than_sixteen_dropped(logs, lost):
    assert wg.log_prediction("m", id="large", features={"text": "x" * 10_000_000}, prediction=1)
    assert wg.log_prediction("m", id="too large", features={"text": "x" * 16_000_000}, prediction=1)
    assert wg.log_prediction("m", id="after", features={"text": "x"}, prediction=1)
    assert [row["id"] for row in logs.rows()] == ["large", "after"]
    assert lost() == {"too large": 1}


def test_features_that_cannot_be_read_are_left_out_and_counted(logs, lost):
    wg.log_prediction("m", id="odd", features=Trap(), prediction=1)
    wg.log_prediction("m", id="even", features={"x": 1}, prediction=1)
    assert [(row["id"], row["features"]) for row in logs.rows()] == [("odd", {}), ("even", {"x": 1})]
    assert lost() == {"encode": 1}


def test_hostile_names_are_told_not_raised_as_something_else(logs):
    for name in (Angry(), Trap(), b"", "", [], float("nan")):
        with pytest.raises(wg.WatchglassError):
            wg.log_prediction(name, prediction=1)
    assert recorder.current().row({"kind": "label", "id": Angry()})
