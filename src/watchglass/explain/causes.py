"""Changes recorded before an onset → causes ranked by four checks: in time, on the path, dose, only the slice.

A weight is the product of the checks' scores, over the sum for all candidates and for something not recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watchglass.explain.movement import most_moved
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
OVERDISPERSION = 2.0  # days differ more than rows alone would: log likelihoods count half
UNRECORDED = 0.02  # the score of "something that was not recorded", so that a poor candidate does not win by default
OFF_PATH = 0.02
PASSED = 0.5
FEWEST = 0.02  # a candidate with less weight is ruled out
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
        return ", ".join(f"{tag} = {value}" for tag, value in self.slice) or "all rows"


def _entry(change: RecordedChange, scene: Scene) -> int:
    """Give the first window that the change can have touched: where its exposure begins, else where it happened."""
    happened = (change.time.date() - scene.first).days
    touched = np.flatnonzero(change.exposed > 0.5 * max(float(change.exposed.max(initial=0.0)), 1e-9))
    touched = touched[touched >= happened]
    return int(touched[0]) if len(touched) else happened


def _likelihood(
    labelled: NDArray[np.int64], correct: NDArray[np.int64], windows: NDArray[np.int64], step: int
) -> float:
    """Give the log likelihood of one rate before a step and a lower one since."""
    total = 0.0
    parts = [windows < step, windows >= step]
    rates = [(correct[part].sum() + 0.5) / (labelled[part].sum() + 1.0) for part in parts]
    if rates[1] > rates[0]:
        rates = [(correct.sum() + 0.5) / (labelled.sum() + 1.0)] * 2
    for part, rate in zip(parts, rates, strict=True):
        total += float(correct[part].sum() * np.log(rate) + (labelled[part] - correct[part]).sum() * np.log1p(-rate))
    return total


def sharpest_step(fallen: Fallen, chosen: Slice, between: tuple[int, int]) -> int | None:
    """Give the window in [from, to] at which a fall of the slice began most likely; None without labels there."""
    windows = np.concatenate([fallen.before, fallen.after])
    labelled, correct = fallen.of(chosen, windows)
    steps = [
        int(window)
        for window, rows in zip(windows, labelled, strict=True)
        if between[0] <= window <= between[1] and rows
    ]
    return max(steps, key=lambda step: _likelihood(labelled, correct, windows, step), default=None)


def _in_time(change: RecordedChange, scene: Scene) -> Check:
    windows = np.concatenate(
        [
            scene.fallen.before,
            np.arange(scene.fallen.before.max(initial=-1) + 1, scene.fallen.after.min()),
            scene.fallen.after,
        ]
    )
    labelled, correct = scene.fallen.of(scene.slice, windows)
    steps = windows[len(windows) // 4 :]
    best = max(_likelihood(labelled, correct, windows, int(step)) for step in steps)
    entry = _entry(change, scene)
    score = float(np.exp(min(0.0, (_likelihood(labelled, correct, windows, entry) - best) / OVERDISPERSION)))
    ran = (windows >= entry) & (windows < scene.onset)
    if ran.any() and labelled[ran].sum():
        rate = correct[ran].sum() / labelled[ran].sum()
        said = f"ran {int(ran.sum())} windows and {int(labelled[ran].sum())} predictions of {scene.words} at {rate:.3f} before the fall"
    elif entry > scene.onset:
        late = entry - scene.onset
        said = f"came {late} window{'s' if late > 1 else ''} after the onset"
    else:
        said = (
            "reached the first predictions of the onset's window"
            if entry == scene.onset
            else f"{scene.onset - entry} windows before the onset"
        )
    return Check("in time", score >= PASSED, score, said)


def _on_the_path(change: RecordedChange) -> Check:
    if change.hops is None:
        return Check("on the path", passed=False, score=OFF_PATH, evidence="not upstream of the affected predictions")
    steps = "serves them itself" if change.hops == 0 else f"{change.hops} step{'s' if change.hops > 1 else ''} upstream"
    return Check("on the path", passed=True, score=1.0, evidence=steps)


def _dose(change: RecordedChange, scene: Scene) -> Check:
    windows = np.concatenate([scene.fallen.before, scene.fallen.after])
    labelled, correct = scene.fallen.of(scene.slice, windows)
    there = labelled > 0
    wrong = 1 - correct[there] / labelled[there]
    exposed = change.exposed[windows[there]]
    if len(wrong) < 3 or np.std(exposed) < 1e-9 or np.std(wrong) < 1e-9:  # noqa: PLR2004 - nothing to correlate
        return Check("dose", passed=False, score=0.1, evidence="reached all windows alike")
    r = float(np.corrcoef(exposed, wrong)[0, 1])
    return Check("dose", r >= PASSED, max(r, 0.01), f"share reached and share wrong go together, r = {r:.2f}")


def _only_the_slice(change: RecordedChange, scene: Scene) -> Check:
    """Look at what the features did at the candidate's own time: until the onset, for one that came windows before it."""
    if not scene.slice:
        return Check("only the slice", passed=True, score=1.0, evidence="the fall is in all rows")
    entry = _entry(change, scene)
    last = int(scene.fallen.after.max())
    after = range(entry, scene.onset) if entry < scene.onset else range(min(entry, last), last + 1)
    before = range(max(0, entry - LOOK_BACK), entry)
    movement = most_moved(scene.features, before, after)
    if movement is None:
        return Check("only the slice", passed=False, score=0.3, evidence="no features to tell by")
    said = f"{movement.column} moved {movement.inside:+.2f} sd in {scene.words}, {movement.outside:+.2f} sd outside"
    return Check("only the slice", movement.only_inside, 1.0 if movement.only_inside else 0.1, said)


def weigh(changes: Sequence[RecordedChange], scene: Scene) -> tuple[Cause, ...]:
    """Rank the candidates, most likely first; their weights leave room for something not recorded."""
    checked = [
        (change, (_in_time(change, scene), _on_the_path(change), _dose(change, scene), _only_the_slice(change, scene)))
        for change in changes
    ]
    scores = [float(np.prod([check.score for check in checks])) for _, checks in checked]
    total = sum(scores) + UNRECORDED
    causes = [_cause(change, checks, score / total) for (change, checks), score in zip(checked, scores, strict=True)]
    return tuple(sorted(causes, key=lambda cause: -cause.weight))


def _cause(change: RecordedChange, checks: tuple[Check, ...], weight: float) -> Cause:
    what = {
        "component version": f"{change.name}, version {change.version}",
        "deployment": f"{change.name}, version {change.version}, deployed",
    }.get(change.kind, f"{change.name}@{change.version[:8]}")
    run = RunId(change.run) if change.run else None
    return Cause(what, change.kind, change.name, change.version, change.time, run, change.artifacts, weight, checks)


def ruled_out(causes: Sequence[Cause]) -> tuple[RuledOut, ...]:
    """Say of each candidate that is not the cause which check it failed first."""
    found = []
    for cause in causes:
        if cause.weight < FEWEST:
            failed = [check for check in cause.checks if not check.passed]
            found.append(
                RuledOut(cause.what, "; ".join(check.evidence for check in failed) or "others explain the fall better")
            )
    return tuple(found)
