"""The settings that a server changes in running processes → read with an ETag, replaced whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response

from watchglass.errors import WatchglassError
from watchglass.store.tuning import document, etag_of, replace_settings, settings_of
from watchglass.web import urls
from watchglass.web.answering import answered
from watchglass.web.bodies import object_of
from watchglass.web.pages import json
from watchglass.web.taking import from_here, refusal
from watchglass.web.taking_docs import ANSWERS, SETTINGS_BODY, SETTINGS_SCHEMA

if TYPE_CHECKING:
    from watchglass.store.folder import Folder

_WOULD_DO: Final = '{"enabled": true, "level": "info", "sampling": []}'
_READ: Final[dict[int | str, dict[str, object]]] = {
    200: {"description": "The settings; what is not set is not there.", "content": SETTINGS_SCHEMA},
    304: {"description": "They are as the ETag in If-None-Match says."},
    503: ANSWERS[503],
}
_REPLACED: Final[dict[int | str, dict[str, object]]] = {
    200: {"description": "These are in force in every process within ten seconds.", "content": SETTINGS_SCHEMA},
    412: {"description": "They changed since the ETag in If-Match was given.", "content": ANSWERS[400]["content"]},
    **{status: ANSWERS[status] for status in (400, 403, 408, 413, 503)},
}


def router(folder: Folder) -> APIRouter:
    """Make the routes of a store's settings."""
    routes = APIRouter(prefix=urls.API, tags=["settings"])

    @routes.get("/settings", response_class=Response, responses=_READ)
    def settings(request: Request) -> Response:
        """Give the settings that running processes heed: on or off, level, sampling."""
        try:
            return _told(folder, request.headers.get("if-none-match", ""))
        except WatchglassError as error:
            return refusal(OSError(str(error)))

    @routes.put("/settings", response_class=Response, responses=_REPLACED, openapi_extra=SETTINGS_BODY)
    async def replace(request: Request) -> Response:
        """Replace the settings, whole."""

        async def work() -> Response:
            from_here(request)
            given = await object_of(request, _WOULD_DO)
            wanted = request.headers.get("if-match")
            if wanted is not None and wanted not in ("*", etag_of(folder)):
                return json({"error": "the settings changed meanwhile: read them again (GET), then replace them"}, 412)
            replace_settings(folder, given, "the body")
            return _told(folder, "")

        return await answered(request, work())

    return routes


def _told(folder: Folder, held: str) -> Response:
    mark = etag_of(folder)  # before the settings: were they changed in between, they are asked for once too often
    if mark in {tag.strip().removeprefix("W/") for tag in held.split(",")}:
        return Response(status_code=304, headers={"ETag": mark})
    response = json(document(settings_of(folder)))
    response.headers["ETag"] = mark
    return response
