from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchglass.demo import images
from watchglass.demo.traffic import DAYS, Schedule

MONDAY = date(2026, 3, 2)


def same(one, other):
    return (
        one.ids == other.ids
        and all((getattr(one, n) == getattr(other, n)).all() for n in ("site", "channel", "digit", "raw", "request"))
        and (one.asked == other.asked).all()
        and (one.labelled == other.labelled).all()
    )


def test_a_day_is_the_same_whenever_it_is_asked_for_and_another_with_another_seed_or_number():
    one = images.arrivals(3, 5, MONDAY)
    images.arrivals(3, 6, MONDAY)
    assert same(one, images.arrivals(3, 5, MONDAY))
    assert not np.array_equal(one.raw, images.arrivals(3, 6, MONDAY).raw)
    assert not np.array_equal(one.raw, images.arrivals(4, 5, MONDAY).raw)


@pytest.mark.parametrize("seed", range(3))
def test_enough_comes_each_day_from_each_site(seed):
    schedule = Schedule()
    days = [schedule.arrivals(seed, number) for number in range(DAYS)]
    a_day = [len(day.ids) for day in days]
    assert sum(a_day) >= 24_000
    assert min(a_day) >= 200
    assert max(a_day) <= 280
    assert min(np.bincount(day.site, minlength=len(images.SITES)).min() for day in days) >= 40
    assert len({ident for day in days for ident in day.ids}) == sum(a_day), "an id was given twice"
    mondays = [n for n, day in zip(a_day, days, strict=True) if day.day.weekday() == 0]
    sundays = [n for n, day in zip(a_day, days, strict=True) if day.day.weekday() == 6]
    assert np.mean(mondays) > np.mean(sundays) * 1.05


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_a_request_is_of_one_site_one_channel_and_one_time_and_truth_comes_one_to_three_days_later(seed, number, day):
    found = images.arrivals(seed, number, day)
    assert set(found.request) == set(range(found.request.max() + 1))
    for request in range(found.request.max() + 1):
        members = found.request == request
        assert 1 <= members.sum() <= images.IMAGES_A_REQUEST
        for column in (found.site, found.channel, found.asked):
            assert len(set(column[members])) == 1
    late = found.labelled - found.asked
    assert late.min() >= 24 * 3600
    assert late.max() < images.LABEL_DELAY.total_seconds()
    assert found.raw.max() <= images.FULL
    assert found.asked.min() >= 0
    assert found.asked.max() < 24 * 3600
    assert found.moment(found.asked[0]).date() == day


def test_some_digits_are_labelled_later_than_others():
    found = images.arrivals(0, 0, MONDAY)
    late = found.labelled - found.asked
    assert late[found.digit == 8].mean() > late[found.digit == 1].mean() + 12 * 3600


def test_what_is_served_was_not_trained_on(monkeypatch):
    train, served = images._split(1)
    assert len(train) == images.TRAINING
    assert len(np.union1d(train, served)) == 1797
    assert len(np.intersect1d(train, served)) == 0
    drawn = images._drawn(1, 2000, None, np.random.default_rng(0))
    assert np.isin(drawn, served).all()


@pytest.mark.parametrize("digit", [0, 6])
def test_a_digit_becomes_common_at_all_sites(digit):
    before, after = (
        [images.arrivals(1, number, MONDAY, common=common) for number in range(20)] for common in (None, (digit, 0.3))
    )
    for site in range(len(images.SITES)):
        usual, common = (
            np.mean(np.concatenate([day.digit[day.site == site] for day in days]) == digit) for days in (before, after)
        )
        assert 0.06 < usual < 0.14
        assert 0.25 < common < 0.35


def test_channels_are_unevenly_spread_and_most_of_scanner_is_harbour():
    days = [images.arrivals(2, number, MONDAY + timedelta(days=number)) for number in range(30)]
    site, channel = (np.concatenate([getattr(day, name) for day in days]) for name in ("site", "channel"))
    harbour = [one.name for one in images.SITES].index("harbour")
    shares = [np.mean(site[channel == place] == harbour) for place in range(len(images.CHANNELS))]
    assert shares[images.CHANNELS.index("scanner")] > 0.5
    assert max(share for share, name in zip(shares, images.CHANNELS, strict=True) if name != "scanner") < 0.25
