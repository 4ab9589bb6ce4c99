"""Counts, means and accuracy from sampled rows are unbiased and their intervals hold what they promise, rule by rule."""

from __future__ import annotations

import math
import random
from functools import cache

import numpy as np
import pytest

from watchglass.capture import sampling
from watchglass.capture.rules import rules
from watchglass.capture.sampling import Sampler
from watchglass.monitor.accuracy import accuracy
from watchglass.monitor.weighting import weighted_count, weighted_mean
from watchglass.profile.weights import Squares, by_window, effective_rows, pooled

REPLICATIONS = 400
ROWS = 1200
ITALY, SLOW, FAILED = 0.2, 0.06, 0.02  # shares of rows
KEEP = {"errors": True, "slower_than": 0.5}
RULES = {
    "head": {"model": "*", "method": "head", "rate": 0.1},
    "a rate that is no whole part": {"model": "*", "method": "head", "rate": 0.37},
    "per key": {"model": "*", "method": "head", "key": "country", "rates": {"IT": 0.5, "*": 0.1}},
    "keep errors and slow": {"model": "*", "method": "head", "rate": 0.1, "keep": KEEP},
    "reservoir": {"model": "*", "method": "reservoir", "rows": 150, "seconds": 3600},
    "reservoir per key": {"model": "*", "method": "reservoir", "rows": 80, "seconds": 3600, "key": "country"},
    "reservoir, keep errors and slow": {
        "model": "*",
        "method": "reservoir",
        "rows": 100,
        "seconds": 3600,
        "keep": KEEP,
    },
}


def value(country, slow, failed):
    return (10.0 if country == "IT" else 2.0) + 8.0 * slow + 20.0 * failed


def right(country, slow, failed):
    """Give the chance that a row is right: slow ones are better, failed ones worse."""
    return (0.9 if country == "FR" else 0.75) + 0.09 * slow - 0.6 * failed


def expected(of):
    """Give the mean of a function over all rows there may be."""
    return sum(
        (ITALY if country == "IT" else 1 - ITALY)
        * (SLOW if slow else 1 - SLOW)
        * (FAILED if failed else 1 - FAILED)
        * of(country, slow, failed)
        for country in ("IT", "FR")
        for slow in (0, 1)
        for failed in (0, 1)
    )


TRUE_MEAN, TRUE_ACCURACY = expected(value), expected(right)


def served(chance, replication):
    for number in range(ROWS):
        country = "IT" if chance.random() < ITALY else "FR"
        slow, failed = chance.random() < SLOW, chance.random() < FAILED
        event = {
            "model": "m",
            "id": f"{replication}-{number}",
            "tags": {"country": country},
            "latency": 1.0 if slow else 0.1,
            "value": value(country, slow, failed) + chance.gauss(0, 1),
            "right": chance.random() < right(country, slow, failed),
        }
        yield {**event, "error": "no"} if failed else event


@cache
def replicated(name):
    """Sample that many populations by one rule: values, weights and right answers of what was kept, each time."""
    chance = random.Random(17)
    random.seed(19)
    kept = []
    for replication in range(REPLICATIONS):
        rows = []
        sampler = Sampler(rules([RULES[name]], "a test"), rows.append)
        rows += list(sampler.sift(served(chance, replication)))
        sampler.finish()
        kept.append([(row["value"], row.get("weight", 1), row["right"]) for row in rows])
    return [tuple(np.array(column) for column in zip(*rows, strict=True)) for rows in kept]


def unbiased(estimates, truth):
    return abs(np.mean(estimates) - truth) <= 4 * np.std(estimates, ddof=1) / math.sqrt(len(estimates))


def covered(intervals, truth):
    return float(np.mean([found.low <= truth <= found.high for found in intervals]))


def of_weights(weights, correct):
    """Sum up as cells do, in one window, where rows alone give the interval, and scale as the pages do."""
    more = weights * (weights - 1)
    labelled, good, squares, good_squares = (
        np.array([counted.sum()]) for counted in (weights, weights * correct, more, more * correct)
    )
    return pooled(labelled, good, Squares(squares, good_squares))


