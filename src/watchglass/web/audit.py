"""A store → what was removed from it or brought into it, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Response

from watchglass.store.life.audit import Audits
from watchglass.web import urls
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_Action = Annotated[str | None, Query(description="Only forget, retention, restore, import, retraction or release.")]
_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=1000)]
_After = Annotated[
    int | None, Query(description="Those older than the one with this id: `next` of the page before.", ge=1, le=2**53)
]


def router(store: Reads) -> APIRouter:
    """Make the route over a store."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.get("/audit", response_model=Audits)
    def audit(action: _Action = None, limit: _Limit = 100, after: _After = None) -> Response:
        """List what was done to the data, newest first: when, by whom, what was asked (never whose rows), what came of it."""
        return json(store.audits(action, limit=limit, after=after))

    return routes
