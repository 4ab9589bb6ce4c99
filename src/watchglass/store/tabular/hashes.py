"""The hashes of known values → each row's hash as the index of its value, by one look into a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FEWEST_BITS: Final = 8
MOST_BITS: Final = 22


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Hashes of values, and where to look: `table` gives the only value whose hash ends in these bits."""

    hashes: NDArray[np.uint64]
    table: NDArray[np.int32]

    @classmethod
    def of(cls, hashes: Sequence[int]) -> Self:
        """Find the fewest bits that tell all hashes apart; where none do, the later of two is counted with the others."""
        known = np.array(hashes, dtype=np.uint64)
        bits = FEWEST_BITS
        while bits < MOST_BITS and len(np.unique(known & np.uint64((1 << bits) - 1))) < len(known):
            bits += 1
        table = np.zeros(1 << bits, dtype=np.int32)
        ends = (known & np.uint64((1 << bits) - 1)).astype(np.intp)
        table[ends[::-1]] = np.arange(len(known), dtype=np.int32)[::-1]
        return cls(known, table)

    def index(self, hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Give the index of each hash; one past the last where it is not known.

        >>> Known.of([7, 300, 9]).index(np.array([300, 8, 7], dtype=np.uint64)).tolist()
        [1, 3, 0]
        """
        size = len(self.hashes)
        if not size:
            return np.zeros(len(hashes), dtype=np.intp)
        near = self.table.take((hashes & np.uint64(len(self.table) - 1)).view(np.int64)).astype(np.intp)
        near[self.hashes.take(near) != hashes] = size
        return near
