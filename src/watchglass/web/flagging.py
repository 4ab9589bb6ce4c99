"""Flags over HTTP → an output said to be wrong, or the saying taken back; who may record may ask this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from watchglass.store.lineage.flags import Flag
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json
from watchglass.web.saving import only_from_here

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_Output = Annotated[str, Path(description="The output's name.")]
_Version = Annotated[str | None, Query(description="Of this version only.")]
_Who = Annotated[str | None, Query(description="Who says so.")]


class Wrong(BaseModel):
    """An output that is wrong: its name, a version or the newest, what is wrong with it, and who says so."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The output's name.")
    version: str | None = Field(None, description="This version; the newest without it.")
    note: str | None = Field(None, description="What is wrong with it.")
    who: str | None = Field(None, description="Who says so.")


def router(store: Reads) -> APIRouter:
    """Make the routes that flag outputs and take flags back."""
    routes = APIRouter(prefix=urls.API, tags=["runs"])

    @routes.post("/flags", response_model=Flag, responses=UNKNOWN)
    def flag(wrong: Wrong, request: Request) -> Response:
        """Say that an output is wrong, so that a review finds what such outputs have in common."""
        only_from_here(request)
        return json(store.flag(wrong.name, wrong.version, wrong.note, wrong.who))

    @routes.delete("/flags/{name:path}", response_model=list[Flag], responses=UNKNOWN)
    def unflag(name: _Output, request: Request, version: _Version = None, who: _Who = None) -> Response:
        """Take the flags of an output back; gives those that were."""
        only_from_here(request)
        return json(list(store.unflag(name, version, who)))

    @routes.delete("/flags", response_model=list[Flag])
    def unflag_all(request: Request, who: _Who = None) -> Response:
        """Take every flag back; gives those that were."""
        only_from_here(request)
        return json(list(store.unflag_all(who)))

    return routes
