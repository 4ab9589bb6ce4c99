"""A store → the list of incidents, the page of one, its charts as files; and their twins in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from watchglass.errors import UnknownName
from watchglass.show import words
from watchglass.show.change import change, scale_of
from watchglass.show.drawing import PHONE, WIDE
from watchglass.show.evidence import charts, the_slice
from watchglass.web import incident_view as view
from watchglass.web.chart_file import chart_file
from watchglass.web.inbox import counts, groups
from watchglass.web.pages import emphasised, json, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import ColumnEvidence, Incident, ModelStatus
    from watchglass.show.drawing import Chart
    from watchglass.web.reads import Reads

PAGE = 50
STATES = ("open", "acknowledged", "muted", "resolved")
_CHECKS = (
    ("in time", "In time"),
    ("on the path", "On the path"),
    ("dose", "Dose"),
    ("only the slice", "Only the slice"),
)
_DOTS = {"onset": "b", "cause": "b", "escalated": "b", "note": "a", "resolved": "ok"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart drawn for a wide window and for a phone, with what to read from it."""

    wide: Chart
    phone: Chart
    caption: Markup


def router(store: Reads) -> APIRouter:
    """Make the routes of incidents over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/incidents")
    def listed(model: str | None = None, state: str | None = None, page: int = 1) -> Response:
        return _list_page(store, model, state, page)

    @routes.get("/incidents.json")
    def listed_json(model: str | None = None, state: str | None = None) -> Response:
        return json(list(store.incidents(_known_model(store, model), _known_state(state))))

    @routes.get("/incidents/{number:int}.json")
    def incident_json(number: int) -> Response:
        return json(store.incident(number))

    @routes.get("/incidents/{number:int}")
    def incident(number: int) -> Response:
        found = store.incident(number)
        return page(store, "incident.html", shown(found, status_of(store, found)))

    @routes.get("/incidents/{number:int}/{name}.{twin}")
    def chart(number: int, name: str, twin: str) -> Response:
        found = store.incident(number)
        return _chart_file(found, status_of(store, found), name, twin)

    return routes


def status_of(store: Reads, incident: Incident) -> ModelStatus | None:
    """Find the model an incident is about, as it stands now."""
    same = [status for status in store.models() if status.name == incident.model]
    return next((status for status in same if status.environment == incident.environment), None)


def shown(incident: Incident, status: ModelStatus | None) -> dict[str, object]:
    """Gather what the page of an incident shows."""
    scale = scale_of(incident.slices)
    return {
        "incident": incident,
        "lead": emphasised(incident.sentence, _phrases(incident)),
        "six": view.six(incident, status),
        "way": view.path(incident),
        "checks": _CHECKS,
        "slices": [(found, change(found, scale)) for found in incident.slices],
        "columns": [(column, view.column_words(column)) for column in alarming(incident.columns)],
        "figures": figures(incident, status),
        "dots": _DOTS,
    }


def alarming(columns: Sequence[ColumnEvidence]) -> Sequence[ColumnEvidence]:
    """Keep the columns that passed the alarm level; the first one always."""
    return [column for place, column in enumerate(columns) if place == 0 or column.evidence >= 1]


def figures(incident: Incident, status: ModelStatus | None) -> list[Figure]:
    """Draw each chart of an incident twice, with its caption."""
    wide, phone = charts(incident, WIDE, status), charts(incident, PHONE, status)
    return [Figure(a, b, _caption(a)) for a, b in zip(wide, phone, strict=True)]


def _caption(chart: Chart) -> Markup:
    rest = chart.sentence.removeprefix(chart.headline)
    return Markup("<b>{}</b>{}").format(chart.headline, rest)


def _phrases(incident: Incident) -> list[str]:
    chosen = the_slice(incident)
    slices = [words.slice_words(chosen.slice)] if chosen else []
    columns = [f"{column.name} = {column.value}" for column in incident.columns[:1] if column.value is not None]
    return [
        words.date(incident.onset),
        words.date(incident.onset, year=True),
        *slices,
        *columns,
        *(cause.what for cause in incident.causes[:1]),
    ]


def _list_page(store: Reads, model: str | None, state: str | None, number: int) -> Response:
    known = store.incidents(_known_model(store, model))
    chosen = list(store.incidents(model, _known_state(state)))
    pages = max(1, -(-len(chosen) // PAGE))
    if not 1 <= number <= pages:
        raise HTTPException(404, f"there is no page {number} of incidents. Known: 1 to {pages}.")
    part = chosen[(number - 1) * PAGE : number * PAGE]
    facts = {
        "groups": groups(part, known),
        "counts": counts(known),
        "model": model,
        "state": state,
        "number": number,
        "pages": pages,
        "total": len(chosen),
    }
    return page(store, "incidents.html", facts)


def _known_model(store: Reads, model: str | None) -> str | None:
    names = [status.name for status in store.models()]
    if model is not None and model not in names:
        raise UnknownName.named("model", model, names, step="watchglass models")
    return model


def _known_state(state: str | None) -> str | None:
    if state is not None and state not in STATES:
        raise HTTPException(404, f"no state {state!r} is known. Known: {', '.join(STATES)}.")
    return state


def _chart_file(incident: Incident, status: ModelStatus | None, name: str, twin: str) -> Response:
    drawn = {chart.name: chart for chart in charts(incident, WIDE, status)}
    if name not in drawn:
        known = ", ".join(drawn) or "none: no evidence was kept"
        raise HTTPException(404, f"incident {incident.id} has no chart {name!r}. Known: {known}.")
    return chart_file(drawn[name], twin)
