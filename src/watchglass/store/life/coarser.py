"""Old cells → the same counts on a coarser grid: sixteen buckets an octave instead of sixty-four, each named by one of its own keys.

A value is then known to 4 % of its distance from the column's centre, 0.8 % before; sums, categories, slices, labels
and days stay as they are. The middle keys are keys of the fine grid, so nothing that reads cells need know. A watermark
`coarse:<model>` is the first day (since 1970) that is fine: whoever reads counts every older day on the coarser grid,
whether its file was written anew yet or a late row came since. Where days are compared with one another (`alike`),
all of them are: a step of the grid would look like a step of the data.

What is judged does not depend on when this is done. A window's own place decides on which grid it is judged, with all
before it: those of the first `fine_days` and a week on the fine grid, later ones on the coarser, though fine cells may
be there still; and no day is made coarser that a window which is not judged yet needs fine (coarsening.py). So a store
that grew for a year and a replay of its rows give the same verdicts. On a stream of 140 days, 80 rows each, of which
nobody took care, evidence differed by up to 0.004 of the alarm level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import sqlalchemy as sa

from watchglass.store import catalog as c

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

_JOINED: Final = 4  # fine buckets in a coarser one
_WITHIN: Final = _JOINED - 1
_MIDDLE: Final = _JOINED // 2
_INFINITE: Final = 0x7FF0_0000_0000_0000 >> 46
"""The bucket of infinity: it is joined with no other, nor is that of the centre itself."""

K = TypeVar("K", np.int32, np.int64)


def coarser_keys(keys: NDArray[K]) -> NDArray[K]:
    """Give the key that stands for each key's coarser bucket; keys of one stay together, and in order.

    >>> coarser_keys(np.array([65472, 65475, 65476, -65473, 0, -1, 131008])).tolist()
    [65474, 65474, 65478, -65475, 0, -1, 131008]
    """
    above, below = keys & ~_WITHIN | _MIDDLE, (keys | _WITHIN) & ~_MIDDLE
    found = np.where(keys < 0, below, above)
    magnitude = np.where(keys < 0, ~keys, keys)
    return np.where((magnitude < _JOINED) | (magnitude >= _INFINITE), keys, found).astype(keys.dtype)


def expression(bucket: str = "bucket") -> str:
    """Write `coarser_keys` in SQL."""
    return (
        f"CASE WHEN {bucket} BETWEEN {_JOINED} AND {_INFINITE - 1} THEN {bucket} & {~_WITHIN} | {_MIDDLE}"
        f" WHEN {bucket} BETWEEN {-_INFINITE} AND {-_JOINED - 1} THEN ({bucket} | {_WITHIN}) & {~_MIDDLE} ELSE {bucket} END"
    )


def first_fine_day(engine: Engine, model: str) -> int | None:
    """Give the first day since 1970 whose cells are fine; None where all are."""
    query = sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == f"coarse:{model}")
    with engine.connect() as connection:
        return connection.execute(query).scalar()


def source(engine: Engine, model: str, cells: str, *, alike: bool = False, coarse: bool | None = None) -> str:
    """Write what reads a model's cells with the old days on the coarser grid, all of them with `alike`; else as it was.

    With `coarse` all days are on the coarser grid, without it (False) each as it lies, whatever was made coarser so far.
    """
    day = first_fine_day(engine, model) if coarse is None else 0
    if day is None or coarse is False:
        return cells
    old = "" if alike or coarse else f" AND day < DATE '1970-01-01' + {day}"
    return f"(SELECT * REPLACE (CASE WHEN kind = 'number'{old} THEN {expression()} ELSE bucket END AS bucket) FROM {cells})"
