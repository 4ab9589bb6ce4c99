"""An incident and all that is known at a window → its account: slices, causes, what was ruled out, the bill, what next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from watchglass.alert.histograms import of_column
from watchglass.alert.lifecycle import NEAR
from watchglass.explain import alternatives, wording
from watchglass.explain.causes import LISTED, LOOK_BACK, Scene, ruled_out, sharpest_step, weigh
from watchglass.explain.movement import most_moved
from watchglass.explain.settings_diff import differences
from watchglass.explain.slices import Fallen, rank
from watchglass.monitor.accuracy import accuracy
from watchglass.records import Evidence, Histogram, Impact, Point, RuledOut, main_slice
from watchglass.store.changes import changes, reach
from watchglass.store.histories import inside_and_outside
from watchglass.store.spread import spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.explain.movement import Coarse
    from watchglass.records import Incident, Slice
    from watchglass.store.changes import RecordedChange
    from watchglass.store.folder import Folder
    from watchglass.store.histories import History

BEFORE = 30  # windows that stand for how it was
CHART_BEFORE = 21
BINS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What an account is made from: the store, the counts, the window and the day known."""

    folder: Folder
    engine: Engine
    history: History
    window: int
    until: int | None = None

    def time(self, window: int) -> datetime:
        """Give the start of a window."""
        day = self.history.day(window)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)

    def index(self, time: datetime) -> int:
        """Give the window that a time lies in."""
        return (time.date() - self.history.first).days

    def fallen(self, incident: Incident) -> Fallen:
        """Part the windows into those before the onset and those since."""
        onset = self.index(incident.onset)
        end = min(self.window + 1, len(self.history.rows)) if self.until is None else self.until
        return Fallen.at(
            self.history.labels, self.window, range(max(0, onset - BEFORE), onset), range(onset, max(end, onset + 1))
        )


def account(known: Known, incident: Incident, earlier: Sequence[Incident]) -> Incident:
    """Tell an incident anew with what is known at the window."""
    return _page(known, incident, earlier) if incident.severity == "page" else _notice(known, incident)


def _notice(known: Known, incident: Incident) -> Incident:
    fallen = known.fallen(incident)
    before, after = (accuracy(*fallen.of((), windows)) for windows in (fallen.before, fallen.after))
    fall = fallen.fall(())
    labelled = fall if fall.rows else None
    lost = wording.lost_words(labelled, before if before.rows else None, after if after.rows else None)
    title, sentence = wording.drift_words(incident.model, incident.onset, incident.columns, lost)
    told = replace(
        incident,
        title=title,
        sentence=sentence,
        before=before if before.rows else None,
        after=after if after.rows else None,
        fall=labelled,
    )
    told = replace(told, next_steps=wording.next_steps(told, None, ()))
    return replace(told, charts=_charts(known, told, fallen, (), {}))


def _page(known: Known, incident: Incident, earlier: Sequence[Incident]) -> Incident:
    fallen = known.fallen(incident)
    slices = rank(fallen)
    sharpened = _sharpened(known, incident, fallen, main_slice(slices))
    if sharpened.onset != incident.onset:
        fallen = known.fallen(sharpened)
        slices = rank(fallen)
    incident, chosen = sharpened, main_slice(slices)
    before, after = (accuracy(*fallen.of(chosen, windows)) for windows in (fallen.before, fallen.after))
    features = inside_and_outside(known.folder, known.engine, incident.model, incident.environment, chosen)
    scene = Scene(known.history.first, chosen, fallen, known.index(incident.onset), features)
    found = _changes(known, incident, chosen)
    causes = weigh(found, scene)
    told = replace(
        incident, slices=slices, causes=causes[:LISTED], before=before, after=after, fall=fallen.fall(chosen)
    )
    cause = wording.likely(causes)
    title, sentence = wording.fall_words(incident.model, incident.onset, chosen, before, after, cause)
    told = replace(told, title=title, sentence=sentence, impact=_impact(known, told, fallen, chosen))
    told = replace(told, ruled_out=(*ruled_out(causes), *_others(told, found, earlier, fallen)))
    said = [
        line
        for change in found
        if cause and (change.name, change.version) == (cause.name, cause.version)
        for item in change.previews
        for line in differences(*item)
    ]
    told = replace(told, next_steps=wording.next_steps(told, cause, said))
    return replace(told, charts=_charts(known, told, fallen, chosen, features))


def _sharpened(known: Known, incident: Incident, fallen: Fallen, chosen: Slice) -> Incident:
    """Date the onset by the slice alone, near the onset that the alarm gave: all rows dilute a slice's step."""
    low, high = known.index(incident.onset_low - NEAR), known.index(incident.onset_high + NEAR)
    step = sharpest_step(fallen, chosen, (low, high))
    if step is None or not chosen:
        return incident
    onset = known.time(step)
    told = replace(
        incident, onset=onset, onset_low=min(incident.onset_low, onset), onset_high=max(incident.onset_high, onset)
    )
    kept = tuple(replace(item, time=onset) if item.kind == "onset" else item for item in told.timeline)
    return replace(told, timeline=tuple(sorted(kept, key=lambda item: item.time)))