@pytest.mark.parametrize("name", RULES)
def test_counts_from_sampled_rows_are_unbiased_with_intervals_that_hold(name):
    found = [weighted_count(weights) for _, weights, _ in replicated(name)]
    if name.startswith("reservoir"):
        assert {estimate.value for estimate in found} == {ROWS}
        return
    assert unbiased([estimate.value for estimate in found], ROWS)
    assert 0.92 <= covered(found, ROWS) <= 0.985


@pytest.mark.parametrize("name", RULES)
def test_means_from_sampled_rows_are_unbiased_with_intervals_that_hold(name):
    found = [weighted_mean(values, weights) for values, weights, _ in replicated(name)]
    assert unbiased([estimate.value for estimate in found], TRUE_MEAN)
    assert 0.92 <= covered(found, TRUE_MEAN) <= 0.985


@pytest.mark.parametrize("name", RULES)
def test_accuracy_from_sampled_rows_is_unbiased_with_intervals_that_hold(name):
    found = [accuracy(*of_weights(weights, correct)) for _, weights, correct in replicated(name)]
    assert unbiased([estimate.value for estimate in found], TRUE_ACCURACY)
    assert 0.92 <= covered(found, TRUE_ACCURACY) <= 0.985


@pytest.mark.parametrize("name", ["keep errors and slow", "per key", "reservoir, keep errors and slow"])
def test_without_weights_the_numbers_are_wrong(name):
    means = [values.mean() for values, _, _ in replicated(name)]
    shares = [correct.mean() for _, _, correct in replicated(name)]
    for estimates, truth in ((means, TRUE_MEAN), (shares, TRUE_ACCURACY)):
        assert abs(np.mean(estimates) - truth) > 12 * np.std(estimates, ddof=1) / math.sqrt(REPLICATIONS)


def test_with_sums_of_weights_taken_for_rows_the_interval_would_be_far_too_short():
    naive = [
        accuracy(np.array([weights.sum()]), np.array([(weights * correct).sum()]))
        for _, weights, correct in replicated("head")
    ]
    assert covered(naive, TRUE_ACCURACY) < 0.6


def test_rows_of_weight_one_are_worth_themselves():
    labelled, correct = np.array([40, 7, 0]), np.array([30, 7, 0])
    none = Squares(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64))
    assert effective_rows(labelled, correct, none).round(9).tolist() == [40, 7, 0]
    assert by_window(labelled, correct, None) == (labelled, correct)
    assert [side.round(9).tolist() for side in by_window(labelled, correct, none)] == [[40, 7, 0], [30, 7, 0]]


def test_shares_stay_when_windows_are_scaled():
    labelled, correct = np.array([40, 70]), np.array([30, 14])
    squares = Squares(np.array([400, 70]), np.array([310, 8]))
    scaled = pooled(labelled, correct, squares)
    assert math.isclose(scaled[1].sum() / scaled[0].sum(), 44 / 110)
    assert scaled[0].sum() < 110
    each = by_window(labelled, correct, squares)
    assert (each[1] / each[0]).round(12).tolist() == [0.75, 0.2]


def test_a_mean_of_nothing_or_of_one_row_promises_nothing():
    assert math.isnan(weighted_mean([], []).value)
    assert math.isnan(weighted_mean([math.nan], [3]).value)
    one = weighted_mean([5.0, math.nan], [10, 1])
    assert (one.value, one.low, one.high, one.rows) == (5.0, -math.inf, math.inf, 1)
    with pytest.raises(ValueError, match="one weight a value"):
        weighted_mean([1.0, 2.0], [1])


def test_a_count_is_never_below_the_rows_that_were_kept():
    assert weighted_count([]).value == 0
    assert weighted_count([1, 1, 1]) == weighted_count([1.0, 1.0, 1.0])
    assert weighted_count([1, 1, 1]).low == weighted_count([1, 1, 1]).high == 3
    assert weighted_count([2, 2]).low == 2


def test_rounded_weights_have_the_right_mean():
    weights = [sampling.rounded(1 / 0.37, sampling.chances(str(number))[1]) for number in range(20_000)]
    assert set(weights) == {2, 3}
    assert abs(np.mean(weights) - 1 / 0.37) < 4 * np.std(weights) / math.sqrt(len(weights))
