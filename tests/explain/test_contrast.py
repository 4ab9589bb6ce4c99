"""Rates by window → differences whose intervals hold what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchglass.explain.contrast import Group, contrast, excess, fall


def counts(rng, windows, rows, chance):
    labelled = rng.integers(rows // 2, rows * 2, size=windows)
    return labelled, rng.binomial(labelled, chance)


def test_no_fall_is_named_as_one_more_often_than_promised():
    rng = np.random.default_rng(5)
    told = 0
    for _ in range(1000):
        days = 1 / (1 + np.exp(-(3.0 + rng.normal(0, 0.4, size=34))))  # days differ by more than their rows
        labelled = rng.integers(20, 60, size=34)
        right = rng.binomial(labelled, days)
        found = fall(Group.of((labelled[:30], right[:30]), (labelled[30:], right[30:])))
        told += found.low > 0 or found.high < 0
    assert told <= 70


def test_a_fall_is_seen_with_two_labelled_windows():
    rng = np.random.default_rng(6)
    seen = sum(fall(Group.of(counts(rng, 30, 40, 0.955), counts(rng, 2, 40, 0.70))).low > 0 for _ in range(100))
    assert seen >= 95


def test_noisy_windows_widen_and_never_narrow():
    even = (np.full(20, 40), np.full(20, 36))
    noisy = (np.full(20, 40), np.tile([40, 32], 10))
    after = (np.full(4, 40), np.full(4, 36))
    assert Group.of(even, after).dispersion == 1.0
    wide, narrow = fall(Group.of(noisy, after)), fall(Group.of(even, after))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_days_that_resemble_their_neighbours_widen():
    runs = np.repeat([40, 33], 10)
    rng = np.random.default_rng(1)
    after = (np.full(4, 40), np.full(4, 36))
    clustered = Group.of((np.full(20, 40), runs), after)
    mixed = Group.of((np.full(20, 40), rng.permutation(runs)), after)
    assert clustered.dispersion > mixed.dispersion


def test_too_few_labels_say_nothing():
    found = fall(Group.of((np.array([10, 9]), np.array([10, 9])), (np.array([40]), np.array([20]))))
    assert math.isnan(found.low)
    assert found.rows == 0


@given(st.lists(st.tuples(st.integers(20, 90), st.floats(0.2, 1)), min_size=4, max_size=12), st.floats(0.5, 0.99))
def test_a_contrast_lies_in_its_interval_and_turns_with_its_sign(days, level):
    labelled = np.array([rows for rows, _ in days])
    correct = np.array([int(rows * share) for rows, share in days])
    half = len(days) // 2
    group = Group.of((labelled[:half], correct[:half]), (labelled[half:], correct[half:]))
    there, back = contrast([(1, group, 1), (-1, group, 0)], level), contrast([(1, group, 0), (-1, group, 1)], level)
    assert there.low <= there.value <= there.high
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert excess(group, group, level).value == pytest.approx(0, abs=1e-12)