def _changes(known: Known, incident: Incident, chosen: Slice) -> list[RecordedChange]:
    """List what changed before the onset, with exposures on the axis of the history's windows."""
    first = max(0, known.index(incident.onset) - BEFORE)
    last = min(known.window + 1, len(known.history.rows))
    served = reach(
        known.folder,
        known.engine,
        incident.model,
        incident.environment,
        of=chosen,
        days=(known.history.day(first), known.history.day(last)),
    )
    between = (incident.onset_low - timedelta(days=LOOK_BACK), incident.onset_high + timedelta(days=2))
    found = changes(known.engine, incident.model, incident.environment, served=served, between=between)
    rest = len(known.history.rows) - last
    return [
        replace(change, exposed=np.concatenate([np.zeros(first), change.exposed, np.zeros(rest)])) for change in found
    ]


def _impact(known: Known, incident: Incident, fallen: Fallen, chosen: Slice) -> Impact | None:
    """Reckon the bill: what the fall costs over every prediction since the onset, labelled or not."""
    if incident.fall is None or not incident.fall.rows:
        return None
    place = known.history.labels.slices.index(chosen)
    served = int(known.history.labels.rows[fallen.after, place].sum())
    lost = (-incident.fall.value * served, -incident.fall.high * served, -incident.fall.low * served)
    return Impact(
        lost[0], max(lost[1], 0.0), lost[2], served, int((known.history.labels.rows[fallen.after, place] > 0).sum())
    )


def _others(
    incident: Incident, found: Sequence[RecordedChange], earlier: Sequence[Incident], fallen: Fallen
) -> tuple[RuledOut, ...]:
    """Rule out what is no recorded change: carried slices, the model, earlier changes of the data, the labels."""
    told = [RuledOut(wording.tags(item.slice), item.reason) for item in incident.slices if item.role == "carried"]
    if not any(change.kind == "deployment" for change in found):
        told.append(RuledOut("the model", "no version was deployed in the fourteen days before the onset"))
    for other in earlier:
        apart = (incident.onset - other.onset).days
        if other.kind == "drift" and other.severity == "notice" and 0 < apart <= 2 * BEFORE:
            told.append(
                RuledOut(
                    "the population",
                    f"changed {apart} days before the onset ({other.columns[0].name if other.columns else other.title}); {_since(other)}",
                )
            )
    chosen = main_slice(incident.slices)
    before, after = (accuracy(*fallen.rest(chosen, windows)) for windows in (fallen.before, fallen.after))
    if chosen and before.rows and after.rows:
        told.append(RuledOut("all other rows", f"accuracy {before.value:.3f} before, {after.value:.3f} since"))
    checked = (alternatives.population(fallen, chosen), alternatives.labels(fallen, chosen))
    told += [item for item in checked if item is not None]
    return tuple(told)


def _since(other: Incident) -> str:
    return (
        f"accuracy {other.before.value:.3f} before it, {other.after.value:.3f} since it"
        if other.before and other.after
        else "its effect was not known"
    )


def _charts(
    known: Known, incident: Incident, fallen: Fallen, chosen: Slice, features: Mapping[str, Coarse]
) -> Evidence:
    """Keep what the charts draw: daily accuracy in the slice and outside, the first column's histogram, the odds by window."""
    onset = known.index(incident.onset)
    windows = range(max(0, onset - CHART_BEFORE), min(known.window + 1, len(known.history.rows)))
    inside: list[Point] = []
    outside: list[Point] = []
    for window in windows:
        one = np.array([window])
        for series, counts in ((inside, fallen.of(chosen, one)), (outside, fallen.rest(chosen, one))):
            if counts[0].sum():
                series.append(Point(known.time(window), accuracy(*counts)))
    return replace(
        incident.charts,
        slice_performance=tuple(inside),
        other_performance=tuple(outside) if chosen else (),
        histogram=_histogram(known, incident, features, fallen),
    )


def _histogram(known: Known, incident: Incident, features: Mapping[str, Coarse], fallen: Fallen) -> Histogram | None:
    """Draw the column that moved most in the slice from its rows; without a slice, the first column from the counts."""
    names = [column.name for column in incident.columns]
    chosen = main_slice(incident.slices)
    if not chosen or not features:
        return of_column(known.history, names[0], (fallen.before, fallen.after)) if names else None
    moved = most_moved(features, fallen.before.tolist(), fallen.after.tolist())
    if moved is None:
        return None
    first, onset, last = (
        known.history.day(int(window)) for window in (fallen.before.min(), fallen.after.min(), fallen.after.max() + 1)
    )
    drawn = spread(
        known.folder,
        known.engine,
        incident.model,
        environment=incident.environment,
        feature=moved.column,
        of=chosen,
        days=(first, onset, last),
        bins=BINS,
    )
    return None if drawn is None else Histogram(moved.column, drawn.edges, (), drawn.before, drawn.after)
