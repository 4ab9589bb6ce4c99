"""Numbers → buckets of a fixed, centred, log-linear grid: 64 buckets an octave, so that counts merge by addition.

A bucket is the top 18 bits of the double `value − centre`: a value is known to 0.8 % of its distance from the
centre. Keys order as the values do.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DROPPED_BITS = 46
COARSE = 32
_HIGH = np.s_[1::2] if sys.byteorder == "little" else np.s_[0::2]  # the half of a double with sign and exponent
_SIGN = np.int32(31)
_MAGNITUDE = np.int32(0x7FFF_FFFF)
_SHIFT = np.int32(DROPPED_BITS - 32)
_BLOCK = 1 << 14  # 128 kB of doubles: what one step writes, the next still finds in the processor's cache


def keys_of(values: NDArray[np.float64], centre: float) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Give each value's bucket, and where a value is missing (NaN; its key is 0).

    Infinities have the outermost buckets, −0 the bucket of +0.

    >>> keys, missing = keys_of(np.array([2.0, 3.0, 1.0, np.nan]), 2.0)
    >>> keys.argsort(kind="stable").tolist(), missing.tolist()
    ([2, 0, 3, 1], [False, False, False, True])
    """
    keys, missing = np.empty(len(values), dtype=np.int32), np.empty(len(values), dtype=np.bool_)
    offset, flip = np.empty(_BLOCK, dtype=np.float64), np.empty(_BLOCK, dtype=np.int32)
    with np.errstate(over="ignore", invalid="ignore"):  # farther than a double can say is infinitely far
        for begin in range(0, len(values), _BLOCK):
            block = values[begin : begin + _BLOCK]
            size, key, gone = len(block), keys[begin : begin + _BLOCK], missing[begin : begin + _BLOCK]
            # −0 + 0 is +0, and no other difference of two doubles is −0
            _ = np.subtract(block, centre, out=offset[:size]) if centre else np.add(block, 0.0, out=offset[:size])
            high = offset[:size].view(np.int32)[_HIGH]
            np.right_shift(high, _SIGN, out=flip[:size])
            np.bitwise_and(flip[:size], _MAGNITUDE, out=flip[:size])
            np.bitwise_xor(high, flip[:size], out=key)
            np.right_shift(key, _SHIFT, out=key)
            if np.isnan(block, out=gone).any():
                key[gone] = 0
    return keys, missing


def midpoints(keys: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.float64]:
    """Give the middle of each bucket as a distance from the centre; the outermost buckets are infinite.

    >>> float(midpoints(keys_of(np.array([1.0]), 0.0)[0])[0])
    1.0078125
    """
    wide = keys.astype(np.int64)
    magnitude = np.where(wide < 0, -wide - 1, wide)
    low = (magnitude << DROPPED_BITS).view(np.float64)
    high = np.minimum(magnitude + 1, np.int64(0x7FF0_0000_0000_0000) >> DROPPED_BITS)
    top = (high << DROPPED_BITS).view(np.float64)
    inner = np.where(np.isinf(low), 0.0, low)
    finite = np.where(np.isinf(low), low, inner + (np.where(np.isinf(top), inner, top) - inner) / 2)
    return np.where(wide < 0, -finite, finite)


def coarse_bins(keys: NDArray[np.int64] | NDArray[np.int32], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the coarse bin of each bucket: bin i holds the keys from edges[i − 1] up to, not with, edges[i].

    >>> coarse_bins(np.array([1, 5, 9]), np.array([5, 7])).tolist()
    [0, 1, 2]
    """
    return np.searchsorted(edges, keys, side="right").astype(np.int64)
