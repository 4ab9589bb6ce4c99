"""Numbers → buckets of a fixed, centred, log-linear grid: 64 buckets an octave, so that counts merge by addition.

A bucket is the top 18 bits of the double `value − centre`: a value is known to 0.8 % of its distance from the
centre. Keys order as the values do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DROPPED_BITS = 46
_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)
COARSE = 32


def keys_of(values: NDArray[np.float64], centre: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give each value's bucket, and where a value is missing (NaN; its key is 0).

    Infinities have the outermost buckets, −0 the bucket of +0.

    >>> keys, missing = keys_of(np.array([2.0, 3.0, 1.0, np.nan]), 2.0)
    >>> keys.argsort(kind="stable").tolist(), missing.tolist()
    ([2, 0, 3, 1], [False, False, False, True])
    """
    missing = np.isnan(values)
    offset = values - centre
    offset += 0.0
    bits = offset.view(np.int64)
    keys = (bits & _MAGNITUDE) >> DROPPED_BITS
    negative = bits < 0
    keys[negative] = -keys[negative] - 1
    keys[missing] = 0
    return keys, missing


def midpoints(keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the middle of each bucket as a distance from the centre; the outermost buckets are infinite.

    >>> float(midpoints(keys_of(np.array([1.0]), 0.0)[0])[0])
    1.0078125
    """
    magnitude = np.where(keys < 0, -keys - 1, keys)
    low = (magnitude << DROPPED_BITS).view(np.float64)
    high = np.minimum(magnitude + 1, np.int64(0x7FF0_0000_0000_0000) >> DROPPED_BITS)
    top = (high << DROPPED_BITS).view(np.float64)
    inner = np.where(np.isinf(low), 0.0, low)
    finite = np.where(np.isinf(low), low, inner + (np.where(np.isinf(top), inner, top) - inner) / 2)
    return np.where(keys < 0, -finite, finite)


def coarse_bins(keys: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the coarse bin of each bucket: bin i holds the keys from edges[i − 1] up to, not with, edges[i].

    >>> coarse_bins(np.array([1, 5, 9]), np.array([5, 7])).tolist()
    [0, 1, 2]
    """
    return np.searchsorted(edges, keys, side="right").astype(np.int64)
