from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

import watchglass as wg
from watchglass.monitor.comparison import compare_columns
from watchglass.monitor.designed import benjamini_hochberg, of_numbers, of_values, score_test
from watchglass.monitor.distances import jensen_shannon, psi
from watchglass.profile.columns import frame_of
from watchglass.profile.counting import Places
from watchglass.store.tabular.blocks import Parting
from watchglass.store.tabular.columns import Column
from watchglass.store.tabular.counted import _column, _pair, count_tables


def side_by_side(one, other, **named):
    return wg.compare({"x": one}, {"x": other}, **named)["x"]


@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("of", ["normal", "lognormal", "far from zero"])
def test_distances_of_numbers_are_those_of_the_raw_rows_within_the_grid(of, shift):
    rng = np.random.default_rng(5)
    one, other = rng.normal(size=4000), rng.normal(shift, 1.2, size=3000)
    if of == "lognormal":
        one, other = np.exp(one), np.exp(other)
    if of == "far from zero":
        one, other = 1013 + 10 * one, 1013 + 10 * other
    found = side_by_side(one, other)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(one, other) / one.std(), abs=0.005)
    assert found.ks == pytest.approx(stats.ks_2samp(one, other).statistic, abs=0.002)
    assert (found.reference.mean, found.current.deviation) == pytest.approx((one.mean(), other.std()), rel=1e-9)
    assert found.reference.quantiles == pytest.approx(np.quantile(one, [0.05, 0.25, 0.5, 0.75, 0.95]), abs=0.03 * one.std())  # fmt: skip


def test_shares_psi_and_js_are_those_of_the_counts():
    one, other = ["a"] * 500 + ["b"] * 300 + ["c"] * 200, ["a"] * 400 + ["b"] * 300 + ["c"] * 250 + ["d"] * 50
    rng = np.random.default_rng(0)
    found = side_by_side(rng.permutation(one).tolist(), rng.permutation(other).tolist())
    p, q = np.array([0.5, 0.3, 0.2, 1e-4]), np.array([0.4, 0.3, 0.25, 0.05])
    assert found.raw_psi == pytest.approx(np.sum((q - p) * np.log(q / p)))
    assert found.raw_js == pytest.approx(jensenshannon([0.5, 0.3, 0.2, 0], q))
    assert found.psi == pytest.approx(found.raw_psi - 3 * (1 / 1000 + 1 / 1000) * found.design_effect)
    assert found.unseen == pytest.approx(0.05)
    assert [(moved.value, moved.before, moved.after) for moved in found.moved[:1]] == [("a", 0.5, 0.4)]


def test_the_corrected_distances_are_about_zero_where_nothing_moved():
    rng = np.random.default_rng(2)
    both = [
        (psi(*pair, (200, 200)), jensen_shannon(*pair, (200, 200)))
        for pair in (rng.multinomial(200, [0.1] * 10, size=2) for _ in range(400))
    ]
    assert np.mean([one.raw for one, _ in both]) == pytest.approx(9 * 2 / 200, rel=0.15)
    assert np.mean([other.raw**2 for _, other in both]) == pytest.approx(9 * 2 / 200 / 8, rel=0.15)
    assert np.mean([one.corrected for one, _ in both]) < 0.03


def test_the_test_of_values_is_pearsons_where_rows_are_independent():
    rng = np.random.default_rng(1)
    one, other = rng.choice(list("abcd"), 3000, p=[0.4, 0.3, 0.2, 0.1]), rng.choice(list("abcd"), 3000, p=[0.37, 0.31, 0.21, 0.11])  # fmt: skip
    (pair,) = count_tables(({"x": one.tolist()}, {"x": other.tolist()})).pairs
    found = score_test(of_values(pair.values.reference, pair.values.current))
    table = [[(side == value).sum() for value in "abcd"] for side in (one, other)]
    pearson = stats.chi2_contingency(table, correction=False)
    assert found.statistic * 3 * found.deff == pytest.approx(pearson.statistic, rel=1e-6)
    assert 1.0 <= found.deff < 2.0


def test_the_test_of_numbers_agrees_with_rank_tests_of_the_raw_rows():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.1, 0.2):
        one, other = rng.normal(size=2000), rng.normal(shift, size=2000)
        (pair,) = count_tables(({"x": one}, {"x": other})).pairs
        matter = of_numbers(pair.numbers)
        apart = matter.counts[1] @ matter.scores[:, 0] / 2000 - matter.counts[0] @ matter.scores[:, 0] / 2000
        z = apart / math.sqrt(1 / 2000 + 1 / 2000)
        mann_whitney = stats.mannwhitneyu(other, one)
        assert 2 * stats.norm.sf(abs(z)) == pytest.approx(mann_whitney.pvalue, abs=0.02)


def counted(one, other):
    """Count columns of numbers or texts of two tables by the blocks of their first column, without a file between."""
    pairs = []
    blocks = [
        np.asarray(side.pop("day")) // 86_400 if "day" in side else np.arange(len(side["x"])) // 50
        for side in (one, other)
    ]
    partings = tuple(Parting(int(block.max()) + 1, len(block)) for block in blocks)
    for name, first in one.items():
        text = not isinstance(first, np.ndarray)
        column = Column(name, "category", None, ("low", "high")) if text else Column(name, "number", frame_of(first))
        sums = []
        for side, block, parting in zip((one, other), blocks, partings, strict=True):
            read = (
                {"t0": np.ma.asarray([value == "high" for value in side[name]])}
                if text
                else {"n0": np.ma.asarray(side[name])}
            )
            sums.append(_column(column, 0, read, Places(block.astype(np.intp), parting.width)))
        pairs.append(_pair(column, *sums, partings))
    return compare_columns(pairs, ())


