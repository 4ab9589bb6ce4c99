"""A year's false alarms are divided whole, and the smallest visible effect follows from what a monitor has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchglass.monitor.budget import CHANNELS, divided, smallest, spent

channels = st.sets(st.sampled_from(CHANNELS), min_size=1).map(lambda found: tuple(sorted(found)))


@given(st.floats(0.01, 100), st.floats(1, 9000), st.integers(1, 50), channels)
@settings(deadline=None)
def test_what_models_and_channels_may_spend_is_the_whole_budget(rate, windows, models, used):
    budget = divided(rate, windows_per_year=windows, models=models, channels=used)
    assert models * spent(budget, windows_per_year=windows) == pytest.approx(rate)
    assert [math.isinf(budget.of(channel)) for channel in CHANNELS] == [channel not in used for channel in CHANNELS]


@pytest.mark.parametrize("given", [{"false_alerts_per_year": 0}, {"models": 0}, {"windows_per_year": -1}])
def test_a_budget_of_nothing_is_refused(given):
    with pytest.raises(ValueError, match="more than 0"):
        divided(**{"false_alerts_per_year": 1, **given})


@given(st.integers(1, 400), st.integers(1, 400), st.floats(1, 9000), st.floats(0.001, 1))
@settings(deadline=None)
def test_more_windows_and_more_false_alarms_show_smaller_steps(reference, since, windows, weight):
    def seen(reference, since, windows):
        return float(smallest(np.ones(1), np.array([weight]), windows, reference=reference, since=since)[0])

    assert seen(reference + 1, since, windows) <= seen(reference, since, windows)
    assert seen(reference, since + 1, windows) <= seen(reference, since, windows)
    assert seen(reference, since, windows) <= seen(reference, since, 2 * windows)


def test_without_windows_nothing_could_be_seen():
    assert smallest(np.ones(2), np.ones(2), 365, reference=0, since=3).tolist() == [math.inf, math.inf]
