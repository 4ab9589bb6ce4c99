from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchglass.capture.times import EPOCH, micros, now
from watchglass.errors import BadInput

zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31))


@settings(deadline=None)
@given(moments, zones)
def test_a_datetime_and_its_text_are_one_time(moment, zone):
    aware = moment.replace(tzinfo=zone)
    assert micros(aware) == micros(aware.isoformat()) == micros(aware.astimezone(UTC))
    assert EPOCH + timedelta(microseconds=micros(aware)) == aware


@settings(deadline=None)
@given(moments)
def test_no_offset_means_utc(moment):
    assert (
        micros(moment)
        == micros(moment.replace(tzinfo=UTC))
        == micros(moment.isoformat())
        == micros(moment.isoformat(" "))
    )


@settings(deadline=None)
@given(st.integers(-60_000_000_000, 90_000_000_000))
def test_epoch_seconds_are_exact(seconds):
    assert micros(seconds) == seconds * 1_000_000
    assert micros(float(seconds)) == seconds * 1_000_000


@settings(deadline=None)
@given(st.dates(min_value=date(2, 1, 1)))
def test_a_date_is_its_midnight(day):
    assert micros(day) == micros(day.isoformat()) == micros(datetime(day.year, day.month, day.day, tzinfo=UTC))


def test_other_libraries_scalars():
    expected = 1_772_323_200_000_000 + 1
    assert micros(np.datetime64("2026-03-01T00:00:00.000001")) == expected
    assert micros(np.datetime64("2026-03-01T00:00:00.000001000", "ns")) == expected
    assert micros(pd.Timestamp("2026-03-01T01:00:00.000001+01:00")) == expected
    assert micros(np.int64(1_772_323_200)) == expected - 1
    assert micros(np.float32(0.5)) == 500_000
    assert micros("2026-03-01T00:00:00.000001Z") == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "2026-13-01",
        float("nan"),
        float("inf"),
        True,
        [1],
        1_772_323_200_000,
        10**30,
        pd.NaT,
        np.datetime64("NaT", "s"),
        b"2026-01-01",
        1j,
    ],
    ids=repr,
)
def test_anything_else_is_told(value):
    with pytest.raises(BadInput, match=r"^started cannot be .*ISO 8601 text"):
        micros(value, "started")


def test_milliseconds_are_guessed():
    with pytest.raises(BadInput, match="milliseconds"):
        micros(1_772_323_200_000)


def test_now_is_now():
    assert abs(now() - micros(datetime.now(UTC))) < 5_000_000
