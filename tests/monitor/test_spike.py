"""One broken batch is seen in its own window; what the reference does by itself is not broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import genpareto

from tests.monitor.made import category, number
from watchglass.monitor import spike
from watchglass.monitor.batches import BOUNDED, batch_table, deviance, families

REFERENCE = 60


def judged(columns, windows_per_false_alert=1825.0):
    """Give what the windows after the reference say, each with the functional's column and aspect."""
    made = batch_table(columns, np.arange(REFERENCE))
    learnt = spike.learn(
        made.z[:REFERENCE],
        made.floor,
        families(made),
        bounded=BOUNDED,
        windows_per_false_alert=windows_per_false_alert,
    )
    told = [spike.judge(learnt, window) for window in made.z[REFERENCE:]]
    return [(item, made.functionals[item.functional].aspect) for item in told]


def days(seed, windows=REFERENCE + 1, rows=80):
    chance = np.random.default_rng(seed)
    return [chance.normal(chance.normal(0, 0.2), 1, rows) for _ in range(windows)]


@pytest.mark.parametrize(
    ("break_it", "aspects"),
    [
        (lambda day: np.where(np.arange(len(day)) % 3 == 0, np.nan, day), {"missing"}),
        (lambda day: np.where(np.arange(len(day)) % 2 == 0, 0.25, day), {"stuck"}),
        (lambda day: np.where(np.arange(len(day)) < 2, day * 1000, day), {"maximum", "new values"}),
        (lambda day: day + 2, {"location", "spread", "mean", "new values"}),
        (lambda day: day * 10, {"spread", "new values", "maximum"}),
    ],
    ids=["missing", "stuck", "typo", "shift", "unit"],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_broken_batch_is_seen_in_its_own_window(break_it, aspects, seed):
    made = days(seed)
    made[-1] = break_it(made[-1])
    [(found, aspect)] = judged([number("x", made), number("y", days(seed + 100))])
    assert found.violated
    assert aspect in aspects


def test_a_fifth_of_rows_with_a_new_category_is_seen_also_in_a_window_of_24_rows():
    chance = np.random.default_rng(0)
    counts = np.hstack([chance.multinomial(24, [0.5, 0.3, 0.2], REFERENCE + 2), np.zeros((REFERENCE + 2, 1), int)])
    counts[-1] = [10, 6, 3, 5]
    (usual, _), (broken, aspect) = judged([category("c", "abcd", counts)])
    assert not usual.violated
    assert broken.violated
    assert aspect == "unseen"


def test_undrifted_windows_stay_within_the_budget():
    """At T = 365 the promise for 1,200 windows is 3.3 spikes; more than 9 would come once in 300 tries of that rate."""
    spikes = sum(
        item.violated
        for seed in range(4)
        for item, _ in judged([number(f"x{place}", days(10 * seed + place, 360, 40)) for place in range(4)], 365.0)
    )
    assert spikes <= 9


@pytest.mark.parametrize("shape", [0.05, 0.2, 0.4])
def test_the_shape_of_a_tail_is_found_again(shape):
    over = genpareto.rvs(shape, size=(400, 200), random_state=3)
    found = spike.shape_of(over / over.mean(axis=0), np.full(200, 400))
    assert found == pytest.approx(shape, abs=0.08)


@given(arrays(np.float64, (20, 3), elements=st.floats(-1e6, 1e6)), st.floats(10, 1e5))
@settings(deadline=None)
def test_a_larger_budget_never_raises_a_limit(reference, windows):
    def limits(windows):
        return spike.learn(
            reference, np.full(3, 0.1), np.zeros(3, dtype=np.int64), windows_per_false_alert=windows
        ).limit

    assert (limits(windows) <= limits(2 * windows) + 1e-9).all()


@given(st.integers(1, 500), st.floats(0.001, 0.999))
@settings(deadline=None)
def test_a_deviance_is_zero_where_expected_and_grows_away_from_it(rows, share):
    counts = np.arange(rows + 1, dtype=float)
    found = deviance(counts, np.full(rows + 1, float(rows)), np.full(rows + 1, share))
    assert (np.diff(found) > 0).all()
    assert deviance(np.array([share * rows]), np.array([float(rows)]), np.array([share]))[0] == pytest.approx(
        0, abs=1e-5
    )


def test_nothing_told_is_no_spike():
    learnt = spike.learn(np.full((30, 2), np.nan), np.ones(2), np.zeros(2, dtype=np.int64))
    assert spike.judge(learnt, np.array([np.nan, 1e9])).strength == 0
    nothing = spike.learn(np.empty((30, 0)), np.empty(0), np.empty(0, dtype=np.int64))
    assert not spike.judge(nothing, np.empty(0)).violated
