"""Labelled windows before and since an onset → which declared slice fell more than the rest, and which only seem to.

A slice is charged with its excess: how much more it fell than the rows outside it. A slice that falls only through
another one (a channel that the faulty site uses more) is told from it by the pair's cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watchglass.explain.contrast import NONE, Counts, Group, excess, fall
from watchglass.explain.wording import signed
from watchglass.monitor.accuracy import change
from watchglass.profile.weights import Squares, pooled
from watchglass.records import Estimate, SliceEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.profile.histories import LabelHistory
    from watchglass.records import Slice

FAMILY = 0.05  # chance that any slice of a pair of stretches without change is named
NEAR_BEST = 0.8
_ORDER = {"the slice": 0, "carried": 1, "as before": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Fallen:
    """The labels as known at one time, parted into windows before and since an onset."""

    labels: LabelHistory
    labelled: NDArray[np.int64]
    correct: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    known_day: int
    squares: Squares | None = None

    @classmethod
    def at(cls, labels: LabelHistory, known_day: int, before: Sequence[int], after: Sequence[int]) -> Fallen:
        """Take the labels known at the end of a day."""
        labelled, correct = labels.known_at(known_day)
        old, new = np.asarray(before, dtype=np.int64), np.asarray(after, dtype=np.int64)
        return cls(labels, labelled, correct, old, new, known_day, labels.squares_at(known_day))

    def of(self, chosen: Slice, windows: NDArray[np.int64]) -> Counts:
        """Give (labelled, correct) of a slice by window; zeros for a pair that never occurred."""
        return self._scaled(self._sums(chosen, windows))

    def _sums(self, chosen: Slice, windows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Give the sums of weights of a slice, labelled and correct, and of their squares where there are weights."""
        tables = [self.labelled, self.correct, *(self.squares or ())]
        if chosen not in self.labels.slices:
            return [np.zeros(len(windows), dtype=np.int64) for _ in tables]
        place = self.labels.slices.index(chosen)
        return [table[windows, place] for table in tables]

    def _less(
        self, whole: Sequence[NDArray[np.int64]], part: Slice, windows: NDArray[np.int64]
    ) -> list[NDArray[np.int64]]:
        return [all_ - some for all_, some in zip(whole, self._sums(part, windows), strict=True)]

    def _scaled(self, sums: Sequence[NDArray[np.int64]]) -> Counts:
        return pooled(sums[0], sums[1], Squares(*sums[2:]) if self.squares else None)

    def told(self, chosen: Slice) -> int:
        """Give how many predictions of a slice have labels since the onset."""
        return int(self._sums(chosen, self.after)[0].sum())

    def without(self, chosen: Slice, other: Slice, windows: NDArray[np.int64]) -> Counts:
        """Give a slice's counts less its rows in another slice."""
        return self._scaled(self._less(self._sums(chosen, windows), _both(chosen, other), windows))

    def rest(self, chosen: Slice, windows: NDArray[np.int64]) -> Counts:
        """Give the counts of all rows outside a slice."""
        return self._scaled(self._less(self._sums((), windows), chosen, windows))

    def fall(self, chosen: Slice, level: float = 0.95) -> Estimate:
        """Give a slice's change of accuracy; negative is a fall."""
        return change(self.of(chosen, self.before), self.of(chosen, self.after), level)

    def inside(self, chosen: Slice) -> Group:
        """Give the rows of a slice on both sides of the onset."""
        return Group.of(self.of(chosen, self.before), self.of(chosen, self.after))

    def outside(self, chosen: Slice) -> Group:
        """Give the rows outside a slice."""
        return Group.of(self.rest(chosen, self.before), self.rest(chosen, self.after))

    def apart(self, chosen: Slice, other: Slice) -> Group:
        """Give the rows of a slice that are not in another one."""
        return Group.of(self.without(chosen, other, self.before), self.without(chosen, other, self.after))

    def neither(self, chosen: Slice, other: Slice) -> Group:
        """Give the rows in neither of two slices."""
        sides = []
        for windows in (self.before, self.after):
            rest = self._less(self._less(self._sums((), windows), chosen, windows), other, windows)
            both = self._sums(_both(chosen, other), windows)
            sides.append(self._scaled([alone + twice for alone, twice in zip(rest, both, strict=True)]))
        return Group.of(*sides)

    def crossed(self, chosen: Slice, other: Slice) -> bool:
        """Say whether the pairs of two slices' tags are counted, so that one can be taken out of the other."""
        tags = {chosen[0][0], other[0][0]}
        return len(tags) > 1 and any({tag for tag, _ in name} == tags for name in self.labels.slices)


def _both(chosen: Slice, other: Slice) -> Slice:
    return tuple(sorted((*chosen, *other)))


