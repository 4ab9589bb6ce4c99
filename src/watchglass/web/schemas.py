"""A store → what its models' columns are and what could not be taken, over HTTP: the schema of a model, the rejected rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response

from watchglass.store.schemas.registered import MOST, Schema
from watchglass.store.schemas.rejections import Rejections
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_Named = Annotated[str, Path(description="The model's name.")]
_Model = Annotated[str | None, Query(description="Only of this model.")]
_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=MOST)]
_After = Annotated[
    int | None, Query(description="Those older than the one with this id: `next` of the page before.", ge=1, le=2**53)
]


def router(store: Reads) -> APIRouter:
    """Make the routes over a store."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.get("/models/{model:path}/schema", response_model=Schema, responses=UNKNOWN)
    def schema(model: _Named, limit: _Limit = 100, after: _After = None) -> Response:
        """Give a model's columns, how they changed, newest first, and how many rows could not be taken, by reason."""
        return json(store.schema(model, limit=limit, after=after))

    @routes.get("/rejected", response_model=Rejections, responses=UNKNOWN)
    def rejected(model: _Model = None, limit: _Limit = 100, after: _After = None) -> Response:
        """List lines and values that could not be taken, newest first, with their reason and what they were."""
        return json(store.rejections(model, limit=limit, after=after))

    return routes
