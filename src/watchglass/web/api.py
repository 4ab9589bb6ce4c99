"""A store → its answers over HTTP: models and incidents as JSON, described in OpenAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response

from watchglass.records import Incident, ModelStatus, State
from watchglass.store.overview import Overview
from watchglass.web import urls
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.records import Json
    from watchglass.web.reads import Reads

_Model = Annotated[str | None, Query(description="Only of this model.")]
_State = Annotated[State | None, Query(description="Only in this state.")]
_Number = Annotated[int, Path(description="The incident's number.", ge=0, le=2**53)]
UNKNOWN: dict[int | str, dict[str, object]] = {
    404: {
        "description": "What was asked for is not recorded.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}},
                }
            }
        },
    }
}


def router(store: Reads) -> APIRouter:
    """Make the routes of the API over a store."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.get("/models", response_model=list[ModelStatus])
    def models() -> Response:
        """List the models with their health, worst first."""
        return json(list(store.models()))

    @routes.get("/incidents", response_model=list[Incident])
    def incidents(model: _Model = None, state: _State = None) -> Response:
        """List incidents, notices among them, newest first."""
        return json(list(store.incidents(model, state)))

    @routes.get("/incidents/{number}", response_model=Incident, responses=UNKNOWN)
    def incident(number: _Number) -> Response:
        """Give one incident with its evidence, causes, timeline and next steps."""
        return json(store.incident(number))

    @routes.get("/status", response_model=Overview)
    def status() -> Response:
        """Count what is in the store: rows, files, what waits in the log, what was rejected, and what was dropped by reason."""
        return json(store.status())

    return routes


def with_nulls(schema: Json) -> None:
    """Let every number of the records be null in the description: NaN and infinity, which JSON lacks, are."""
    if isinstance(schema, list):
        for part in schema:
            with_nulls(part)
    if not isinstance(schema, dict):
        return
    for part in schema.values():
        with_nulls(part)
    if schema.get("type") == "number":
        schema["type"] = ["number", "null"]
