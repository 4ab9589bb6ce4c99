"""Counts of a column before and since an onset → the histogram that shows how it moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from watchglass.profile.grid import COARSE, midpoints
from watchglass.profile.histories import CategoryHistory, NumberHistory
from watchglass.profile.shapes import shares
from watchglass.records import Histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watchglass.store.histories import History

Windows = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
VALUES = 12


def of_column(history: History, name: str, windows: Windows) -> Histogram | None:
    """Draw a column over all rows: a number in 32 equal bins over the middle 99 % of both, a category by its commonest values."""
    column = next((item for item in history.columns if item.name == name), None)
    if isinstance(column, NumberHistory):
        middle = midpoints(column.keys) + column.centre
        pooled = column.counts[np.concatenate(windows)].sum(axis=0)
        if not pooled.sum():
            return None
        reach = np.cumsum(pooled) / pooled.sum()
        low, high = (float(middle[min(int(np.searchsorted(reach, at)), len(middle) - 1)]) for at in (0.005, 0.995))
        edges = np.linspace(low, high if high > low else low + 1, COARSE + 1)
        place = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, COARSE - 1)
        drawn = [np.bincount(place, weights=column.counts[chosen].sum(axis=0), minlength=COARSE) for chosen in windows]
        return Histogram(name, tuple(edges.tolist()), (), shares(drawn[0]), shares(drawn[1]))
    if isinstance(column, CategoryHistory):
        order = np.argsort(-column.counts[np.concatenate(windows)].sum(axis=0), kind="stable")[:VALUES]
        drawn = [column.counts[chosen][:, order].sum(axis=0).astype(np.float64) for chosen in windows]
        return Histogram(name, (), tuple(column.values[index] for index in order), shares(drawn[0]), shares(drawn[1]))
    return None
