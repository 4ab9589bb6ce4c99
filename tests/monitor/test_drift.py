"""The drift monitor keeps its promise about false alarms, finds what is planted, and never judges a window twice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.monitor.made import category, number
from watchglass.monitor.drift import DriftMonitor, DriftState


def run(columns, windows, reference=30, alarm=365.0):
    monitor = DriftMonitor(columns, DriftState.fresh(reference), windows_per_false_alert=alarm)
    found = [monitor.step(window) for window in range(windows)]
    return monitor, [finding for finding in found if finding is not None]


def days(chance, windows, rows=60, day_effect=0.0, rho=0.0):
    effect, made = 0.0, []
    for _ in range(windows):
        effect = rho * effect + chance.normal(0, day_effect * math.sqrt(1 - rho**2))
        made.append(chance.normal(effect, 1, rows))
    return made


@pytest.mark.parametrize(
    ("day_effect", "rho"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.5)], ids=["rows alone", "days differ", "days hang together"]
)
def test_false_alarms_stay_within_the_promise(day_effect, rho):
    """P(false alarm in 70 windows) ≤ 70 / 2T = .096 at T = 365; 15 runs with .096 give more than 4 once in a hundred."""
    alarms = 0
    for seed in range(15):
        chance = np.random.default_rng(seed)
        columns = [number(f"x{index}", days(chance, 100, day_effect=day_effect, rho=rho)) for index in range(2)]
        alarms += any(finding.violated for finding in run(columns, 100)[1])
    assert alarms <= 4


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_step_is_found_with_its_column_onset_and_size(seed):
    chance = np.random.default_rng(seed)
    moved = days(chance, 90, day_effect=0.1)
    for window in range(60, 90):
        moved[window] = moved[window] + 0.6
    monitor, found = run([number("still", days(chance, 90, day_effect=0.1)), number("moved", moved)], 90)
    first = next(finding for finding in found if finding.violated)
    assert 60 <= first.window <= 66
    assert abs(first.onset - 60) <= 2
    assert first.onset_low <= first.onset <= first.onset_high
    assert first.columns[0].name == "moved"
    assert first.columns[0].unit == "sd"
    assert first.columns[0].effect == pytest.approx(0.6, abs=0.2)
    assert first.columns[1].evidence < 1 <= first.columns[0].evidence
    assert 0 < first.columns[0].smallest < 0.6
    assert monitor.state == DriftState(first.onset, max(first.onset + 30, first.window + 1), 90, (0, 30, 30))


def test_a_change_that_keeps_mean_median_and_variance_is_found():
    chance = np.random.default_rng(4)
    before = [chance.normal(0, 1, 200) for _ in range(40)]
    after = [
        np.where(chance.random(200) < 0.5, 1, -1) * math.sqrt(0.9) + chance.normal(0, math.sqrt(0.1), 200)
        for _ in range(30)
    ]
    _, found = run([number("x", before + after)], 70)
    assert any(finding.violated and abs(finding.onset - 40) <= 2 for finding in found)


def test_values_that_go_missing_are_found_as_missing():
    chance = np.random.default_rng(5)
    made = days(chance, 60, rows=100)
    for window in range(40, 60):
        made[window][:10] = np.nan
    _, found = run([number("x", made)], 60)
    column = next(finding for finding in found if finding.violated).columns[0]
    assert (column.aspect, column.unit, column.before) == ("missing", "share", 0.0)
    assert column.after == pytest.approx(0.1)


def test_a_category_that_becomes_common_is_named():
    chance = np.random.default_rng(6)
    shares = np.where(np.arange(70)[:, None] < 45, [[0.5, 0.3, 0.15, 0.05]], [[0.4, 0.3, 0.15, 0.15]])
    counts = np.array([chance.multinomial(200, share) for share in shares])
    _, found = run([category("digit", "0123", counts)], 70)
    column = next(finding for finding in found if finding.violated).columns[0]
    assert (column.name, column.aspect, column.value) == ("digit", "share", "3")
    assert column.effect == pytest.approx(0.1, abs=0.04)


def test_a_value_never_seen_is_found_as_new():
    counts = np.tile([60, 40, 0], (60, 1))
    counts[45:] = [55, 35, 10]
    _, found = run([category("colour", ("blue", "green", "red"), counts)], 60)
    finding = next(finding for finding in found if finding.violated)
    assert finding.columns[0].aspect == "new values"
    assert abs(finding.onset - 45) <= 1


def test_no_window_is_judged_twice_and_the_state_survives_json():
    chance = np.random.default_rng(7)
    columns = [number("x", days(chance, 60))]
    whole, once = run(columns, 60)
    state, found = DriftState.fresh(30), []
    for window in range(60):
        monitor = DriftMonitor(columns, DriftState.from_json(state.to_json()))
        finding = monitor.step(window)
        assert monitor.step(window) is None
        state = monitor.state
        found += [finding] if finding else []
    assert state == whole.state
    assert [finding.window for finding in found] == [finding.window for finding in once] == list(range(30, 60))
    assert [finding.evidence for finding in found] == pytest.approx([finding.evidence for finding in once])


def test_a_day_without_rows_is_neither_judged_nor_learnt_from():
    chance = np.random.default_rng(8)
    made = days(chance, 60)
    made[10] = made[45] = np.array([])
    monitor, found = run([number("x", made)], 60)
    assert 45 not in [finding.window for finding in found]
    assert monitor.state.judged == 60


def test_too_few_reference_windows_arm_nothing_and_the_old_reference_can_be_put_back():
    chance = np.random.default_rng(9)
    made = [day if window % 2 else day[:2] for window, day in enumerate(days(chance, 60))]
    assert run([number("x", made)], 60)[1] == []
    state = DriftState(50, 80, 53, (0, 30, 30))
    assert not state.armed(60)
    assert state.put_back(70) == DriftState(0, 30, 71, None, 30, since=71)
    assert state.put_back(70).armed(71)
    assert DriftState.fresh(30).put_back(5) == DriftState.fresh(30)


def test_the_strip_reaches_one_exactly_at_the_alarm_and_goes_on_while_learning_anew():
    chance = np.random.default_rng(10)
    made = days(chance, 80)
    for window in range(50, 80):
        made[window] = made[window] + 0.4
    monitor, found = run([number("x", made)], 80)
    alarm = next(finding for finding in found if finding.violated)
    assert alarm.strip >= 0.99
    assert all(0 <= finding.strip < 1 for finding in found if finding.window < alarm.window)
    end = monitor.state.end
    learning = [finding for finding in found if alarm.window < finding.window < end]
    assert [finding.window for finding in learning] == list(range(alarm.window + 1, end))
    assert all(not finding.judged and not finding.violated and finding.columns == () for finding in learning)
    assert learning[-1].strip > 1, "held against the reference before"
    assert monitor.state.previous == (0, 30, 30)
