from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchglass.records import Estimate
from watchglass.show import words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.904, "0.904"),
        (0.9996, "1.00"),
        (9.996, "10.0"),
        (1160, "1 160"),
        (12437, "12 400"),
        (-2.5, "−2.50"),
        (0.000012, "1.20e−05"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_a_number_has_three_significant_digits(value, said):
    assert words.number(value).replace(words.NBSP, " ") == said


@given(st.floats(min_value=1e-4, max_value=1e8))
def test_a_written_number_is_within_half_a_digit_of_the_number(value):
    read = float(words.number(value).replace(words.NBSP, ""))
    assert abs(read - value) <= 0.0051 * value


@given(st.text(max_size=80), st.integers(min_value=6, max_value=40))
def test_a_cut_name_fits_and_keeps_its_ends(name, width):
    shown = words.cut(name, width)
    assert len(shown) <= width
    if len(name) > width:
        assert name.startswith(shown.split("…")[0][:1])
        assert name.endswith(shown[-1])
    else:
        assert shown == name


def test_an_interval_of_nothing_is_nothing():
    assert words.interval(None) == ""
    assert words.interval(Estimate(math.nan, math.nan, math.nan, 0)) == ""


def test_times_are_told_in_utc_wherever_they_come_from():
    local = datetime(2026, 6, 12, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    assert words.moment(local) == "2026-06-11 20:30Z"
    assert words.day(local) == "2026-06-11"
    assert words.date(local) == "11 June"
    assert words.iso(local) == "2026-06-11T20:30:00+00:00"


def test_days_of_different_months_and_years_are_named_in_full():
    may, june = datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC)
    assert words.days_between(may, june) == "31 May and 2 June"
    assert words.days_between(datetime(2025, 12, 31, tzinfo=UTC), may) == "31 December 2025 and 31 May 2026"


def test_none_is_a_dash_and_never_a_zero():
    assert {words.moment(None), words.day(None), words.date(None), words.lag(None), words.percent(None)} == {"–"}
    assert {words.lag(math.nan), words.percent(math.nan), words.count(math.nan), words.signed(math.nan)} == {"–"}


def test_evidence_is_told_in_units_of_the_alarm():
    assert words.times_alarm(5.64) == "5.64 times the alarm level"
    assert words.times_alarm(math.inf) == "far beyond the alarm level"
    assert words.times_alarm(None) == "evidence not kept"
