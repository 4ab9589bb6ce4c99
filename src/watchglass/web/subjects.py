"""Whose data is where, over HTTP: tags followed, said and retracted; who may record may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from watchglass.store.subjects.following import Subject
from watchglass.store.subjects.retracting import Retraction, Retractions, Uses
from watchglass.store.subjects.saying import Subjects, Tagged
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json
from watchglass.web.saving import only_from_here

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_Tag = Annotated[str, Path(description="The subject's tag.")]
_Of = Annotated[str | None, Query(description="Only of this tag.")]
_Search = Annotated[str | None, Query(description="Only tags that have this text in them.")]
_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=1000)]
_After = Annotated[str | None, Query(description="The `next` of the page before.")]
_ANSWERS: dict[int | str, dict[str, object]] = {
    **UNKNOWN,
    400: {"description": "A value that would not do; what would is said."},
}


class Of(BaseModel):
    """An artifact, a version of it or the newest, and of whom it is; of nobody where the list is empty."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The artifact's name.")
    version: str | None = Field(None, description="This version; the newest without it.")
    subjects: list[str] = Field(description="The tags; an empty list says that it is of nobody.")


class Taken(BaseModel):
    """A subject's tag that is taken back."""

    model_config = ConfigDict(extra="forbid")

    tag: str = Field(description="The subject's tag.")
    who: str | None = Field(None, description="Who retracts.")
    grace: str | None = Field(
        "7d", description="How long who reads it is only warned, such as 7d; null: he is never stopped."
    )


def router(store: Reads) -> APIRouter:
    """Make the routes that read."""
    routes = APIRouter(prefix=urls.API, tags=["subjects"])

    @routes.get("/subjects", response_model=Subjects, responses=_ANSWERS)
    def subjects(search: _Search = None, limit: _Limit = 100, after: _After = None) -> Response:
        """List the tags that were said, by name."""
        return json(store.subjects(search=search, limit=limit, after=after))

    @routes.get("/subjects/{tag:path}", response_model=Subject, responses=_ANSWERS)
    def subject(tag: _Tag, limit: _Limit = 50, after: _After = None) -> Response:
        """Follow a subject's tag to all that carries it: artifact versions, runs, models, predictions."""
        return json(store.subject(tag, limit=limit, after=after))

    @routes.get("/retractions", response_model=Retractions, responses=_ANSWERS)
    def retracted(limit: _Limit = 100, after: _After = None) -> Response:
        """List the tags that were retracted, the newest first."""
        return json(store.retracted(limit=limit, after=after))

    @routes.get("/retractions/uses", response_model=Uses, responses=_ANSWERS)
    def uses(tag: _Of = None, limit: _Limit = 50, after: _After = None) -> Response:
        """List the runs that read what carries a retracted tag, after it was retracted, the newest first."""
        return json(store.uses(tag, limit=limit, after=after))

    return routes


def saying(store: Reads) -> APIRouter:
    """Make the routes of a store that may be written."""
    routes = APIRouter(prefix=urls.API, tags=["subjects"])

    @routes.post("/subjects", response_model=Tagged, responses=_ANSWERS)
    def tag(of: Of, request: Request) -> Response:
        """Say of whom an artifact is; the tag goes with it to all that is derived from it."""
        only_from_here(request)
        return json(store.tag(of.name, of.subjects, of.version))

    @routes.post("/retractions", response_model=Retraction, responses=_ANSWERS)
    def retract(taken: Taken, request: Request) -> Response:
        """Take a subject's tag back: who reads what carries it is warned from now on."""
        only_from_here(request)
        return json(store.retract(taken.tag, taken.who, grace=taken.grace))

    return routes
