from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchglass.capture import encode


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Mood(str, Enum):  # noqa: UP042 - the older way is met in the wild
    GOOD = "good"


class Silent:
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


class Word(str):  # noqa: SLOT000 - a subclass as met in the wild
    pass


@dataclass
class Point:
    x: float
    y: object


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.uuids()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | st.binary(max_size=4)
    | st.sampled_from(
        [
            Colour.RED,
            Level.HIGH,
            Mood.GOOD,
            Word("w"),
            np.float32(0.1),
            np.float64("nan"),
            np.int64(7),
            np.bool_(True),
            np.str_("s"),
            pd.NaT,
            pd.NA,
        ]
    )
)
keys = (
    st.text(st.characters())
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats()
    | st.sampled_from([Level.HIGH, Mood.GOOD, np.int64(4), Word("k")])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(st.integers() | st.text(max_size=3), max_size=3)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def without_orjson():
    """Encode as a process does that has no orjson."""
    return encode._portable


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the tables of all characters are built once
@given(st.dictionaries(st.text(st.characters(), max_size=5), values, max_size=5))
def test_with_and_without_orjson_the_line_says_the_same(without_orjson, event):
    assert encode.orjson is not None
    with_it, without = encode.line(event), without_orjson(event)
    assert json.loads(with_it) == json.loads(without)
    for made in (with_it, without):
        assert made.endswith(b"\n")
        assert made.count(b"\n") == 1
        made.decode()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
        max_leaves=20,
    )
)
def test_what_json_has_comes_back(value):
    assert json.loads(encode.line({"value": value})) == {"value": value}
    assert json.loads(encode.canonical(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32(0.5), 0.5),
        (np.float64("inf"), None),
        (np.int8(-3), -3),
        (np.bool_(False), False),
        (np.array([1.0, float("nan")]), [1.0, None]),
        (np.array(3), 3),
        (np.datetime64("2026-03-01"), "2026-03-01"),
        (np.datetime64("NaT", "s"), None),
        (pd.Timestamp("2026-03-01T12:00:00+00:00"), "2026-03-01T12:00:00+00:00"),
        (pd.NaT, None),
        (pd.NA, None),
        (pl.Series([1, None]), [1, None]),
        (datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1))), "2026-03-01T12:00:00+01:00"),
        (date(2026, 3, 1), "2026-03-01"),
        (time(12, 30), "12:30:00"),
        (Decimal("1.25"), 1.25),
        (Fraction(1, 4), 0.25),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("a/b"), "a/b"),
        (b"ab", "b'ab'"),
        ({3, 1}, [1, 3]),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Mood.GOOD, "good"),
        (Point(1.0, {2}), {"x": 1.0, "y": [2]}),
        (Silent(), "<Silent without text>"),
        (Point, str(Point)),
        ("\ud83d", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        (2**70, 2**70),
        (2**20000, hex(2**20000)),
        (
            {1: "a", None: "b", False: "c", 0.5: "d", np.int64(4): "e"},
            {"1": "a", "false": "c", "null": "b", "0.5": "d", "4": "e"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_lacks_is_written_by_what_it_can_do(value, written):
    assert json.loads(encode.line({"v": value}))["v"] == written
    assert json.loads(encode._portable({"v": value}))["v"] == written


def test_what_holds_itself_or_is_too_deep_is_written_somehow():
    loop: dict[str, object] = {}
    loop["self"] = loop
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    for value in (loop, deep):
        assert json.loads(encode.line({"v": value})) == json.loads(encode._portable({"v": value}))
