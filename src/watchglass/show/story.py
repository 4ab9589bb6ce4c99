"""An incident → the story as it was found, for a terminal: what, since when, how sure, how bad, why, what next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.records import main_slice
from watchglass.show.words import day, interval, moment, number, percent, signed, slice_words

if TYPE_CHECKING:
    from watchglass.records import Cause, ColumnEvidence, Incident, SliceEvidence

WIDTH = 12


def _line(head: str, text: str) -> str:
    """Put a head word before a text, further lines under the text."""
    first, *rest = text.splitlines() or [""]
    return "\n".join([f"  {head:<{WIDTH}}{first}", *(f"  {'':<{WIDTH}}{line}" for line in rest)])


def story(incident: Incident) -> str:
    """Tell an incident in some twenty lines."""
    state = f"resolved {moment(incident.closed)}" if incident.closed else incident.state
    parts = [
        f"Incident {incident.id}: {incident.severity.upper()}, {incident.kind} of {incident.model}, {state}",
        f"  {incident.sentence}",
        "",
        _line("What", _what(incident)),
        _line(
            "Since",
            f"{day(incident.onset)}, between {day(incident.onset_low)} and {day(incident.onset_high)} at 95 %; raised {moment(incident.raised)}",
        ),
        _line(
            "How sure",
            f"evidence {number(incident.evidence)} times the alarm level; the alarm allows one false alert a year",
        ),
        _line("How bad", _bad(incident)),
    ]
    if incident.causes:
        parts.append(_line("Why", "\n".join(_cause(cause) for cause in incident.causes)))
    if incident.ruled_out:
        parts.append(_line("Ruled out", "\n".join(f"{item.what}: {item.why}" for item in incident.ruled_out)))
    parts += [
        _line("Next", "\n".join([step.text, *(f"$ {line}" for line in step.commands)])) for step in incident.next_steps
    ]
    return "\n".join(parts)


def _what(incident: Incident) -> str:
    lines = []
    if incident.before and incident.after and incident.severity != "notice":
        chosen = main_slice(incident.slices)
        where = f" at {slice_words(chosen)}" if chosen else ""
        lines.append(
            f"accuracy{where} {number(incident.before.value)} {interval(incident.before)} to {number(incident.after.value)} {interval(incident.after)}"
        )
    lines += [_column(column) for column in incident.columns[:4]]
    lines += [_slice(found) for found in incident.slices if found.role == "carried"]
    return "\n".join(lines) or incident.title


def _column(column: ColumnEvidence) -> str:
    if column.unit == "sd":
        return f"{column.name} ({column.aspect}) moved {column.effect:+.2f} sd, {number(column.before)} to {number(column.after)}"
    return f"{column.name} ({column.aspect}{f' of {column.value}' if column.value else ''}) {percent(column.before)} to {percent(column.after)}"


def _slice(found: SliceEvidence) -> str:
    return f"{slice_words(found.slice)}: {number(found.before.value)} to {number(found.after.value)}, {found.reason}"


def _bad(incident: Incident) -> str:
    lines = []
    if incident.fall:
        lines.append(
            f"accuracy changed by {signed(incident.fall.value, 3)} [{signed(incident.fall.low, 3)}, {signed(incident.fall.high, 3)}]"
        )
        if incident.severity == "notice":
            lines.append("no performance is lost" if incident.fall.high >= 0 else "")
    if impact := incident.impact:
        lines.append(
            f"{number(impact.wrong)} more wrong predictions than expected [{number(impact.low)}–{number(impact.high)}]"
            f" of {impact.predictions} in {impact.days} days"
        )
    return "\n".join(filter(None, lines)) or "no effect on performance is known yet"


def _cause(cause: Cause) -> str:
    artifacts = "".join(f", read {name}@{version[:8]} for the first time" for name, version in cause.artifacts)
    run = f", first run {cause.run}" if cause.run else ""
    checks = "; ".join(f"{check.name}: {check.evidence}" for check in cause.checks)
    return f"{cause.what} (weight {cause.weight:.2f}), {moment(cause.time)}{run}{artifacts}\n  {checks}"