def clustered(rng, columns, *, blocks=40, rows=50, share=0.3, echo=0.0):
    """Rows of a day share a part of their value: the variance of a mean is many times that of independent rows.

    With an `echo` a day resembles the one before.
    """
    day = np.repeat(np.arange(blocks), rows)
    told = rng.normal(size=(blocks, columns))
    for place in range(1, blocks):
        told[place] = echo * told[place - 1] + math.sqrt(1 - echo**2) * told[place]
    common = told[day]
    values = math.sqrt(share) * common + math.sqrt(1 - share) * rng.normal(size=(blocks * rows, columns))
    table = {f"c{i}": values[:, i] if i % 2 else np.where(values[:, i] > 0.3, "high", "low").tolist() for i in range(columns)}  # fmt: skip
    return {"day": (86_400 * day).tolist(), **table}


def test_false_discoveries_keep_to_their_share_though_rows_of_a_day_depend_on_each_other():
    rng = np.random.default_rng(7)
    tables, any_false, single = 100, 0, []
    for _ in range(tables):
        found = counted(clustered(rng, 6), clustered(rng, 6))
        any_false += any(column.found == "moved" for column in found)
        single += [column.own_p for column in found]
        assert all(column.design_effect > 3 for column in found)
    # where nothing moved every discovery is false, so the false discovery rate is the chance of any
    assert any_false <= stats.binom.ppf(0.999, tables, 0.05)
    assert np.mean(np.array(single) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(single))


def test_days_that_resemble_the_day_before_raise_few_more():
    rng = np.random.default_rng(14)
    made = [clustered(rng, 4, blocks=60, rows=20, echo=0.5) for _ in range(60)]
    single = [column.own_p for pair in zip(made[::2], made[1::2], strict=True) for column in counted(*pair)]
    assert np.mean(np.array(single) <= 0.05) <= 0.15


def test_rows_taken_for_independent_would_cry_wolf_where_days_are_heeded_they_do_not():
    rng = np.random.default_rng(8)
    shuffled = 0
    for _ in range(10):
        tables = [clustered(rng, 4) for _ in range(2)]
        order = rng.permutation(2000)
        mixed = [
            {name: np.asarray(values)[order] for name, values in table.items() if name != "day"} for table in tables
        ]
        shuffled += sum(column.found == "moved" for column in wg.compare(*mixed).columns)
    assert shuffled > 10, "the data are such that a test of rows alarms"


def test_a_shift_between_days_that_depend_is_still_found():
    rng = np.random.default_rng(9)
    one, other = clustered(rng, 4), clustered(rng, 4)
    other["c1"] = other["c1"] + 1.0
    found = wg.compare(one, other, time="day")
    assert [column.name for column in found.columns if column.found == "moved"] == ["c1"]
    assert found.columns[0].name == "c1"
    assert found["c3"].smallest > 0.2, "forty days that differ cannot show a shift as small as 2,000 rows could"


def test_dependence_reaching_over_neighbouring_days_is_heeded_too():
    rng = np.random.default_rng(11)
    walk = np.repeat(np.convolve(rng.normal(size=71), np.ones(8) / math.sqrt(8), mode="valid"), 30)
    day = np.repeat(np.arange(64), 30) * 86_400
    one = {"day": day.tolist(), "x": walk + rng.normal(size=len(walk))}
    apart = {"day": day.tolist(), "x": rng.permutation(walk.reshape(64, 30)).ravel() + rng.normal(size=len(walk))}
    assert wg.compare(one, one, time="day")["x"].design_effect > 1.5 * wg.compare(apart, apart, time="day")["x"].design_effect  # fmt: skip


def test_a_spread_or_a_shape_that_moved_is_found_and_named():
    rng = np.random.default_rng(4)
    one = rng.normal(size=4000)
    wide = side_by_side(one, rng.normal(0, 1.5, size=4000))
    shape = side_by_side(one, rng.choice([-1.0, 1.0], 4000) + rng.normal(0, 0.3, size=4000))
    assert "spread wider" in wide.sentence
    assert "changed its shape" in shape.sentence
    assert (wide.found, shape.found) == ("moved", "moved")


def test_missing_values_alone_are_found():
    rng = np.random.default_rng(6)
    one, other = rng.normal(size=2000), rng.normal(size=2000)
    other[rng.random(2000) < 0.05] = np.nan
    found = side_by_side(one, other)
    assert found.found == "moved"
    assert found.sentence.startswith("missing in ")


def test_the_smallest_shift_that_is_told_is_found_four_times_in_five():
    rng = np.random.default_rng(10)
    (null,) = counted({"x": rng.normal(size=2000)}, {"x": rng.normal(size=2000)})
    found = [
        counted({"x": rng.normal(size=2000)}, {"x": rng.normal(null.smallest, size=2000)})[0].found == "moved"
        for _ in range(100)
    ]
    assert 0.55 <= np.mean(found) <= 0.95


def test_a_table_that_is_sorted_by_a_column_says_so():
    rng = np.random.default_rng(13)
    one, other = (np.sort(rng.normal(shift, size=4000)) for shift in (0, 0.1))
    found = side_by_side(one, other)
    assert found.found == "steady"
    assert "lie sorted by it" in found.sentence


def test_the_largest_effects_come_first():
    rng = np.random.default_rng(12)
    one = {name: rng.normal(size=1000) for name in ("small", "none", "large")}
    other = {**one, "small": one["small"] + 0.3, "large": one["large"] + 2}
    assert [column.name for column in wg.compare(one, other).columns] == ["large", "small", "none"]


def test_benjamini_and_hochberg_as_scipy_has_it():
    p = np.random.default_rng(0).random(50) ** 3
    assert benjamini_hochberg(p.tolist()) == pytest.approx(stats.false_discovery_control(p).tolist())
