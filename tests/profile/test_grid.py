"""Laws of the grid: order kept, counts add, a split in any order gives the counts of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from watchglass.profile.columns import frame_of
from watchglass.profile.grid import coarse_bins, keys_of, midpoints

any_float = st.floats(allow_nan=True, allow_infinity=True, width=64)
columns = hnp.arrays(np.float64, st.integers(0, 60), elements=any_float)
centres = st.floats(-1e6, 1e6)


def counted(values, centre):
    keys, missing = keys_of(values, centre)
    return dict(zip(*np.unique(keys[~missing], return_counts=True), strict=True)), int(missing.sum())


@given(columns, centres)
def test_keys_order_as_the_values_do(values, centre):
    keys, missing = keys_of(values, centre)
    there = values[~missing] - centre
    assert (np.diff(keys[~missing][np.argsort(there, kind="stable")]) >= 0).all()


@given(columns, centres, st.lists(st.integers(0, 60), max_size=4), st.randoms())
def test_counts_of_parts_in_any_order_add_up_to_the_counts_of_the_whole(values, centre, cuts, chance):
    parts = np.split(values, sorted(min(cut, len(values)) for cut in cuts))
    chance.shuffle(parts)
    total, missing = {}, 0
    for part in parts:
        found, absent = counted(part, centre)
        missing += absent
        for key, n in found.items():
            total[key] = total.get(key, 0) + n
    assert (total, missing) == counted(values, centre)


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e12, 1e12)), centres)
def test_a_bucket_knows_a_value_to_one_part_in_a_hundred_of_its_distance_from_the_centre(values, centre):
    keys, _ = keys_of(values, centre)
    distance = values - centre
    assert (np.abs(midpoints(keys) - distance) <= 0.008 * np.abs(distance) + 1e-300).all()


def test_zeros_infinities_and_nothing():
    keys, missing = keys_of(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, -1e308]), 0.0)
    assert keys[0] == keys[1] == 0
    assert keys[2] == keys.max()
    assert keys[3] == keys.min()
    assert keys[2] > keys[5]
    assert missing.tolist() == [False] * 4 + [True] + [False] * 2
    assert midpoints(keys[2:4]).tolist() == [np.inf, -np.inf]


def test_coarse_bins_are_unions_of_buckets_and_hold_like_shares():
    values = np.random.default_rng(1).gamma(2, 3, 20_000)
    frame = frame_of(values)
    keys, _ = keys_of(values, frame.centre)
    bins = coarse_bins(keys, np.asarray(frame.edges))
    assert (np.diff(bins[np.argsort(keys, kind="stable")]) >= 0).all()
    shares = np.bincount(bins, minlength=32) / len(values)
    assert shares.max() < 0.045


def test_a_quantile_from_the_grid_is_off_by_less_than_a_thousandth_of_the_rows():
    values = np.random.default_rng(2).normal(1013, 10, 200_000)
    frame = frame_of(values[:5000])
    keys, _ = keys_of(values, frame.centre)
    found, counts = np.unique(keys, return_counts=True)
    upper = np.cumsum(counts) / counts.sum()
    exact = np.array([(keys <= key).mean() for key in found[::50]])
    assert np.abs(upper[::50] - exact).max() < 1e-12
    assert counts.max() / counts.sum() < 0.01


def test_a_frame_of_nothing_is_refused_and_of_a_constant_has_a_scale():
    with pytest.raises(ValueError, match="no finite value"):
        frame_of(np.array([np.nan, np.inf]))
    assert frame_of(np.full(10, 7.0)).scale == 7.0


def test_a_frame_of_the_largest_doubles_is_finite():
    for values in ([1.7e308, 1.6e308], [-1.7e308, 1.7e308, 0.0], [1e308] * 3):
        frame = frame_of(np.array(values))
        assert np.isfinite([frame.centre, frame.scale]).all()
        assert frame.scale > 0


def test_keys_are_those_of_the_bits_one_by_one():
    bits = np.random.default_rng(4).integers(0, 2**64, 50_000, dtype=np.uint64)
    values = np.concatenate([bits.view(np.float64), [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324]])
    for centre in (0.0, -0.0, 2.5, -1e300):
        with np.errstate(all="ignore"):
            offset = (values - centre + 0.0).view(np.int64)
        magnitude = (offset & (2**63 - 1)) >> 46
        wanted = np.where(np.isnan(values), 0, np.where(offset < 0, -magnitude - 1, magnitude))
        keys, missing = keys_of(values, centre)
        assert (keys == wanted).all()
        assert (missing == np.isnan(values)).all()
