"""Labelled windows before and since an onset → which declared slice fell more than the rest, and which only seem to.

A slice is charged with its excess: how much more it fell than the rows outside it. A slice that falls only through
another one (a channel that the faulty site uses more) is told from it by the pair's cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watchglass.monitor.accuracy import accuracy, change
from watchglass.records import Estimate, SliceEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.profile.histories import LabelHistory
    from watchglass.records import Slice

FAMILY = 0.05  # chance that any slice of a pair of stretches without change is named
NEAR_BEST = 0.8
KEPT = 0.5  # a slice that keeps less than this of its excess without another one is carried by it

Counts = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


@dataclass(frozen=True, slots=True, eq=False)
class Fallen:
    """The labels as known at one time, parted into windows before and since an onset."""

    labels: LabelHistory
    labelled: NDArray[np.int64]
    correct: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]

    @classmethod
    def at(cls, labels: LabelHistory, known_day: int, before: Sequence[int], after: Sequence[int]) -> Fallen:
        """Take the labels known at the end of a day."""
        labelled, correct = labels.known_at(known_day)
        return cls(labels, labelled, correct, np.asarray(before, dtype=np.int64), np.asarray(after, dtype=np.int64))

    def of(self, chosen: Slice, windows: NDArray[np.int64]) -> Counts:
        """Give (labelled, correct) of a slice by window; zeros for a pair that never occurred."""
        if chosen not in self.labels.slices:
            return np.zeros(len(windows), dtype=np.int64), np.zeros(len(windows), dtype=np.int64)
        place = self.labels.slices.index(chosen)
        return self.labelled[windows, place], self.correct[windows, place]

    def without(self, chosen: Slice, other: Slice, windows: NDArray[np.int64]) -> Counts:
        """Give a slice's counts less its rows in another slice."""
        whole, both = self.of(chosen, windows), self.of(tuple(sorted((*chosen, *other))), windows)
        return whole[0] - both[0], whole[1] - both[1]

    def fall(self, chosen: Slice, level: float = 0.95) -> Estimate:
        """Give a slice's change of accuracy; negative is a fall."""
        return change(self.of(chosen, self.before), self.of(chosen, self.after), level)

    def rest(self, chosen: Slice, windows: NDArray[np.int64]) -> Counts:
        """Give the counts of all rows outside a slice."""
        whole, inside = self.of((), windows), self.of(chosen, windows)
        return whole[0] - inside[0], whole[1] - inside[1]


def excess(fallen: Fallen, chosen: Slice, level: float = 0.95) -> Estimate:
    """Give how much more a slice fell than the rest; positive is worse."""
    inside = fallen.fall(chosen, level)
    outside = change(fallen.rest(chosen, fallen.before), fallen.rest(chosen, fallen.after), level)
    half = float(np.hypot(inside.high - inside.value, outside.high - outside.value))
    value = outside.value - inside.value
    return Estimate(value, value - half, value + half, inside.rows)


def rank(fallen: Fallen) -> tuple[SliceEvidence, ...]:
    """Rank the single-tag slices: the slice first, then those it carries, then those as before.

    The best has the largest gain, share of rows × lower bound of the excess at a level that holds for all slices
    looked at; among slices with 80 % of the best gain, the one with the largest excess.
    """
    singles: list[Slice] = [chosen for chosen in fallen.labels.slices if len(chosen) == 1]
    if not singles:
        return ()
    level = 1 - FAMILY / len(singles)
    total = max(int(fallen.of((), fallen.after)[0].sum()), 1)
    found = {chosen: excess(fallen, chosen, level) for chosen in singles}
    gains = {
        chosen: item.rows / total * item.low for chosen, item in found.items() if np.isfinite(item.low) and item.low > 0
    }
    best: Slice = ()
    if gains:
        near = [chosen for chosen, gain in gains.items() if gain >= NEAR_BEST * max(gains.values())]
        best = max(near, key=lambda chosen: found[chosen].value)
        best = _purest(fallen, best, [chosen for chosen in gains if chosen != best], found)
    evidence = [_evidence(fallen, chosen, best, item) for chosen, item in found.items()]
    order = {"the slice": 0, "carried": 1, "as before": 2}
    return tuple(sorted(evidence, key=lambda item: (order[item.role], -item.excess.value)))


def _purest(fallen: Fallen, best: Slice, others: Sequence[Slice], found: dict[Slice, Estimate]) -> Slice:
    """Change to another candidate when the best one falls only through it."""
    for other in sorted(others, key=lambda chosen: -found[chosen].value):
        if (
            other[0][0] != best[0][0]
            and _carried(fallen, best, other) is not None
            and _carried(fallen, other, best) is None
        ):
            return other
    return best


def _carried(fallen: Fallen, chosen: Slice, by: Slice) -> Estimate | None:
    """Give the change of a slice without its rows in another one, when that explains its fall; else None."""
    if not by or chosen[0][0] == by[0][0]:
        return None
    alone = change(fallen.without(chosen, by, fallen.before), fallen.without(chosen, by, fallen.after))
    whole = fallen.fall(chosen)
    if not np.isfinite(alone.value) or whole.value >= 0:
        return None
    return alone if alone.value > KEPT * whole.value else None


def _evidence(fallen: Fallen, chosen: Slice, best: Slice, item: Estimate) -> SliceEvidence:
    before, after = accuracy(*fallen.of(chosen, fallen.before)), accuracy(*fallen.of(chosen, fallen.after))
    if chosen == best:
        return SliceEvidence(chosen, before, after, item, "the slice", "fell, and the rest did not")
    alone = _carried(fallen, chosen, best)
    moved = fallen.fall(chosen)
    if alone is not None and moved.high < 0:
        tag, value = best[0]
        reason = f"falls only through {tag} = {value}: without it the change is {alone.value:+.3f} [{alone.low:+.3f}, {alone.high:+.3f}]"
        return SliceEvidence(chosen, before, after, item, "carried", reason)
    reason = (
        f"changed by {moved.value:+.3f} [{moved.low:+.3f}, {moved.high:+.3f}]"
        if np.isfinite(moved.value)
        else "has too few labels to say"
    )
    return SliceEvidence(chosen, before, after, item, "as before", reason)
