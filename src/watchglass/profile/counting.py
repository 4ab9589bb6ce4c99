"""Rows as small integers → how many lie in each cell of a column, for all rows of a group and under each tag.

A row's group says its version, environment and day; a row's place under a tag says its group and the tag's value.
Counts are sums of the rows' weights. Where the numbers are compact an array is counted into, else they are sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from watchglass.profile.grid import coarse_bins, keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Codes = NDArray[np.intp]

SPARE = 8  # an array of so many times the rows is walked faster than the rows are sorted
LEAST = 1 << 16


class Places(NamedTuple):
    """Where each row is counted: numbers from 0 up to, not with, `size`; a row at `size` is not counted. None: all at 0."""

    of_row: Codes | None
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What all columns of some rows share: how many they are, their groups, their places under each tag, their weights.

    No weights: all are 1.
    """

    count: int
    groups: Places
    tags: tuple[Places, ...]
    weights: NDArray[np.float64] | None = None


class Counts(NamedTuple):
    """Cells that are not empty: their place, their bucket, whether they count missing values, the sum of the weights."""

    place: NDArray[np.int64]
    bucket: NDArray[np.int64]
    missing: NDArray[np.bool_]
    n: NDArray[np.int64]


def dense(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], Codes]:
    """Number the codes that occur from 0, in order: gives them, and each row's number.

    >>> [found.tolist() for found in dense(np.array([7, 2, 7]), 9)]
    [[2, 7], [1, 0, 1]]
    """
    if size > SPARE * len(codes) + LEAST:
        found, index = np.unique(codes, return_inverse=True)
        return found, index.astype(np.intp, copy=False)
    seen = np.zeros(size, dtype=np.bool_)
    seen[codes] = True
    found = np.flatnonzero(seen)
    number = np.zeros(size, dtype=np.intp)
    number[found] = np.arange(len(found))
    return found, number.take(codes)


def tally(codes: Codes, size: int, weights: NDArray[np.float64] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the codes below `size` that occur, in order, and the sum of their rows' weights.

    >>> [found.tolist() for found in tally(np.array([3, 1, 3, 4]), 4, None)]
    [[1, 3], [1, 2]]
    """
    if size <= SPARE * len(codes) + LEAST:
        counts = np.bincount(codes, weights, minlength=size)[:size]
        found = np.flatnonzero(counts)
        return found, counts[found].astype(np.int64)
    found, index = np.unique(codes, return_inverse=True)
    counts = np.bincount(index, weights, minlength=len(found)).astype(np.int64)
    kept = int(np.searchsorted(found, size))
    return found[:kept].astype(np.int64), counts[:kept]


def count_rows(places: Places, rows: Rows) -> Counts:
    """Count the rows of each place."""
    return _cross(places, np.zeros(rows.count, dtype=np.intp), np.zeros(1, dtype=np.int64), rows.weights)


def count_numbers(
    values: NDArray[np.float64], centre: float, edges: Sequence[int], rows: Rows
) -> tuple[Counts, list[Counts]]:
    """Count numbers, NaN where one is missing: on the grid for all rows of a group, in coarse bins under each tag.

    There must be at least one row.
    """
    keys, missing = keys_of(values, centre)
    low, high = int(keys.min()), int(keys.max())
    codes = np.subtract(keys, low, dtype=np.intp)
    if missing.any():
        codes[missing] = high - low + 1  # one bucket past the last
    found, number = dense(codes, high - low + 2)
    gone = found == high - low + 1
    fine = _cross(rows.groups, number, found + low, rows.weights, gone)
    if not rows.tags:
        return fine, []
    bins = coarse_bins(found + low, np.asarray(edges, dtype=np.int64))
    last = len(edges) + 1
    bins[gone] = last
    binned = bins.take(number)
    named = np.arange(last + 1)
    return fine, [_cross(places, binned, named, rows.weights, named == last) for places in rows.tags]


def count_codes(codes: Codes, size: int, rows: Rows) -> tuple[Counts, list[Counts]]:
    """Count codes from 0 up to, not with, `size`; at `size` a value is missing."""
    named = np.arange(size + 1)
    gone = named == size
    return _cross(rows.groups, codes, named, rows.weights, gone), [
        _cross(places, codes, named, rows.weights, gone) for places in rows.tags
    ]


def _cross(
    places: Places,
    numbers: Codes,
    buckets: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
    missing: NDArray[np.bool_] | None = None,
) -> Counts:
    """Count place by bucket; `numbers` are the rows' indices into `buckets`, those of `missing` hold no value."""
    width = len(buckets)
    both = numbers if places.of_row is None else places.of_row * width + numbers
    cells, n = tally(both, places.size * width, weights)
    place, number = np.divmod(cells, width)
    gone = np.zeros(len(cells), dtype=np.bool_) if missing is None else missing[number]
    return Counts(place, np.where(gone, 0, buckets[number]), gone, n)
