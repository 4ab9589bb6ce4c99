"""Counts → shares that add up to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def shares(counts: NDArray[np.float64] | NDArray[np.int64]) -> tuple[float, ...]:
    """Turn counts into shares; all zero when there are no rows."""
    total = float(counts.sum())
    return tuple(float(count) / total if total else 0.0 for count in counts)
