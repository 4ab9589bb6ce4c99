"""Whatever lies in the windows, a monitor judges or says why not: never a crash, never a number that is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.monitor.made import category, number
from watchglass.monitor import spike
from watchglass.monitor.batches import BOUNDED, batch_table, families
from watchglass.monitor.drift import DriftMonitor, DriftState

WINDOWS, REFERENCE = 40, 30


def rows(kind, chance):
    """Make the values of one window."""
    return {
        "usual": lambda: chance.normal(0, 1, 20),
        "constant": lambda: np.full(20, 3.0),
        "empty": lambda: np.array([]),
        "one row": lambda: chance.normal(0, 1, 1),
        "all missing": lambda: np.full(20, np.nan),
        "one value": lambda: np.append(np.full(19, np.nan), 1.0),
        "infinite": lambda: np.where(chance.random(20) < 0.5, np.inf, -np.inf),
        "huge": lambda: chance.uniform(-1, 1, 20) * 1.7e308,
        "tiny": lambda: chance.normal(0, 1, 20) * 1e-320,
    }[kind]()


kinds = st.sampled_from(
    ["usual", "constant", "empty", "one row", "all missing", "one value", "infinite", "huge", "tiny"]
)


def columns(of, seed):
    chance = np.random.default_rng(seed)
    made = [rows(kind, chance) for kind in ["usual", *of[1:]]]
    first = number("x", made)  # its frame is made from the first window
    counts = [[len(day), int(np.isnan(day).sum())] for day in made]
    return [first, category("c", ("a", "b"), counts)]


@given(
    st.lists(kinds, min_size=3, max_size=3),
    kinds,
    st.integers(0, 9),
    st.sampled_from(["default", "exact"]),
)
@settings(max_examples=40, deadline=None)
def test_any_windows_give_a_finding_of_numbers_or_a_reason(reference, after, seed, guarantee):
    of = [reference[window % 3] for window in range(REFERENCE)] + [after] * (WINDOWS - REFERENCE)
    monitor = DriftMonitor(columns(of, seed), DriftState.fresh(REFERENCE), guarantee=guarantee)
    for window in range(WINDOWS):
        found = monitor.step(window)
        assert (found is None) == bool(monitor.unknown) or not found.judged
        if found is not None:
            assert all(not math.isnan(value) for value in (found.evidence, found.strip))
            assert 0 <= found.onset_low <= found.onset <= found.onset_high <= window
            assert [column.evidence for column in found.columns] == sorted(
                (column.evidence for column in found.columns), reverse=True
            )


@given(st.lists(kinds, min_size=3, max_size=3), kinds, st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_any_batch_is_held_against_limits_that_are_numbers(reference, after, seed):
    of = [reference[window % 3] for window in range(REFERENCE)] + [after] * 3
    made = batch_table(columns(of, seed), np.arange(REFERENCE))
    used = np.flatnonzero(made.there[:REFERENCE])
    if not len(used):
        return
    learnt = spike.learn(made.z[used], made.floor, families(made), bounded=BOUNDED)
    assert (learnt.limit > 0).all()
    assert (spike.strengths(learnt, made.z[used]) <= 1 + 1e-12).all(), "no reference window is beyond a limit"
    for window in made.z:
        assert not math.isnan(spike.judge(learnt, window).strength)


@pytest.mark.parametrize(
    ("of", "window", "reason"),
    [
        (["usual"] * 40, 10, "learning: window 10 of a reference that ends before window 30"),
        (["usual"] * 30 + ["empty"] * 10, 35, "unknown, because the window has 0 rows; 5 would do"),
        (["usual"] * 30 + ["one row"] * 10, 35, "unknown, because the window has 1 rows; 5 would do"),
        (["usual"] * 40, 40, "unknown, because window 40 is not counted yet; the last one is 39"),
    ],
)
def test_what_cannot_be_judged_says_why(of, window, reason):
    monitor = DriftMonitor(columns(of, 0), DriftState.fresh(REFERENCE))
    for before in range(window):
        monitor.step(before)
    assert monitor.step(window) is None
    assert monitor.unknown == reason


def test_a_reference_of_too_few_windows_says_how_many_would_do():
    monitor = DriftMonitor(columns(["usual"] * 20, 0), DriftState.fresh(10))
    assert [monitor.step(window) for window in range(12)] == [None] * 12
    assert monitor.unknown == "unknown, because the reference has 10 windows with rows; 28 would do"
    assert DriftMonitor([], DriftState.fresh(10)).step(0) is None


def test_a_window_all_missing_moves_missing_and_nothing_that_it_does_not_tell():
    chance = np.random.default_rng(0)
    made = [chance.normal(5, 1, 50) for _ in range(40)]
    made[35:] = [np.full(50, np.nan)] * 5
    monitor = DriftMonitor([number("x", made)], DriftState.fresh(REFERENCE))
    found = [monitor.step(window) for window in range(40)]
    first = next(item for item in found if item is not None and item.violated)
    assert first.onset == 35
    assert first.columns[0].aspect == "missing"
