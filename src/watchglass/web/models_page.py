"""A store → the first page: the sentence, the models, worst first, and the incidents below; and its twin in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from watchglass.show import words
from watchglass.show.drawing import Span
from watchglass.show.evidence import the_slice
from watchglass.show.sparkline import header, ramp_key, sparkline
from watchglass.web.inbox import counts, groups
from watchglass.web.leading import lead
from watchglass.web.pages import emphasised, is_open, json, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from watchglass.records import Incident, ModelStatus
    from watchglass.show.drawing import Chart
    from watchglass.web.reads import Reads

_DAY = timedelta(days=1)
_SHOWN_DAYS = 60
_STATUS = {
    "Healthy": "ok",
    "Drifting": "warn",
    "Degraded": "bad",
    "Learning": "learn",
    "No data": "none",
    "No labels yet": "nolab",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A model as the table shows it."""

    name: str
    version: str | None
    health: str
    look: str
    sentence: Markup
    incident: int | None
    note: str
    chart: Chart
    now: str
    interval: str
    beside: str
    a_day: str
    lag: str


def router(store: Reads) -> APIRouter:
    """Make the routes of the first page over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def index(to: str | None = None) -> Response:
        return page(store, "models.html", shown(store, _day(to)))

    @routes.get("/index.json")
    def index_json() -> Response:
        return json({"models": list(store.models()), "incidents": list(store.incidents())})

    return routes


def shown(store: Reads, to: datetime | None) -> dict[str, object]:
    """Gather what the first page shows; `to` is the end of the days drawn, the newest when None."""
    models, known = store.models(), store.incidents()
    standing = [incident for incident in known if is_open(incident.state)]
    by_number = {incident.id: incident for incident in known}
    span = days_shown(models, to)
    newest = days_shown(models, None)
    now = store.last_window() or newest.end
    return {
        "lead": lead(models, by_number),
        "rows": [row(status, by_number.get(status.incident or 0), span, now) for status in models],
        "days": header(span),
        "ramp": ramp_key(),
        "span": span,
        "last_day": span.end - _DAY,
        "earlier": span.first,
        "later": min(span.end + _SHOWN_DAYS * _DAY, newest.end) if span.end < newest.end else None,
        "groups": groups(standing, known),
        "counts": counts(known),
    }


def days_shown(models: Sequence[ModelStatus], to: datetime | None) -> Span:
    """Choose the sixty days that all rows share: up to the newest day of any model, or up to `to`."""
    if to is None:
        ends = [edge for status in models for edge in _last_days(status)]
        to = max(ends) + _DAY if ends else datetime(1970, 3, 2, tzinfo=UTC)
    return Span(to - _SHOWN_DAYS * _DAY, _SHOWN_DAYS)


def row(status: ModelStatus, incident: Incident | None, span: Span, now: datetime) -> Row:
    """Write a model's row; `now` is the end of the last window, from which ages are counted."""
    known = status.performance is not None and status.performance.rows > 0
    limit = f", limit ≥ {words.number(status.limit)}" if status.limit is not None else ""
    return Row(
        name=status.name,
        version=status.version,
        health=status.health,
        look=_STATUS[status.health],
        sentence=emphasised(status.sentence, _phrases(incident)),
        incident=status.incident,
        note=_note(status, incident, now),
        chart=sparkline(status, span),
        now=words.number(status.performance.value) if status.performance and known else words.NONE,
        interval=words.interval(status.performance) if known else "",
        beside=f"{status.metric}{limit}" if known or limit else "",
        a_day=words.number(round(status.predictions_a_day)),
        lag=words.lag(status.label_lag_days),
    )


def _phrases(incident: Incident | None) -> list[str]:
    if incident is None:
        return []
    chosen = the_slice(incident)
    return [*([words.slice_words(chosen.slice)] if chosen else []), *(cause.what for cause in incident.causes[:1])]


def _note(status: ModelStatus, incident: Incident | None, now: datetime) -> str:
    if incident is not None and incident.state != "resolved":
        state = {"open": "nobody has acknowledged it"}.get(incident.state, incident.state)
        return f"open {words.length(max(now - incident.raised, timedelta(0)))}, {state}"
    if status.health == "Learning":
        return f"{words.count(status.windows)} of {words.count(status.armed_after)} windows seen"
    version = f"version {status.version}, " if status.version else ""
    return f"{version}{words.counted(status.windows, 'window')} judged"


def _last_days(status: ModelStatus) -> list[datetime]:
    days = [status.series[-1].time] if status.series else []
    days += [status.drift[-1][0]] if status.drift else []
    return days or ([status.last.replace(hour=0, minute=0, second=0, microsecond=0)] if status.last else [])


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
        day = datetime(when.year, when.month, when.day, tzinfo=UTC)
        _ = day - 2 * _SHOWN_DAYS * _DAY, day + 2 * _SHOWN_DAYS * _DAY
    except (ValueError, OverflowError):
        raise HTTPException(400, f"the day {text!r} cannot be read; write it as 2026-06-22.") from None
    return day
