"""What the calendar or the volume explains raises nothing, and a step in it is still found."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.monitor.made import number
from watchglass.monitor import ted
from watchglass.monitor.drift import DriftMonitor, DriftState
from watchglass.monitor.seasons import Seasons, affordable, covariates

FIRST = date(2026, 1, 5)
HOLIDAYS = frozenset({FIRST + timedelta(days=20), FIRST + timedelta(days=60)})


def calendar(windows):
    return [FIRST + timedelta(days=window) for window in range(windows)]


def weekly(chance, windows, rows=80):
    """Make days whose Saturdays and Sundays lie two standard deviations higher."""
    return [chance.normal(2.0 if day.weekday() > 4 else 0.0, 1, rows) for day in calendar(windows)]


def judged(made, covariates, windows_per_false_alert=365.0):
    monitor = DriftMonitor(
        [number("x", made)],
        DriftState.fresh(42),
        windows_per_false_alert=windows_per_false_alert,
        covariates=covariates,
    )
    return [found for window in range(len(made)) if (found := monitor.step(window)) is not None]


@pytest.mark.parametrize("seed", range(4))
def test_weeks_alone_raise_nothing(seed):
    made = weekly(np.random.default_rng(seed), 120)
    known = covariates(Seasons(weekdays=True), calendar(120), np.full(120, 80.0))
    assert not any(found.violated for found in judged(made, known))


@pytest.mark.parametrize("seed", range(3))
def test_a_step_inside_the_weeks_is_found_sooner_than_without_knowing_them(seed):
    made = weekly(np.random.default_rng(seed), 90)
    for window in range(60, 90):
        made[window] = made[window] + 0.8
    known = covariates(Seasons(weekdays=True), calendar(90), np.full(90, 80.0))
    with_weeks, without = ([found.window for found in judged(made, about) if found.violated] for about in (known, None))
    assert 60 <= with_weeks[0] <= 67
    assert with_weeks[0] < (without or [90])[0]


def test_a_holiday_raises_nothing():
    chance = np.random.default_rng(3)
    made = [chance.normal(5.0 if day in HOLIDAYS else 0.0, 1, 80) for day in calendar(80)]
    known = covariates(Seasons(holidays=HOLIDAYS), calendar(80), np.full(80, 80.0))
    plain, allowed = (judged(made, about) for about in (None, known))
    strongest = max(found.evidence for found in plain)
    assert max(found.evidence for found in allowed) < strongest
    assert not any(found.violated for found in allowed)


@given(st.booleans(), st.sets(st.sampled_from(calendar(50))), st.booleans(), st.integers(0, 3), st.integers(0, 60))
@settings(deadline=None)
def test_covariates_begin_with_a_constant_and_are_numbers(weekdays, holidays, volume, harmonics, reference):
    seasons = Seasons(weekdays, frozenset(holidays), volume, harmonics)
    found = covariates(seasons, calendar(50), np.arange(50.0))
    assert found.shape == (50, 1 + 6 * weekdays + bool(holidays) + volume + 2 * harmonics)
    assert (found[:, 0] == 1).all()
    assert np.isfinite(found).all()
    kept = affordable(found, reference)
    assert 1 <= kept.shape[1] <= max(1, reference // 3)


@given(st.integers(0, 1000), st.integers(1, 4), st.floats(-1, 1), st.floats(0.5, 2))
@settings(deadline=None, max_examples=15)
def test_other_covariates_of_the_same_span_give_the_same_evidence(seed, p, shift, scale):
    """The evidence hangs on what the covariates span, not on how they are written."""
    chance = np.random.default_rng(seed)
    z = chance.normal(size=(60, 3))
    x = np.hstack([np.ones((60, 1)), chance.normal(size=(60, p))])
    turned = x @ (np.eye(p + 1) + (scale - 1) * np.diag(np.arange(p + 1) > 0) + shift * np.eye(p + 1, k=1))

    def weighed(known):
        learnt = ted.learn(z[:40], np.full(3, 0.1), circumstances=ted.Circumstances(known[:40]))
        return ted.evidence(learnt, z[40:], circumstances=ted.Circumstances(known))

    one, other = weighed(x), weighed(turned)
    assert other.log_bf == pytest.approx(one.log_bf, abs=1e-4)


def test_a_window_of_few_rows_counts_for_less_where_volumes_vary():
    chance = np.random.default_rng(5)
    z = chance.normal(size=(70, 1))
    z[60:] += 3
    rows = np.full(70, 900.0)
    learnt = ted.learn(z[:60], np.array([1.0]))
    about = ted.Circumstances.none(70)
    full = ted.evidence(learnt, z[60:], circumstances=about).log_sr[0]
    assert ted.evidence(learnt, z[60:], circumstances=ted.Circumstances(about.covariates, rows)).log_sr[0] == full
    rows[60:] = 30.0
    less = ted.evidence(learnt, z[60:], circumstances=ted.Circumstances(about.covariates, rows)).log_sr[0]
    assert less < full - 5


@pytest.mark.parametrize("seed", range(5))
def test_days_of_very_different_volume_raise_nothing(seed):
    chance = np.random.default_rng(seed)
    volumes = np.where(np.arange(120) < 60, chance.integers(200, 400, 120), chance.integers(6, 40, 120))
    assert not any(found.violated for found in judged([chance.normal(0, 1, rows) for rows in volumes], None))


def test_a_functional_that_some_windows_do_not_tell_is_judged_by_the_others():
    chance = np.random.default_rng(6)
    z = chance.normal(size=(90, 2))
    z[70:, 0] += 4
    z[chance.random(90) < 0.3, 0] = np.nan
    z[:, 1] = np.nan
    found = ted.evidence(ted.learn(z[:60], np.full(2, 0.1)), z[60:])
    assert found.log_sr[0] > np.log(2 * 365 * 2)
    assert abs(int(found.starts[found.log_bf[:, 0].argmax()]) - 10) <= 5, (
        "windows before the step are among those untold"
    )
    assert found.log_bf[:, 1].tolist() == [0.0] * len(found.starts)
