"""Sums of features merge, an embedding that moves is found, one that does not stays quiet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from watchglass.monitor import embedding, ted

WIDTH = 40


def clouds(chance, windows, rows=60, level=0.2):
    """Make windows of vectors on a curved sheet, each with a level of its own."""
    mixed = np.random.default_rng(0).normal(size=(5, WIDTH))
    made = []
    for _ in range(windows):
        inner = chance.normal(size=(rows, 5)) + level * chance.normal(size=5)
        made.append(np.tanh(inner @ mixed) + 0.1 * chance.normal(size=(rows, WIDTH)))
    return made


def counted(features, made):
    pairs = [embedding.sums(features, day) for day in made]
    return np.array([total for total, _ in pairs]), np.array([rows for _, rows in pairs])


@given(st.integers(0, 100), st.integers(0, 30))
@settings(deadline=None, max_examples=25)
def test_the_sums_of_two_parts_are_the_sums_of_both(seed, cut):
    chance = np.random.default_rng(seed)
    [rows] = clouds(chance, 1, rows=30)
    features = embedding.features_of(rows)
    (left, n), (right, m), (whole, both) = (embedding.sums(features, part) for part in (rows[:cut], rows[cut:], rows))
    assert n + m == both
    assert left + right == pytest.approx(whole, abs=1e-9)
    assert len(whole) == features.size <= 128


def test_rows_that_are_not_finite_are_not_counted():
    chance = np.random.default_rng(1)
    [rows] = clouds(chance, 1)
    broken = rows.copy()
    broken[3, 2], broken[4, 1] = np.nan, np.inf
    features = embedding.features_of(broken)
    total, n = embedding.sums(features, broken)
    assert n == len(rows) - 2
    assert np.isfinite(total).all()
    with pytest.raises(ValueError, match="2 would do"):
        embedding.features_of(np.full((5, 3), np.nan))


def test_false_positives_of_one_window_stay_at_their_level():
    alarms, windows = 0, 0
    for seed in range(6):
        made = clouds(np.random.default_rng(seed), 130, rows=30)
        total, rows = counted(embedding.features_of(np.vstack(made[:5])), made)
        learnt = embedding.learn(total[:80], rows[:80])
        p = [embedding.p_value(learnt, T) for T in embedding.distance(learnt, total[80:], rows[80:])]
        alarms, windows = alarms + sum(each <= 0.1 for each in p), windows + len(p)
    assert alarms <= binom.ppf(0.999, windows, 0.1) * 1.5, "a limit learnt from forty windows is itself uncertain"


def change_of_place(rows):
    return rows + 0.25


def change_of_shape_alone(rows):
    """Keep each column's mean and variance, and lose what holds the columns together."""
    chance = np.random.default_rng(9)
    return np.column_stack([column[chance.permutation(len(column))] for column in rows.T])


@pytest.mark.parametrize("changed", [change_of_place, change_of_shape_alone])
def test_a_moved_embedding_is_found_by_the_step_detector(changed):
    made = clouds(np.random.default_rng(4), 90)
    made[70:] = [changed(rows) for rows in made[70:]]
    total, rows = counted(embedding.features_of(np.vstack(made[:5])), made)
    learnt = embedding.learn(total[:60], rows[:60])
    z = embedding.functionals(learnt, total, rows)
    assert z.shape == (90, 9)
    found = ted.evidence(ted.learn(z[:60], np.full(9, 0.05)), z[60:])
    best = int(found.log_sr.argmax())
    assert found.log_sr[best] - np.log(9) > np.log(2 * 365)
    assert abs(int(found.starts[found.log_bf[:, best].argmax()]) - 10) <= 1
    quiet = ted.evidence(ted.learn(z[:60], np.full(9, 0.05)), z[60:70])
    assert quiet.log_sr.max() - np.log(9) < np.log(2 * 365)


def test_a_window_without_rows_tells_nothing_and_too_few_windows_are_refused():
    made = clouds(np.random.default_rng(5), 10)
    made[7] = made[7][:0]
    total, rows = counted(embedding.features_of(made[0]), made)
    z = embedding.functionals(embedding.learn(total[:6], rows[:6]), total, rows)
    assert np.isnan(z[7]).all()
    assert np.isfinite(np.delete(z, 7, axis=0)).all()
    with pytest.raises(ValueError, match="4 would do"):
        embedding.learn(total[:3], rows[:3])


def test_the_same_seed_gives_the_same_features():
    [rows] = clouds(np.random.default_rng(6), 1)
    one, other = (embedding.sums(embedding.features_of(rows, seed=3), rows)[0] for _ in range(2))
    assert np.array_equal(one, other)
