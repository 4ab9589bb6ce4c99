"""What was typed into the box → the page meant: an incident by its number, a model by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from watchglass.errors import UnknownName
from watchglass.web import urls

if TYPE_CHECKING:
    from watchglass.web.reads import Reads


def router(store: Reads) -> APIRouter:
    """Make the route of the box over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(urls.JUMP)
    def jump(q: str = "") -> Response:
        return RedirectResponse(target(store, q.strip()), status_code=303)

    return routes


def target(store: Reads, asked: str) -> str:
    """Give the address meant; raises `UnknownName` with the nearest name."""
    if not asked:
        return urls.INDEX
    names = [status.name for status in store.models()]
    if asked in names:
        return urls.model(asked)
    digits = asked.lower().removeprefix("incident").strip(" #")
    if digits.isascii() and digits.isdigit():
        return urls.incident(store.incident(int(digits)).id)
    starts = [name for name in names if name.lower().startswith(asked.lower())]
    if len(starts) == 1:
        return urls.model(starts[0])
    raise UnknownName.named("model or incident", asked, names, step="watchglass models")  # noqa: TRY003 - a name and a step
