"""Incidents → the groups they are read in: New, Regressed, Ongoing, Muted; and the line of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from watchglass.explain.wording import likely
from watchglass.show import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import Incident

_REGRESSED_WITHIN = timedelta(days=30)
_GROUPS = (
    ("New", "nobody has acknowledged them"),
    ("Regressed", "resolved in the last 30 days, and back"),
    ("Ongoing", "seen or acknowledged"),
    ("Muted", "until worse"),
    ("Resolved", "newest first"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """An incident as a list shows it."""

    number: int
    model: str
    severity: str
    kind: str
    title: str
    detail: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents that want the same of the reader."""

    name: str
    meaning: str
    lines: tuple[Line, ...]


def group_of(incident: Incident, known: Sequence[Incident]) -> str:
    """Tell which group an incident belongs to, given all that are known."""
    if incident.state == "resolved":
        return "Resolved"
    if incident.state == "muted":
        return "Muted"
    if incident.state == "acknowledged":
        return "Ongoing"
    if any(_came_back(incident, other) for other in known):
        return "Regressed"
    return "Ongoing" if incident.seen else "New"


def groups(shown: Sequence[Incident], known: Sequence[Incident]) -> tuple[Group, ...]:
    """Sort the incidents shown into their groups; an empty group is left out."""
    found: dict[str, list[Line]] = {}
    for incident in shown:
        found.setdefault(group_of(incident, known), []).append(line(incident))
    return tuple(Group(name, meaning, tuple(found[name])) for name, meaning in _GROUPS if name in found)


def counts(known: Sequence[Incident]) -> dict[str, int]:
    """Count the incidents of each group."""
    found = [group_of(incident, known) for incident in known]
    return {name: found.count(name) for name, _ in _GROUPS}


def line(incident: Incident) -> Line:
    """Write an incident's line."""
    facts = [f"onset {words.day(incident.onset)}, raised {words.moment(incident.raised)}"]
    if incident.closed is not None:
        facts.append(f"resolved {words.moment(incident.closed)}")
    else:
        facts.append(f"evidence {words.times_alarm(incident.evidence)}")
    return Line(
        incident.id,
        incident.model,
        incident.severity.capitalize(),
        incident.kind,
        incident.title.removeprefix(f"{incident.model}: "),
        _detail(incident),
        tuple(facts),
    )


def _detail(incident: Incident) -> str:
    said = []
    cause = likely(incident.causes)
    if cause is not None:
        said.append(f"Likely cause: {cause.what}.")
    if incident.impact is not None:
        so_far = "" if incident.state == "resolved" else " so far"
        said.append(f"{words.counted(incident.impact.wrong, 'more wrong prediction')}{so_far}.")
    elif incident.severity == "notice":
        known = incident.fall is not None and incident.fall.rows > 0
        said.append("No loss of performance is shown." if known else "Its effect on performance is not known.")
    return " ".join(said)


def _came_back(incident: Incident, other: Incident) -> bool:
    if other.closed is None or other.id == incident.id:
        return False
    same = (incident.model, incident.kind, _first_column(incident)) == (other.model, other.kind, _first_column(other))
    return same and timedelta(0) <= incident.onset - other.closed <= _REGRESSED_WITHIN


def _first_column(incident: Incident) -> str | None:
    return incident.columns[0].name if incident.columns else None
