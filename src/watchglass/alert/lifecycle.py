"""Verdicts and open incidents → which incident a verdict belongs to, and when an incident ends. Pure rules.

A page swallows falls of slices that can share its cause, and drift with its onset. A notice ends when the drift
monitor is armed again; a page only when its slice has recovered.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from watchglass.records import TimelineEntry, main_slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from watchglass.records import ColumnEvidence, Incident, Slice

NEAR = timedelta(days=3)  # windows of a day: onsets closer than this may be one event
REGRESSED = timedelta(days=30)
ACTIVE = ("open", "acknowledged", "muted")


def near(incident: Incident, onset: datetime) -> bool:
    """Say whether an onset may be that of an incident.

    An onset that the interval of the incident holds is near it too, unless the interval is very wide.
    """
    return abs(onset - incident.onset) <= NEAR or (
        incident.onset_low <= onset <= incident.onset_high and incident.onset_high - incident.onset_low <= 2 * NEAR
    )


def compatible(one: Slice, other: Slice) -> bool:
    """Say whether two slices can fall by one cause: all rows with any, and slices that do not name two values of one tag.

    >>> compatible((), (("site", "a"),)), compatible((("site", "a"),), (("site", "b"),))
    (True, False)
    """
    values = dict(one)
    return all(values.get(tag, value) == value for tag, value in other)


def home_of_drift(
    incidents: Iterable[Incident], onset: datetime, columns: Sequence[ColumnEvidence] = ()
) -> Incident | None:
    """Find the page that a drift belongs to: an open one with this onset, else one whose recovery it is."""
    pages = [item for item in incidents if item.severity == "page"]
    began = next((item for item in pages if item.state in ACTIVE and near(item, onset)), None)
    return began or next((item for item in pages if is_recovery(item, onset, columns)), None)


def is_recovery(page: Incident, onset: datetime, columns: Sequence[ColumnEvidence] = ()) -> bool:
    """Say whether a drift is the data moving back when a page's fault is mended.

    Known from labels when its onset is near the recovery; before labels tell, when a column that drifted into the
    fault moves the other way, most of the way back to where it was.
    """
    back = recovery(page)
    if back is not None:
        return abs(onset - back) <= NEAR
    if page.state not in ACTIVE or onset <= page.onset_high + NEAR:
        return False
    was = {(column.name, column.aspect, column.value): column for column in page.columns}
    return any(_moves_back(was.get((now.name, now.aspect, now.value)), now) for now in columns)


def _moves_back(into: ColumnEvidence | None, now: ColumnEvidence) -> bool:
    if into is None or into.effect * now.effect >= 0:
        return False
    return abs(now.after - into.before) < abs(into.after - into.before) / 2


def recovery(incident: Incident) -> datetime | None:
    """Give the time from which a page's slice was well again, as noted when it closed."""
    return min((entry.time for entry in incident.timeline if entry.kind == "resolved"), default=None)


def escalated(incident: Incident) -> Incident:
    """Raise an incident to a page, never the other way; one that was muted or acknowledged as less needs a new look."""
    if incident.severity == "page":
        return incident
    state = "open" if incident.state in ACTIVE else incident.state
    return replace(incident, kind="performance", severity="page", state=state, seen=False)


def home_of_fall(incidents: Iterable[Incident], chosen: Slice, onset: datetime) -> Incident | None:
    """Find the open incident that a fall belongs to: a page of a compatible slice that began before, else a drift with its onset."""
    opened = [item for item in incidents if item.state in ACTIVE]
    for item in opened:
        if item.severity == "page" and (
            near(item, onset) or (onset >= item.onset_low - NEAR and compatible(main_slice(item.slices), chosen))
        ):
            return item
    return next((item for item in opened if item.kind == "drift" and near(item, onset)), None)


def noted(
    incident: Incident,
    time: datetime,
    text: str,
    kind: Literal["change", "onset", "raised", "label", "escalated", "resolved", "note", "cause"],
) -> Incident:
    """Add a line to an incident's history, in the order of time, each once."""
    entry = TimelineEntry(time, text, kind)
    if entry in incident.timeline:
        return incident
    return replace(incident, timeline=tuple(sorted((*incident.timeline, entry), key=lambda item: item.time)))


def close(incident: Incident, time: datetime, text: str, since: datetime | None = None) -> Incident:
    """Resolve an incident; `since` is when its slice was well again."""
    if since is not None:
        incident = noted(incident, since, "Recovery began, known later", "resolved")
    return noted(replace(incident, state="resolved", closed=time), time, text, "resolved")


def standing(
    incident: Incident, earlier: Iterable[Incident]
) -> Literal["New", "Regressed", "Ongoing", "Muted", "Resolved"]:
    """Say how an incident stands: New = open and never looked at; Regressed = its like was resolved within 30 windows before."""
    if incident.state in ("resolved", "muted"):
        return "Resolved" if incident.state == "resolved" else "Muted"
    first = incident.columns[0].name if incident.columns else None
    for other in earlier:
        same = (other.model, other.kind, other.columns[0].name if other.columns else None) == (
            incident.model,
            incident.kind,
            first,
        )
        if same and other.closed and timedelta(0) <= incident.raised - other.closed <= REGRESSED:
            return "Regressed"
    return "Ongoing" if incident.seen or incident.state == "acknowledged" else "New"
