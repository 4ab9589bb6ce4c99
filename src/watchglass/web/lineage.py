"""A store → where data came from and what came of it, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Response

from watchglass.store.lineage.impact import Impact
from watchglass.store.lineage.trace import Trace
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_ANSWERS: dict[int | str, dict[str, object]] = {
    **UNKNOWN,
    400: {"description": "A value that would not do; what would is said."},
}
_Of = Annotated[str, Query(description="A run's id, or an artifact's name: its newest write.")]
_Version = Annotated[str | None, Query(description="The artifact's version, instead of the newest.")]
_Depth = Annotated[int | None, Query(description="At most so many hops; all without it.", ge=0)]
_Limit = Annotated[int, Query(description="At most so many runs.", ge=1, le=1000)]
_After = Annotated[str | None, Query(description="The `next` of the page before.")]
_Exact = Annotated[bool, Query(description="Count all, however much it is; else a lower bound beyond 2,000 runs.")]
_Predictions = Annotated[bool, Query(description="Count the predictions that came of it too.")]


def router(store: Reads) -> APIRouter:
    """Make the routes over a store."""
    routes = APIRouter(prefix=urls.API, tags=["lineage"])

    @routes.get("/trace", response_model=Trace, responses=_ANSWERS)
    def trace(of: _Of, version: _Version = None, depth: _Depth = None) -> Response:
        """Give the runs upstream of an output or a run, each once, nearest first, and every edge with the rule it is known by."""
        return json(store.trace(of, version, depth))

    @routes.get("/impact", response_model=Impact, responses=_ANSWERS)
    def impact(  # noqa: PLR0913 - a parameter of the address each
        of: _Of,
        version: _Version = None,
        depth: _Depth = None,
        *,
        limit: _Limit = 50,
        after: _After = None,
        exact: _Exact = False,
        predictions: _Predictions = True,
    ) -> Response:
        """Give a page of the runs downstream of an artifact or a run, nearest first, and count all that came of it."""
        found = store.impact(of, version, depth, limit=limit, after=after, exact=exact, predictions=predictions)
        return json(found)

    return routes
