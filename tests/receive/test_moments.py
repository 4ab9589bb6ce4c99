from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchglass.errors import BadInput
from watchglass.receive.moments import latest, moment

NOW = 1_772_323_200_000_000
WHEN = "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    "value",
    [
        WHEN,
        "2026-03-01",
        "2026-03-01T01:00:00+01:00",
        1_772_323_200,
        1_772_323_200.0,
        "1772323200",
        NOW,
        float(NOW),
        str(NOW),
    ],
)
def test_the_same_time_however_it_is_said(value):
    assert moment(value, "time", latest()) == NOW


@pytest.mark.parametrize(
    "value",
    [
        1_772_323_200_000,
        "soon",
        True,
        None,
        [1],
        {},
        float("nan"),
        float("inf"),
        10**30,
        "9" * 400,
        "2999-01-01",
        -(10**17),
    ],
)
def test_what_is_no_time_is_refused_by_name(value):
    with pytest.raises(BadInput, match="started cannot be"):
        moment(value, "started", latest())


@given(st.integers(-(1 << 53), NOW))
def test_a_recorders_microseconds_are_taken_exactly(value):
    assert moment(value, "time", latest(), exact=True) == value


def test_exact_times_are_whole():
    assert moment(5.0, "time", latest(), exact=True) == 5
    with pytest.raises(BadInput, match="whole microseconds"):
        moment(1.5, "time", latest(), exact=True)
