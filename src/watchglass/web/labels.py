"""A store → how many of a model's predictions have labels, and how late they came, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response

from watchglass.store.labels.coverage import Coverage
from watchglass.store.labels.waiting import Waiting
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_Named = Annotated[str, Path(description="The model's name.")]
_Environment = Annotated[str, Query(description="In this environment.")]
_At = Annotated[str | None, Query(description="As known at the end of this day (UTC); all that is known without it.")]
_Limit = Annotated[int, Query(description="At most so many days.", ge=1, le=1000)]
_Before = Annotated[str | None, Query(description="Days before this one: `next` of the page before.")]
_LabelLimit = Annotated[int, Query(description="At most so many labels.", ge=1, le=1000)]
_After = Annotated[str | None, Query(description="Labels after this one: `next` of the page before.")]


def router(store: Reads) -> APIRouter:
    """Make the route over a store."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.get("/models/{model:path}/labels", response_model=Coverage, responses=UNKNOWN)
    def labels(
        model: _Named, environment: _Environment = "live", at: _At = None, limit: _Limit = 100, before: _Before = None
    ) -> Response:
        """Give how many of a model's predictions have labels, day by day, newest first, how late they came, and how many too late."""
        return json(store.label_coverage(model, environment, at, limit=limit, before=before))

    @routes.get("/models/{model:path}/labels/waiting", response_model=Waiting, responses=UNKNOWN)
    def waiting_labels(
        model: _Named, environment: _Environment = "live", limit: _LabelLimit = 100, after: _After = None
    ) -> Response:
        """Give the labels whose prediction is not there: how many wait for it, since when, and which, the oldest first."""
        return json(store.waiting_labels(model, environment, limit=limit, after=after))

    return routes
