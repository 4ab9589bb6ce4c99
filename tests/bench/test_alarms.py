"""The protocols of alarms plant what they say, in a stream that is made up here, and count what was seen."""

from __future__ import annotations

import numpy as np
import pytest
from bench.alarms_streams import MONITORED, REFERENCE, SOURCES, Stream, draw, histories

from bench import alarms_batches, alarms_planted, alarms_undrifted


@pytest.fixture
def source():
    """Make 460 windows of 20 rows: a number that has a level of its own in each, and a category."""
    chance = np.random.default_rng(0)
    windows, rows = 460, 20
    values = (chance.normal(0, 0.2, (windows, 1)) + chance.normal(size=(windows, rows))).ravel()
    text = chance.choice(["a", "b", "c"], windows * rows, p=[0.5, 0.3, 0.2]).astype(object)
    return Stream("made", {"x": values}, {"c": text}, tuple(np.arange(windows * rows).reshape(windows, rows)))


def test_a_draw_keeps_each_windows_rows_together_and_the_histories_count_them(source):
    of = draw(source, 1)
    assert of.windows == REFERENCE + MONITORED
    assert np.bincount(of.window).tolist() == [20] * of.windows
    levels = {round(float(np.sort(source.numbers["x"][rows]).sum()), 9) for rows in source.rows_of}
    assert {round(float(np.sort(of.numbers["x"][of.window == window]).sum()), 9) for window in range(5)} <= levels
    for column in histories(of):
        assert (column.counts.sum(axis=1) + column.missing == 20).all()
    assert (draw(source, 1).numbers["x"] == of.numbers["x"]).all()
    assert (draw(source, 2).numbers["x"] != of.numbers["x"]).any()


@pytest.mark.parametrize(("kind", "size"), alarms_planted.KINDS)
def test_a_planted_shift_begins_at_its_onset_and_leaves_what_was_before(source, kind, size):
    of = draw(source, 1)
    changed, column = alarms_planted.plant(of, kind, size, np.random.default_rng(0))
    until = REFERENCE + alarms_planted.ONSET
    assert changed.windows == until + alarms_planted.LENGTH
    before = changed.window < until
    untouched = of.upto(changed.windows)
    for one, other in ((changed.numbers, untouched.numbers), (changed.categories, untouched.categories)):
        assert all((one[name][before] == other[name][before]).all() for name in one)
    values = {**changed.numbers, **changed.categories}[column]
    assert (values[~before] != {**untouched.numbers, **untouched.categories}[column][~before]).any()


@pytest.mark.parametrize("fault", alarms_batches.FAULTS)
def test_a_broken_batch_is_broken_in_its_windows_alone(source, fault):
    of = draw(source, 1)
    bad, windows = alarms_batches.broken(of, source, fault, np.random.default_rng(0))
    moved = ~np.isclose(bad.numbers["x"], of.numbers["x"], rtol=0, atol=0, equal_nan=True)
    moved |= bad.categories["c"] != of.categories["c"]
    assert set(np.unique(of.window[moved])) <= set(windows.tolist())
    assert moved.any()
    assert min(windows) >= REFERENCE


def test_figures_are_means_of_streams_and_bars_are_told():
    runs = [
        alarms_undrifted.Episodes("a", 0.0, 0.0),
        alarms_undrifted.Episodes("a", 2.0, 0.0),
        alarms_undrifted.Episodes("b", 0.0, 4.0),
    ]
    mean, worst, exact = alarms_undrifted.rows(runs)
    assert (mean.measured, mean.ok, worst.measured, worst.ok) == (0.5, False, 1.0, True)
    assert (exact.measured, exact.ok) == (4.0, False)
    hit, miss = alarms_planted.Seen(2, right=True, error=1), alarms_planted.Seen(30, right=False, error=30)
    planted = [alarms_planted.Planted("a", "mean 0.1", hit, miss), alarms_planted.Planted("a", "mean 0.1", miss, miss)]
    found, first, delay, onset = alarms_planted.rows(planted)
    assert (found.measured, found.limit, found.ok) == (0.5, 0.0, True)
    assert (first.measured, delay.measured, onset.measured) == (1.0, 16.0, 1.0)


def test_every_stream_names_its_columns_once():
    assert len(SOURCES) == 8
    for source in SOURCES.values():
        assert len({*source.numbers, *source.categories}) == len(source.numbers) + len(source.categories)
