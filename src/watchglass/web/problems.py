"""An error → its page, or its JSON: what is not known, what would do, what to do next; never a traceback."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from watchglass.errors import BadInput, QueryRefused, StoreTooNew, UnknownName, WatchglassError
from watchglass.web import urls
from watchglass.web.headers import SECURITY
from watchglass.web.pages import bare_page, json

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

_LOG = logging.getLogger(__name__)
_TITLES = {400: "That cannot be read", 404: "Not recorded", 405: "Not done here", 422: "That cannot be read"}
_BROKEN = "The server could not answer. What went wrong is in its log, in the terminal where it runs."


def install(app: FastAPI) -> None:
    """Answer every error of an application in the form that was asked for."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(WatchglassError, _ours)
    app.add_exception_handler(Exception, _broken)


def _answer(request: Request, status: int, error: str) -> Response:
    if request.url.path.startswith(urls.API) or request.url.path.endswith(".json"):
        return json({"error": error}, status)
    title = _TITLES.get(status, "The server could not answer")
    return bare_page("problem.html", {"title": title, "error": error, "status": status}, status)


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    said = str(error.detail) if isinstance(error, HTTPException) else _BROKEN
    if said == "Not Found":
        said = f"there is no page {request.url.path!r}. Known: the models at {urls.INDEX}, the incidents at {urls.incidents()}, the runs at {urls.runs()}."
    response = _answer(request, status, said)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def _invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}" for one in found)
    return _answer(request, 422, f"the address cannot be read: {said}.")


def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, UnknownName):
        return _answer(request, 404, str(error))
    if isinstance(error, BadInput | QueryRefused):
        return _answer(request, 400, str(error))
    if isinstance(error, StoreTooNew):
        return _answer(request, 503, str(error))
    _LOG.error("%s %s: %s", request.method, request.url.path, error)
    return _answer(request, 500, str(error))


def _broken(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; it is raised again after this, so that the server's log has it whole."""
    del error
    response = _answer(request, 500, _BROKEN)
    response.headers.update(SECURITY)  # this answer leaves outside the middleware that adds them
    return response
