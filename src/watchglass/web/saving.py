"""A question over HTTP → kept in the store under a name, or forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from watchglass.errors import BadInput
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.asking import REFUSED
from watchglass.web.pages import json
from watchglass.web.taking import from_here

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_Name = Annotated[str, Path(description="The question's name.")]


class Kept(BaseModel):
    """A question to be saved: one SELECT, the model its predictions are bound to, and what it answers."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(description="Exactly one SELECT over the documented views; `$name`s are its parameters.")
    model: str | None = Field(None, description="Bind predictions to this model.")
    description: str | None = Field(None, description="What it answers.")


def router(store: Reads) -> APIRouter:
    """Make the routes that save and delete questions."""
    routes = APIRouter(prefix=urls.API, tags=["questions"])

    @routes.put("/questions/{name}", responses={**UNKNOWN, 400: REFUSED})
    def save(name: _Name, kept: Kept, request: Request) -> Response:
        """Keep a question under a name, in place of one that has it; gives the names of its parameters."""
        only_from_here(request)
        found = store.save_question(name, kept.sql, kept.model, kept.description)
        return json({"name": name, "parameters": sorted(found)})

    @routes.delete("/questions/{name}", responses=UNKNOWN)
    def delete(name: _Name, request: Request) -> Response:
        """Forget a saved question."""
        only_from_here(request)
        store.delete_question(name)
        return json({"name": name, "deleted": True})

    return routes


def only_from_here(request: Request) -> None:
    """Answer 403 to a request that a page of another origin sent."""
    try:
        from_here(request)
    except BadInput as error:
        raise HTTPException(403, str(error)) from error
