from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from watchglass.demo.rules import ks, psi, rung
from watchglass.errors import BadInput

values = st.lists(st.floats(-5, 5).map(lambda x: round(x, 1)), min_size=2, max_size=60).map(np.array)


@settings(deadline=None)
@given(values, values)
def test_ks_is_scipys(one, other):
    distance, p = ks(one, other)
    assert distance == pytest.approx(scipy.stats.ks_2samp(one, other, method="asymp").statistic, abs=1e-12)
    assert p == pytest.approx(
        scipy.stats.kstwobign.sf(np.sqrt(len(one) * len(other) / (len(one) + len(other))) * distance), abs=1e-9
    )


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.2])
def test_the_p_value_is_near_the_exact_one_for_days_as_large_as_ours(shift):
    chance = np.random.default_rng(4)
    one, other = chance.normal(size=6000), chance.normal(shift, size=230)
    assert ks(one, other)[1] == pytest.approx(scipy.stats.ks_2samp(one, other, method="asymp").pvalue, abs=0.03)


def test_psi_is_its_formula_over_quantile_bins():
    chance = np.random.default_rng(5)
    one, other = chance.normal(size=3000), chance.normal(0.3, 1.2, size=500)
    edges = np.quantile(one, np.linspace(0, 1, 11))
    edges[0], edges[-1] = -np.inf, np.inf
    expected, seen = (np.histogram(x, edges)[0] / len(x) for x in (one, other))
    assert psi(one, other) == pytest.approx(((seen - expected) * np.log(seen / expected)).sum(), abs=1e-3)


@given(values)
def test_nothing_has_moved_from_itself(some):
    assert ks(some, some)[0] == 0
    assert ks(some, some)[1] == 1
    assert psi(some, some) == 0


def test_psi_of_a_value_never_seen_is_finite():
    assert 0.2 < psi(np.zeros(100), np.ones(50)) < 50


def days(count, shifted_from=None, by=1.0, rows=200, seed=0):
    chance = np.random.default_rng(seed)
    found = [chance.normal(size=(rows, 3)) for _ in range(count)]
    for number in range(shifted_from if shifted_from is not None else count, count):
        found[number][:, 1] += by
    return found


def test_each_rule_rings_on_every_day_of_a_large_shift_in_one_column():
    found = rung(days(60, shifted_from=50))
    assert [one.rule for one in found] == ["KS p < 0.05", "PSI > 0.2", "mean ± 3 sd"]
    for one in found:
        assert set(range(50, 60)) <= set(one.on)
        assert one.days == len(one.on)
        assert one.of == 30
        assert min(one.on) >= 30


def test_on_days_that_do_not_change_ks_rings_for_nothing_about_as_often_as_it_says():
    ks_rung, psi_rung, mean_rung = rung(days(330))
    assert pytest.approx(ks_rung.days / ks_rung.of, abs=0.05) == 1 - 0.95**3
    assert psi_rung.days / psi_rung.of < 0.02
    assert mean_rung.days / mean_rung.of < 0.1


def test_missing_values_and_empty_days_are_left_out():
    whole = days(40, shifted_from=35)
    holes = [np.vstack([day, np.full((5, 3), np.nan)]) for day in whole]
    assert [one.on for one in rung(holes)] == [one.on for one in rung(whole)]
    holes[36] = np.empty((0, 3))
    assert all(36 not in one.on for one in rung(holes))
    holes[37] = np.full((4, 3), np.nan)
    assert all(37 not in one.on for one in rung(holes))


@pytest.mark.parametrize("too_few", [[], days(30), days(10)])
def test_too_few_days_are_refused(too_few):
    with pytest.raises(BadInput, match="too few"):
        rung(too_few)
