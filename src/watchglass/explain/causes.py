"""Changes recorded before an onset → causes ranked by four checks: in time, on the path, dose, only the slice.

A weight is the product of the checks' scores, over the sum for all candidates and for something not recorded, which
may have happened at any window, or not at all. Where the slice shows no fall, there is nothing to blame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watchglass.explain.contrast import fall
from watchglass.explain.movement import most_moved
from watchglass.explain.steps import Series
from watchglass.explain.wording import tags
from watchglass.records import Cause, Check, RuledOut, RunId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from watchglass.explain.movement import Coarse
    from watchglass.explain.slices import Fallen
    from watchglass.records import Slice
    from watchglass.store.changes import RecordedChange

LOOK_BACK = 14  # windows before the onset in which a change may be the cause
OFF_PATH = 0.02
PASSED = 0.05  # a step this much less likely than the best one is outside its interval
UNTOLD = 0.5  # the score of a check that nothing recorded can answer
NOWHERE = 0.2  # a fault need not move a recorded feature, but most do
FEWEST = 0.05  # a candidate with less weight is ruled out
LISTED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What a fall looks like in its slice: window 0 is the day `first`; `features` counts inside and outside by window."""

    first: date
    slice: Slice
    fallen: Fallen
    onset: int
    features: Mapping[str, Coarse]

    @property
    def words(self) -> str:
        """Name the slice."""
        return tags(self.slice)


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """The errors of the slice by window, the best step in them, and how likely each other step is beside it."""

    series: Series
    best: float
    dispersion: float
    fell: int
    steps: NDArray[np.float64]

    @classmethod
    def of(cls, scene: Scene, reached: Sequence[NDArray[np.float64]]) -> Clock:
        """Find the best step: at any window's start, or as a candidate reached the predictions."""
        windows = np.arange(int(scene.fallen.before.min(initial=scene.onset)), int(scene.fallen.after.max()) + 1)
        labelled, correct = scene.fallen.of(scene.slice, windows)
        series = Series(windows, labelled.astype(np.float64), (labelled - correct).astype(np.float64))
        steps = series.steps()
        fell = int(windows[int(np.argmax(steps))])
        best = max(float(steps.max()), *(series.likelihood(exposed[windows]) for exposed in reached), -np.inf)
        return cls(series, best, series.dispersion(fell), fell, steps)

    def beside(self, likelihood: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Give how likely a step is beside the best one, 0 to 1."""
        return np.exp(np.minimum(0.0, (np.asarray(likelihood) - self.best) / self.dispersion))

    def unrecorded(self) -> float:
        """Score a change that nobody recorded: at any of the windows in which one is looked for, or none at all."""
        near = (self.series.windows > self.fell - LOOK_BACK) & (self.series.windows <= self.fell + 1)
        anywhere = float(self.beside(self.steps[near]).mean())
        return anywhere + float(self.beside(self.steps[0]))


def sharpest_step(fallen: Fallen, chosen: Slice, between: tuple[int, int]) -> int | None:
    """Give the window in [from, to] at which a fall of the slice began most likely; None without labels there."""
    windows = np.arange(int(fallen.before.min(initial=fallen.after.min())), int(fallen.after.max()) + 1)
    labelled, correct = fallen.of(chosen, windows)
    near = (windows >= between[0]) & (windows <= between[1]) & (labelled > 0)
    if not near.any():
        return None
    steps = Series(windows, labelled.astype(np.float64), (labelled - correct).astype(np.float64)).steps()
    return int(windows[near][int(np.argmax(steps[near]))])


def _reached(change: RecordedChange, scene: Scene) -> NDArray[np.float64]:
    """Give the share of each window's predictions that the change reached; by the clock alone when it is off their path."""
    if change.exposed.any():
        return change.exposed
    at = (change.time.date() - scene.first).days + (change.time.hour * 60 + change.time.minute) / (24 * 60)
    return np.clip(np.arange(len(change.exposed)) + 1 - at, 0.0, 1.0)


def _entry(reached: NDArray[np.float64]) -> int:
    """Give the first window that the change reached to a good part."""
    touched = np.flatnonzero(reached > 0.5 * max(float(reached.max(initial=0.0)), 1e-9))
    return int(touched[0]) if len(touched) else len(reached)


def _in_time(reached: NDArray[np.float64], scene: Scene, clock: Clock) -> Check:
    series, entry = clock.series, _entry(reached)
    score = float(clock.beside(series.likelihood(reached[series.windows])))
    ran = (series.windows >= entry) & (series.windows < clock.fell)
    late = (series.windows >= clock.fell) & (series.windows < entry)
    apart = _counted(abs(entry - clock.fell), "window")
    if ran.any() and series.rate(ran)[1]:
        rate, rows = series.rate(ran)
        said = f"ran {apart} and {_counted(rows, 'prediction')} of {scene.words} at {rate:.3f} before the fall"
    elif late.any() and series.rate(late)[1]:
        rate, rows = series.rate(late)
        said = (
            f"came {apart} after the fall: {_counted(rows, 'prediction')} of {scene.words} were at {rate:.3f} before it"
        )
    elif entry == clock.fell:
        said = "reached its first predictions in the window in which the fall begins"
    else:
        said = f"{apart} {'before' if entry < clock.fell else 'after'} the fall"
    return Check("in time", score >= PASSED, score, said)


def _on_the_path(change: RecordedChange) -> Check:
    if change.hops is None:
        return Check("on the path", passed=False, score=OFF_PATH, evidence="not upstream of the affected predictions")
    steps = "serves them itself" if change.hops == 0 else f"{_counted(change.hops, 'step')} upstream"
    return Check("on the path", passed=True, score=1.0, evidence=steps)


def _dose(change: RecordedChange, clock: Clock) -> Check:
    series = clock.series
    there = series.labelled > 0
    wrong, exposed = series.wrong[there] / np.maximum(series.labelled[there], 1), change.exposed[series.windows[there]]
    if len(wrong) < 3 or np.std(exposed) < 1e-9 or np.std(wrong) < 1e-9:  # noqa: PLR2004 - nothing to correlate
        return Check("dose", passed=False, score=0.1, evidence="reached all windows alike")
    r = float(np.corrcoef(exposed, wrong)[0, 1])
    return Check("dose", r >= 0.5, max(r, 0.05), f"share reached and share wrong go together, r = {r:.2f}")  # noqa: PLR2004 - half


def _only_the_slice(entry: int, entries: Sequence[int], scene: Scene) -> Check:
    """Look at what the features did at the candidate's own time: from its entry until the next candidate's."""
    if not scene.slice:
        return Check("only the slice", passed=True, score=1.0, evidence="the fall is in all rows")
    last = int(scene.fallen.after.max()) + 1
    until = min([other for other in entries if entry < other < last], default=last)
    movement = most_moved(scene.features, range(max(0, entry - LOOK_BACK), entry), range(entry, until))
    if movement is None:
        return Check("only the slice", passed=False, score=UNTOLD, evidence="no features to tell by")
    said = f"{movement.column} moved {movement.inside:+.2f} sd in {scene.words}, {movement.outside:+.2f} sd outside"
    return Check("only the slice", movement.only_inside, 1.0 if movement.only_inside else NOWHERE, said)


def weigh(changes: Sequence[RecordedChange], scene: Scene) -> tuple[Cause, ...]:
    """Rank the candidates, most likely first; their weights leave room for something not recorded.

    Without a fall beyond its interval in the slice there are no causes.
    """
    if not fall(scene.fallen.inside(scene.slice)).low > 0:
        return ()
    reached = [_reached(change, scene) for change in changes]
    entries = [_entry(exposed) for exposed in reached]
    clock = Clock.of(scene, reached)
    checked = [
        (
            change,
            (
                _in_time(exposed, scene, clock),
                _on_the_path(change),
                _dose(change, clock),
                _only_the_slice(entry, entries, scene),
            ),
        )
        for change, exposed, entry in zip(changes, reached, entries, strict=True)
    ]
    scores = [float(np.prod([check.score for check in checks])) for _, checks in checked]
    total = sum(scores) + clock.unrecorded()
    causes = [_cause(change, checks, score / total) for (change, checks), score in zip(checked, scores, strict=True)]
    return tuple(sorted(causes, key=lambda cause: -cause.weight))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cause(change: RecordedChange, checks: tuple[Check, ...], weight: float) -> Cause:
    what = {
        "component version": f"{change.name}, version {change.version}",
        "deployment": f"{change.name}, version {change.version}, deployed",
    }.get(change.kind, f"{change.name}@{change.version[:8]}")
    run = RunId(change.run) if change.run else None
    return Cause(what, change.kind, change.name, change.version, change.time, run, change.artifacts, weight, checks)


def ruled_out(causes: Sequence[Cause]) -> tuple[RuledOut, ...]:
    """Say of each candidate that is not the cause which checks it failed."""
    found = []
    for cause in causes:
        if cause.weight < FEWEST:
            failed = [check for check in cause.checks if not check.passed]
            found.append(
                RuledOut(cause.what, "; ".join(check.evidence for check in failed) or "others explain the fall better")
            )
    return tuple(found)
