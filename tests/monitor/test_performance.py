"""Labelled accuracy: falls are found in the slice, intervals hold what they claim, recovery is told by rule."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.monitor.made import labels
from watchglass.monitor.accuracy import accuracy, change, recovered, wilson
from watchglass.monitor.performance import PerformanceMonitor, PerformanceState

HARBOUR, OFFICE = (("site", "harbour"),), (("site", "office"),)


def sites(chance, windows, fall_from=None, rows=40, before=0.95, after=0.7):
    rates = np.full(windows, before)
    if fall_from is not None:
        rates[fall_from:] = after
    harbour = (np.full(windows, rows), chance.binomial(rows, rates))
    office = (np.full(windows, rows), chance.binomial(rows, before, windows))
    whole = tuple(one + other for one, other in zip(harbour, office, strict=True))
    return labels({(): whole, HARBOUR: harbour, OFFICE: office}, delay=3)


def run(history, windows, delay=3):
    monitor = PerformanceMonitor(history, PerformanceState(30))
    return monitor, [found for window in range(windows) if (found := monitor.step(window, window + delay)) is not None]


@pytest.mark.parametrize("seed", range(5))
def test_a_fall_in_one_slice_is_found_there_with_its_onset(seed):
    monitor, found = run(sites(np.random.default_rng(seed), 80, fall_from=60), 80)
    first = next(finding for finding in found if finding.violated)
    assert first.slice in (HARBOUR, ())
    assert 60 <= first.window <= 65
    assert abs(first.onset - 60) <= 2
    assert HARBOUR in monitor.state.fallen
    assert OFFICE not in monitor.state.fallen
    assert sum(finding.violated and finding.slice == HARBOUR for finding in found) <= 1, "a fall is told once"


def test_a_rise_is_no_fall_and_false_alarms_are_rare():
    alarms = 0
    for seed in range(15):
        chance = np.random.default_rng(seed)
        alarms += any(finding.violated for finding in run(sites(chance, 100), 100)[1])
    assert alarms <= 4  # ≤ .1 each by the promise; more than 4 of 15 once in a hundred
    _, found = run(sites(np.random.default_rng(99), 80, fall_from=60, before=0.7, after=0.95), 80)
    assert not any(finding.violated for finding in found)


def test_after_recovery_the_next_fall_is_told_against_the_old_reference():
    chance = np.random.default_rng(3)
    rates = np.full(130, 0.95)
    rates[60:80] = rates[110:] = 0.7
    counts = (np.full(130, 60), chance.binomial(60, rates))
    monitor = PerformanceMonitor(labels({(): counts}), PerformanceState(30))
    told = []
    for window in range(130):
        found = monitor.step(window, window)
        if found is not None and found.violated:
            told.append(found.onset)
        if window == 90:
            monitor.state = PerformanceState.from_json(monitor.state.recover(90).to_json())
    assert len(told) == 2
    assert abs(told[0] - 60) <= 1
    assert abs(told[1] - 110) <= 1


def test_labels_not_known_yet_are_not_used():
    history = sites(np.random.default_rng(1), 70, fall_from=60)
    assert PerformanceMonitor(history, PerformanceState(30)).step(65, 60) is None
    labelled, correct = history.known_at(10)
    assert labelled[8:].sum() == 0
    assert (correct <= labelled).all()


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_intervals_of_a_change_cover_the_truth_although_days_differ(rho):
    covered = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        day = np.zeros(60)
        for window in range(1, 60):
            day[window] = rho * day[window - 1] + chance.normal(0, 0.06 * math.sqrt(1 - rho**2))
        correct = chance.binomial(50, np.clip(0.8 + day, 0, 1))
        rows = np.full(60, 50)
        found = change((rows[:30], correct[:30]), (rows[30:], correct[30:]))
        covered += found.low <= 0 <= found.high
    assert covered >= (186 if rho == 0 else 172)


def test_rows_alone_would_cover_far_less():
    narrow = 0
    for seed in range(100):
        chance = np.random.default_rng(seed)
        correct = chance.binomial(200, np.clip(0.8 + chance.normal(0, 0.08, 20), 0, 1))
        low, high = wilson(int(correct.sum()), 4000)
        honest = accuracy(np.full(20, 200), correct)
        narrow += high - low < 0.6 * (honest.high - honest.low)
    assert narrow > 90


def test_recovery_needs_three_labelled_windows_above_the_midpoint():
    before, during = accuracy(np.full(30, 40), np.full(30, 38)), accuracy(np.full(8, 40), np.full(8, 28))
    assert recovered(before, during, (np.array([40, 40, 40]), np.array([38, 37, 38])))
    assert not recovered(before, during, (np.array([40, 40, 40]), np.array([33, 34, 33])))
    assert not recovered(before, during, (np.array([40, 40]), np.array([40, 40])))
    assert not recovered(before, during, (np.array([40, 0, 40]), np.array([40, 0, 40])))


def test_nothing_labelled_gives_no_number():
    nothing = np.zeros(3, dtype=np.int64)
    assert math.isnan(accuracy(nothing, nothing).value)
    assert change((nothing, nothing), (nothing, nothing)).rows == 0
