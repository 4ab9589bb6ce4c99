"""Histories of labels → one finding a window: did the accuracy of all rows, or of a declared slice, fall.

The same e-detector as for drift, over the arcsine of each slice's accuracy by window, falls only. A window is judged
once, when its labels are due, with what was known then.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from watchglass.monitor import ted
from watchglass.monitor.drift import onset_interval
from watchglass.monitor.functionals import FEWEST_ROWS, arcsine
from watchglass.profile.weights import by_window

if TYPE_CHECKING:
    from watchglass.profile.histories import LabelHistory
    from watchglass.profile.weights import Numbers
    from watchglass.records import Slice


@dataclass(frozen=True, slots=True)
class PerformanceState:
    """Where the performance monitor stands: `fallen` slices are told once until `recover`; judging counts from `resumed` on."""

    reference: int
    judged: int = 0
    resumed: int = 0
    fallen: tuple[Slice, ...] = ()

    def recover(self, window: int) -> PerformanceState:
        """Judge again from the window after `window`, against the same reference."""
        return replace(self, fallen=(), resumed=window + 1)

    def to_json(self) -> str:
        """Write the state."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PerformanceState:
        """Read a state back."""
        raw = json.loads(text)
        fallen = tuple(tuple((tag, value) for tag, value in chosen) for chosen in raw["fallen"])
        return cls(raw["reference"], raw["judged"], raw["resumed"], fallen)


@dataclass(frozen=True, slots=True)
class PerformanceFinding:
    """What a window's labels say: the slice with most evidence (in units of the alarm level), its onset with interval."""

    window: int
    violated: bool
    evidence: float
    slice: Slice
    onset: int
    onset_low: int
    onset_high: int


class PerformanceMonitor:
    """The monitor of labelled accuracy of one model; `state` is all that it must remember between runs."""

    def __init__(
        self, labels: LabelHistory, state: PerformanceState, *, windows_per_false_alert: float = 365.0
    ) -> None:
        """Take up judging at `state`; T = windows a year / false alerts a year, shared by all slices."""
        self.state = state
        self._labels = labels
        self._log_alarm = math.log(2 * windows_per_false_alert)
        self._judged = [index for index, chosen in enumerate(labels.slices) if len(chosen) <= 1]

    def step(self, window: int, known_day: int) -> PerformanceFinding | None:
        """Judge one window with the labels known at the end of a day; None while learning or without labels."""
        if window < self.state.judged:
            return None
        self.state = replace(self.state, judged=window + 1)
        labelled, correct = by_window(*self._labels.known_at(known_day), self._labels.squares_at(known_day))
        found = [
            self._weigh(index, labelled[: window + 1, index], correct[: window + 1, index]) for index in self._judged
        ]
        kept = [finding for finding in found if finding is not None]
        if not kept:
            return None
        fresh = [finding for finding in kept if finding.violated and finding.slice not in self.state.fallen]
        self.state = replace(self.state, fallen=(*self.state.fallen, *(finding.slice for finding in fresh)))
        best = max(fresh or kept, key=lambda finding: finding.evidence)
        return best if fresh else replace(best, violated=False)

    def _weigh(self, index: int, labelled: Numbers, correct: Numbers) -> PerformanceFinding | None:
        """Weigh the newest window of one slice; None when it has too few labels, or its reference is not full."""
        enough = np.flatnonzero(labelled >= FEWEST_ROWS)
        window = len(labelled) - 1
        if len(enough) <= self.state.reference or enough[-1] != window:
            return None
        reference = enough[: self.state.reference]
        after = enough[self.state.reference :]
        after = after[after >= self.state.resumed]
        if not len(after):
            return None
        z = arcsine(correct, labelled)[:, None]
        floor = np.array([1 / math.sqrt(float(np.mean(labelled[reference])))])
        weighed = ted.evidence(ted.learn(z[reference], floor), z[after], falls_only=True)
        log_odds = float(weighed.log_sr[0]) - math.log(len(self._judged)) - self._log_alarm
        if not np.isfinite(log_odds):
            return PerformanceFinding(
                window,
                violated=False,
                evidence=0.0,
                slice=self._labels.slices[index],
                onset=window,
                onset_low=window,
                onset_high=window,
            )
        low, onset, high = (int(after[place]) for place in onset_interval(weighed, 0))
        return PerformanceFinding(
            window, log_odds >= 0, math.exp(min(log_odds, 700.0)), self._labels.slices[index], onset, low, high
        )
