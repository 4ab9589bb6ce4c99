"""The exact detector keeps P(false alarm by t) ≤ t / 2T for any dependence, sees steps, and replays to the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import binom, kstest

from tests.monitor.made import number
from watchglass.monitor import conformal
from watchglass.monitor.drift import DriftMonitor, DriftState, onset_interval

COLUMNS = 4


def one_column_four_times(chance, windows):
    return np.repeat(chance.normal(size=(windows, 1)), COLUMNS, axis=1)


def mirrored(chance, windows):
    one = chance.standard_t(2, size=(windows, 1))
    return np.hstack([one, -one, one**3, np.abs(one)])


def few_values(chance, windows):
    return chance.integers(0, 3, (windows, COLUMNS)).astype(float)


def independent_and_heavy(chance, windows):
    return chance.pareto(0.5, (windows, COLUMNS))


def one_level_for_all_windows(chance, windows):
    """Exchangeable, not independent: a level drawn once is common to all windows."""
    return chance.normal(0, 50) + chance.normal(size=(windows, 1)) * chance.normal(size=COLUMNS)


def with_windows_that_tell_nothing(chance, windows):
    made = chance.normal(size=(windows, COLUMNS))
    made[chance.random(made.shape) < 0.3] = np.nan
    return made


@pytest.mark.parametrize(
    "draw",
    [
        one_column_four_times,
        mirrored,
        few_values,
        independent_and_heavy,
        one_level_for_all_windows,
        with_windows_that_tell_nothing,
    ],
)
def test_false_alarms_stay_within_the_promise_whatever_the_dependence(draw):
    """With T = 40 and t = 24 the promise is .3; of 150 runs more than its 99.9 % limit would break it."""
    runs, windows, reference, T = 150, 24, 12, 40.0
    alarm, alarms = math.log(2 * T * COLUMNS), 0
    for seed in range(runs):
        made = draw(np.random.default_rng(seed), reference + windows)
        running = conformal.begin(conformal.learn(made[:reference], seed=seed))
        for window in made[reference:]:
            running = conformal.step(running, window)
            if conformal.log_sr(running).max() >= alarm:
                alarms += 1
                break
    assert alarms <= binom.ppf(0.999, runs, windows / (2 * T))


def test_p_values_of_exchangeable_windows_are_uniform_also_with_ties():
    chance = np.random.default_rng(1)
    found = [
        conformal.p_values(made[:-1], made[-1], seed)[0]
        for seed in range(2000)
        for made in [few_values(chance, 9)[:, :1]]
    ]
    assert kstest(found, "uniform").pvalue > 0.001


def test_every_bet_is_worth_one_on_average():
    for place in range(len(conformal.KAPPAS)):
        worth, _ = quad(lambda p, place=place: math.exp(conformal.log_bets(np.array([p]))[place, 0]), 0, 1, limit=500)
        assert worth == pytest.approx(1, abs=0.05)
        assert worth <= 1.0001


@pytest.mark.parametrize("seed", range(3))
def test_a_step_is_found_with_its_column_and_its_onset_inside_the_interval(seed):
    chance = np.random.default_rng(seed)
    made = chance.normal(size=(90, 3))
    made[70:, 1] += 4
    running = conformal.begin(conformal.learn(made[:60]))
    alarms = []
    for values in made[60:]:
        running = conformal.step(running, values)
        alarms.append(conformal.log_sr(running).max() >= math.log(2 * 365 * 3))
    window = alarms.index(True)
    running = conformal.begin(conformal.learn(made[:60]))
    for values in made[60 : 60 + window + 1]:
        running = conformal.step(running, values)
    found = conformal.standing(running)
    low, onset, high = onset_interval(found, 1)
    assert 10 < window < 20
    assert found.log_sr.argmax() == 1
    assert low <= onset <= high
    assert low <= 10 <= high, "one lucky window before the step moves the best start, not the interval off the true one"


def finite(shape):
    return arrays(np.float64, shape, elements=st.sampled_from([-1e300, -2.0, 0.0, 0.5, 3.0, 1e300, np.inf, np.nan]))


@given(finite((6, 2)), finite((5, 2)), st.integers(0, 2**32))
@settings(deadline=None)
def test_the_sum_over_starts_is_the_recursion_and_a_replay_gives_the_same_numbers(reference, monitored, seed):
    found = conformal.evidence(conformal.learn(reference, seed=seed), monitored)
    again = conformal.evidence(conformal.learn(reference, seed=seed), monitored)
    assert np.array_equal(found.log_bf, again.log_bf)
    assert np.array_equal(found.log_sr, again.log_sr)
    assert not np.isnan(found.log_sr).any()
    assert np.logaddexp.reduce(found.log_bf, axis=0) == pytest.approx(found.log_sr)
    assert found.starts.tolist() == list(range(5))


@given(finite((6, 2)), finite((5, 2)))
@settings(deadline=None)
def test_only_the_order_of_values_counts(reference, monitored):
    def bent(values):
        with np.errstate(invalid="ignore"):
            return np.arctan(
                np.where(np.abs(values) < 1e299, values, np.sign(values) * np.where(np.isinf(values), 9e9, 8e3))
            )

    plain = conformal.evidence(conformal.learn(reference), monitored)
    assert conformal.evidence(conformal.learn(bent(reference)), bent(monitored)).log_sr == pytest.approx(plain.log_sr)


def test_a_functional_that_is_never_told_says_nothing():
    made = np.full((20, 1), np.nan)
    found = conformal.evidence(conformal.learn(made[:10]), made[10:])
    assert found.log_bf.tolist() == [[0.0]] * 10
    assert found.log_sr[0] == pytest.approx(math.log(10))


def test_a_monitor_with_the_exact_guarantee_finds_a_step_and_goes_on_from_its_state_with_the_same_numbers():
    chance = np.random.default_rng(3)
    columns = [number("x", [chance.normal(2.0 * (window >= 50), 1, 60) for window in range(70)])]
    whole = DriftMonitor(columns, DriftState.fresh(40), guarantee="exact")
    once = [whole.step(window) for window in range(70)]
    state, again = DriftState.fresh(40), []
    for window in range(70):
        monitor = DriftMonitor(columns, DriftState.from_json(state.to_json()), guarantee="exact")
        again.append(monitor.step(window))
        state = monitor.state
    assert state == whole.state
    assert [item and item.evidence for item in again] == pytest.approx([item and item.evidence for item in once])
    first = next(item for item in once if item is not None and item.violated)
    assert 50 <= first.window < 65
    assert abs(first.onset - 50) <= 1
