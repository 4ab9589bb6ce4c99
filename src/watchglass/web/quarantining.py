"""Quarantine over HTTP → the versions that failed a test, by page; released by a person who may record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from watchglass.store.artifacts.quarantined import Quarantine, Quarantines
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json
from watchglass.web.saving import only_from_here

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_Released = Annotated[bool, Query(description="Also what was released, by whom and why.")]
_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=1000)]
_After = Annotated[str | None, Query(description="The `next` of the page before.")]
_ANSWERS: dict[int | str, dict[str, object]] = {
    **UNKNOWN,
    400: {"description": "A value that would not do; what would is said."},
}


class Freed(BaseModel):
    """An artifact version that may be used again, and why."""

    model_config = ConfigDict(extra="forbid")

    artifact: str = Field(description="name@version, or the name where one version of it alone is in quarantine.")
    reason: str = Field(description="Why it may be used again.")
    who: str | None = Field(None, description="Who says so.")


def router(store: Reads) -> APIRouter:
    """Make the route that reads."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.get("/quarantined", response_model=Quarantines, responses=_ANSWERS)
    def quarantined(*, released: _Released = False, limit: _Limit = 100, after: _After = None) -> Response:
        """List the artifact versions that are in quarantine, the newest first, with what failed."""
        return json(store.quarantined(released=released, limit=limit, after=after))

    return routes


def releasing(store: Reads) -> APIRouter:
    """Make the route of a store that may be written."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.post("/releases", response_model=list[Quarantine], responses=_ANSWERS)
    def release(freed: Freed, request: Request) -> Response:
        """Release an artifact version from quarantine: its readers are warned no more; gives the marks that were."""
        only_from_here(request)
        return json(list(store.release(freed.artifact, freed.reason, freed.who)))

    return routes
