"""What was typed into the box → the page meant: an incident by its number; a model, run, component or artifact by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from watchglass.errors import UnknownName, WatchglassError
from watchglass.web import urls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.web.reads import Reads

_MOST = 1000
_SHORTEST = 4


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
    found = _recorded(store, asked)
    if found is not None:
        return found
    digits = asked.lower().removeprefix("incident").strip(" #")
    if digits.isascii() and digits.isdigit():
        return urls.incident(store.incident(int(digits)).id)
    return _begun(store, asked, names)


def _begun(store: Reads, asked: str, models: Sequence[str]) -> str:
    """Give the address of the one model, component or run whose name begins so; raises `UnknownName`."""
    components = [one.name for one in store.components(limit=_MOST).components]
    runs = [run.id for run in store.runs(limit=_MOST).runs] if len(asked) >= _SHORTEST else []
    for names, address in ((models, urls.model), (components, urls.component), (runs, urls.run)):
        near = [name for name in names if name.lower().startswith(asked.lower())]
        if len(near) == 1:
            return address(near[0])
    noun = "model, run, component, artifact or incident"
    raise UnknownName.named(noun, asked, [*models, *components], step="watchglass runs")


def _recorded(store: Reads, asked: str) -> str | None:
    """Give the address of the run with this id, of the component or the artifact of this name."""
    if any(one.name == asked for one in store.components(limit=_MOST).components):
        return urls.component(asked)
    try:
        return urls.run(store.run(asked, predictions=False).id)
    except UnknownName:
        pass
    name, _, version = asked.partition("@")
    try:
        store.impact(name, version or None, 1, limit=1, predictions=False)
    except WatchglassError:
        return None
    return urls.lineage(name, version or None)
