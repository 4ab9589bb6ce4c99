"""A store → its rows over HTTP: one SELECT, a prediction by its id, and the newest rows page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import orjson
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from watchglass.store.asking.lookup import Prediction
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.store.answers import Table
    from watchglass.web.reads import Reads

MOST_ROWS: Final = 10_000
MOST_SECONDS: Final = 60.0
_Model = Annotated[str | None, Query(description="Bind predictions to this model: features and tags are typed.")]
_OfModel = Annotated[str | None, Query(description="Only of this model.")]
_Environment = Annotated[str | None, Query(description="Only of this environment.")]
_Limit = Annotated[int, Query(description="Rows of a page.", ge=1, le=MOST_ROWS)]
_PageNumber = Annotated[
    int, Query(description="Which page, from 1; `next` tells whether there is another.", ge=1, le=10**9)
]
_Seconds = Annotated[float, Query(description="It is stopped after so many.", gt=0, le=MOST_SECONDS)]
_Select = Annotated[str, Query(description="Exactly one SELECT over the documented views.")]
_Before = Annotated[str | None, Query(description="The `next` of the page before, or a time.")]
_Id = Annotated[str, Path(description="The prediction's id, whoever gave it.")]
_Table = Annotated[str, Path(description="predictions, labels, label_history, feedback, metrics, logs, runs, verdicts, incidents, audit or rejected.")]  # fmt: skip
REFUSED: Final[dict[str, object]] = {"description": "It cannot be asked so; what would do is said."}
_ROWS: Final[dict[int | str, dict[str, object]]] = {
    **UNKNOWN,
    400: REFUSED,
    200: {
        "description": "The columns' names, a row an object, and what the next page is, null at the end.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["columns", "rows", "next"],
                    "properties": {
                        "columns": {"type": "array", "items": {"type": "string"}},
                        "rows": {"type": "array", "items": {"type": "object"}},
                        "next": {"type": ["integer", "string", "null"]},
                    },
                }
            }
        },
    },
}


class Statement(BaseModel):
    """A question: one SELECT, the values of its `$name`s, and which part of the answer is wanted."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(description="Exactly one SELECT over the documented views.")
    model: str | None = Field(None, description="Bind predictions to this model.")
    values: dict[str, str | int | float | bool | None] = Field({}, description="The values of the `$name`s in it.")
    limit: int = Field(1000, ge=1, le=MOST_ROWS, description="Rows of a page.")
    page: int = Field(1, ge=1, le=10**9, description="Which page, from 1.")
    seconds: float = Field(30.0, gt=0, le=MOST_SECONDS, description="It is stopped after so many.")


def router(store: Reads) -> APIRouter:
    """Make the routes that read."""
    routes = APIRouter(prefix=urls.API, tags=["rows"])

    @routes.get("/sql", responses=_ROWS)
    def sql(
        query: _Select, model: _Model = None, limit: _Limit = 1000, page: _PageNumber = 1, seconds: _Seconds = 30.0
    ) -> Response:
        """Answer exactly one SELECT over the documented views, a page of it at a time."""
        return _paged(store, Statement(query=query, model=model, values={}, limit=limit, page=page, seconds=seconds))

    @routes.post("/sql", responses=_ROWS)
    def asked(statement: Statement) -> Response:
        """Answer exactly one SELECT, with values for the `$name`s in it."""
        return _paged(store, statement)

    @routes.get("/predictions/{id:path}", response_model=list[Prediction], responses=UNKNOWN)
    def prediction(id: _Id, model: _OfModel = None, environment: _Environment = None) -> Response:  # noqa: A002 - the address says so
        """Give the predictions that have an id, the earliest first, with features, tags, labels, run and trace; none is an empty list."""
        return json(list(store.prediction(id, model, environment)))

    @routes.get("/latest/{table}", responses=_ROWS)
    def latest(table: _Table, model: _OfModel = None, limit: _Limit = 50, before: _Before = None) -> Response:
        """Give the newest rows of a table; `next` is the `before` of the page after it."""
        page = store.latest(table, model, limit, before)
        return _rows(page.rows, page.next)

    return routes


def _paged(store: Reads, asked: Statement) -> Response:
    offset = (asked.page - 1) * asked.limit
    found = store.sql(
        asked.query, asked.model, asked.limit + 1, offset, values=dict(asked.values), seconds=asked.seconds
    )
    more = len(found) > asked.limit
    return _rows(found.first(asked.limit), asked.page + 1 if more else None)


def _rows(found: Table, following: int | str | None) -> Response:
    answer = {"columns": list(found.columns), "rows": orjson.Fragment(found.to_json()), "next": following}
    return json(answer)
