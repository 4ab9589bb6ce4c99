"""Histories made up with known changes."""

from __future__ import annotations

import numpy as np

from watchglass.profile.columns import frame_of
from watchglass.profile.grid import keys_of
from watchglass.profile.histories import CategoryHistory, LabelHistory, NumberHistory


def number(name, days):
    """Count days of values: a list of arrays."""
    values = np.concatenate(days)
    frame = frame_of(values[: 20 * len(days[0])])
    window = np.repeat(np.arange(len(days)), [len(day) for day in days])
    keys, missing = keys_of(values, frame.centre)
    buckets, index = np.unique(keys[~missing], return_inverse=True)
    counts = np.zeros((len(days), len(buckets)), dtype=np.int64)
    np.add.at(counts, (window[~missing], index), 1)
    return NumberHistory(
        name, frame.centre, frame.scale, buckets, counts, np.bincount(window[missing], minlength=len(days))
    )


def category(name, values, counts):
    return CategoryHistory(
        name, tuple(values), np.asarray(counts, dtype=np.int64), np.zeros(len(counts), dtype=np.int64)
    )


def labels(counts, delay=0):
    """Make label counts from {slice: (labelled (W,), correct (W,))}; the empty slice is the sum of the first tag's slices."""
    windows = len(next(iter(counts.values()))[0])
    slices = sorted(counts, key=lambda chosen: (len(chosen), chosen))
    rows = np.stack([np.asarray(counts[chosen][0]) for chosen in slices], axis=1)
    window = np.tile(np.arange(windows), len(slices))
    place = np.repeat(np.arange(len(slices)), windows)
    labelled = np.concatenate([np.asarray(counts[chosen][0]) for chosen in slices])
    correct = np.concatenate([np.asarray(counts[chosen][1]) for chosen in slices])
    return LabelHistory(tuple(slices), rows, window, place, window + delay, labelled, correct)
