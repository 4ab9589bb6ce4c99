"""A store → the twenty questions, those that were saved, and the distributions of a model's columns, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from watchglass.errors import BadInput
from watchglass.store.distribution import MOST_BINS, Distribution
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.records import Json
    from watchglass.store.answers import Table
    from watchglass.web.reads import Reads

_Named = Annotated[str, Path(description="The question's name, as /api/v1/questions lists it.")]
_Model = Annotated[str, Path(description="The model's name.")]
_Column = Annotated[
    list[str] | None, Query(description="Only this feature; may be given several times. All when there is none.")
]
_Environment = Annotated[str, Query(description="Where the model served.")]
_Start = Annotated[str | None, Query(description="From then on; a date, ISO 8601 or epoch seconds.")]
_End = Annotated[str | None, Query(description="Up to then, not with it.")]
_By = Annotated[Literal["day"] | None, Query(description="One record a day.")]
_Source = Annotated[
    Literal["cells", "rows"], Query(description="From what was counted, or from the rows, the log's among them.")
]
_Bins = Annotated[int, Query(description="Bins of a histogram.", ge=1, le=MOST_BINS)]
_TABLE: dict[int | str, dict[str, object]] = {
    **UNKNOWN,
    400: {"description": "A value that would not do; what would is said."},
    200: {
        "description": "The answer: its columns' names, a row an object, and where the next page begins, null at the end.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["columns", "rows", "next"],
                    "properties": {
                        "columns": {"type": "array", "items": {"type": "string"}},
                        "rows": {"type": "array", "items": {"type": "object"}},
                        "next": {"type": ["string", "null"]},
                    },
                }
            }
        },
    },
}


def router(store: Reads) -> APIRouter:
    """Make the routes over a store."""
    routes = APIRouter(prefix=urls.API, tags=["questions"])

    @routes.get("/questions", responses=_TABLE)
    def questions() -> Response:
        """List the questions that come with the package and those that were saved, with their parameters and columns."""
        return _told(store.questions())

    @routes.get("/questions/{name}", responses=_TABLE)
    def question(name: _Named, request: Request) -> Response:
        """Answer a question, a page of it; its parameters are those of the address: ?model=fraud&start=7d, and `after`, the `next` of the page before."""
        return _told(store.ask(name, **_given(request)))

    @routes.get("/models/{model:path}/distributions", response_model=list[Distribution], responses=UNKNOWN)
    def distributions(  # noqa: PLR0913 - a parameter of the address each
        model: _Model,
        *,
        column: _Column = None,
        environment: _Environment = "live",
        start: _Start = None,
        end: _End = None,
        by: _By = None,
        source: _Source = "cells",
        bins: _Bins = 32,
    ) -> Response:
        """Give how a model's columns are distributed: quantiles and a histogram, or the commonest values.

        Without `column` every feature; prediction, score and latency are asked by name.
        """
        found = store.distribution(
            model, column, environment=environment, start=start, end=end, by=by, source=source, bins=bins
        )
        return json(list(found))

    return routes


def _told(found: Table) -> Response:
    return json({"columns": list(found.columns), "rows": found.rows(), "next": found.next})


def _given(request: Request) -> dict[str, Json]:
    """Read the parameters of an address, each once."""
    found: dict[str, Json] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            message = f"parameter {name!r} is given twice: once would do"
            raise BadInput(message)
        found[name] = value
    return found
