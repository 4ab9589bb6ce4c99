"""Which predictions of a store are meant, twice → how far apart they are, column by column, over HTTP as JSON or as the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Response

from watchglass.comparing import Comparison
from watchglass.store.tabular.chosen import required
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_FORM = "`model=fraud,version=3,environment=live,start=2026-06-01,end=2026-07-01,tag.site=harbour`; all but the model may be left out."
_Reference = Annotated[str, Query(description=f"The predictions to compare with: {_FORM}")]
_Current = Annotated[str, Query(description="The predictions that are compared, told likewise.")]
_Columns = Annotated[list[str] | None, Query(alias="column", description="Only this column; may be repeated.")]
_Discoveries = Annotated[
    float, Query(description="The share of columns said to have moved that may be wrong.", gt=0, lt=1)
]
_Format = Annotated[Literal["json", "html"], Query(description="The records, or the report as a file to keep.")]


def router(store: Reads) -> APIRouter:
    """Make the route over a store; files of the server cannot be named."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.get("/compare", response_model=Comparison, responses=UNKNOWN)
    def compare(
        reference: _Reference,
        current: _Current,
        column: _Columns = None,
        false_discoveries: _Discoveries = 0.05,
        format: _Format = "json",  # noqa: A002 - the name in the address
    ) -> Response:
        """Compare chosen predictions column by column: effects, tests that heed days, the smallest move that would have been seen."""
        for text in (reference, current):
            required(text)
        found = store.compare(reference, current, columns=column, false_discoveries=false_discoveries)
        if format == "json":
            return json(found)
        named = {"Content-Disposition": 'attachment; filename="comparison.html"'}  # its style and script are its own
        return Response(found.html(), media_type="text/html; charset=utf-8", headers=named)

    return routes