def rank(fallen: Fallen) -> tuple[SliceEvidence, ...]:
    """Rank the single-tag slices: the slice first, then those it carries, then those as before.

    The best has the largest gain, share of rows × lower bound of the excess at a level that holds for all slices
    looked at; among slices with 80 % of the best gain, the one with the largest excess. When none stands out, all
    rows are named, and the reason says whether they fell.
    """
    singles: list[Slice] = [chosen for chosen in fallen.labels.slices if len(chosen) == 1]
    level = 1 - FAMILY / max(len(singles), 1)
    found = {chosen: excess(fallen.inside(chosen), fallen.outside(chosen), level) for chosen in singles}
    total = max(fallen.told(()), 1)
    gains = {chosen: fallen.told(chosen) / total * item.low for chosen, item in found.items() if item.low > 0}
    if not gains:
        return (_all_rows(fallen), *_sorted([_untouched(fallen, chosen, item) for chosen, item in found.items()]))
    near = [chosen for chosen, gain in gains.items() if gain >= NEAR_BEST * max(gains.values())]
    best = max(near, key=lambda chosen: found[chosen].value)
    best = _through(fallen, best, sorted(gains, key=lambda chosen: -found[chosen].value))
    return _sorted([_evidence(fallen, chosen, best, item) for chosen, item in found.items()])


def _sorted(evidence: Sequence[SliceEvidence]) -> tuple[SliceEvidence, ...]:
    return tuple(sorted(evidence, key=lambda item: (_ORDER[item.role], -np.nan_to_num(item.excess.value, nan=-1.0))))


def _through(fallen: Fallen, best: Slice, others: Sequence[Slice]) -> Slice:
    """Change to another candidate when the best one falls only through it."""
    for other in others:
        if other != best and _carried(fallen, best, other) and not _carried(fallen, other, best):
            return other
    return best


def _carried(fallen: Fallen, chosen: Slice, by: Slice) -> str:
    """Say why a slice falls only through another one; empty when it does not, or the pair is not counted.

    Without the other slice it falls no more than the rows in neither, and by less than half of what the rows in both
    do, while the other slice still falls by half of that where this one is not (or is never there without it).
    """
    if not fallen.crossed(chosen, by):
        return ""
    left, right, neither = fallen.apart(chosen, by), fallen.apart(by, chosen), fallen.neither(chosen, by)
    both = fallen.inside(tuple(sorted((*chosen, *by))))
    alone, still, through = (excess(part, neither) if neither.enough else fall(part) for part in (left, right, both))
    half = through.value / 2
    if not left.enough:
        return f"nearly all its rows are {_words(by)}" if right.enough and still.low > 0 else ""
    if not half > 0 or alone.low > 0 or alone.value > half or (right.enough and still.value < half):
        return ""
    said = f"falls only through {_words(by)}: without it {_values(left)}, {_interval(fall(left))}"
    return f"{said}; {_words(by)} elsewhere {_values(right)}" if right.enough else said


def _evidence(fallen: Fallen, chosen: Slice, best: Slice, item: Estimate) -> SliceEvidence:
    inside = fallen.inside(chosen)
    if chosen == best:
        reason = f"fell more than the other rows, which changed {_values(fallen.outside(chosen))}"
        return SliceEvidence(chosen, inside.accuracy(0), inside.accuracy(1), item, "the slice", reason)
    fell = inside.enough and fall(inside).low > 0
    why = _carried(fallen, chosen, best) if fell else ""
    if why:
        return SliceEvidence(chosen, inside.accuracy(0), inside.accuracy(1), item, "carried", why)
    return _untouched(fallen, chosen, item)


def _untouched(fallen: Fallen, chosen: Slice, item: Estimate) -> SliceEvidence:
    inside = fallen.inside(chosen)
    reason = "has too few labels to say"
    if inside.enough:
        moved = fall(inside)
        reason = "shows no fall"
        if moved.low > 0:
            reason = "fell too, beyond the other rows" if item.low > 0 else "fell no more than the other rows"
        reason = f"{reason}, {_interval(moved)}"
    return SliceEvidence(chosen, inside.accuracy(0), inside.accuracy(1), item, "as before", reason)


def _all_rows(fallen: Fallen) -> SliceEvidence:
    whole = fallen.inside(())
    moved = fall(whole) if whole.enough else NONE
    said = "they fell together" if moved.low > 0 else "no fall is shown"
    if not whole.enough:
        said = "there are too few labels to say"
    return SliceEvidence(
        (), whole.accuracy(0), whole.accuracy(1), moved, "the slice", f"no slice stands out: all rows; {said}"
    )


def _words(chosen: Slice) -> str:
    return ", ".join(f"{tag} = {value}" for tag, value in chosen) or "all rows"


def _values(group: Group) -> str:
    return f"{1 - group.rate(0):.3f} → {1 - group.rate(1):.3f}" if group.enough else "unknown, too few labels"


def _interval(found: Estimate) -> str:
    """Write a fall as the change it is: −fall, with its interval."""
    return f"change {signed(-found.value)} [{signed(-found.high)}, {signed(-found.low)}]"
