"""A request to forget somebody → the store without their rows, and the record of it; who may record may ask this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from watchglass.errors import BadInput
from watchglass.store.life.forget import Asked, Forgotten, asked, forget
from watchglass.store.reader import close_reader
from watchglass.store.transactions import connect
from watchglass.web import urls
from watchglass.web.answering import answered
from watchglass.web.bodies import dry_of, object_of
from watchglass.web.taking import from_here
from watchglass.web.taking_docs import ANSWERS

if TYPE_CHECKING:
    from watchglass.store.folder import Folder

_TEXTS: Final = ("subject", "prediction", "where", "model", "environment", "who", "reason")
_EXAMPLE: Final = {"subject": "ana", "who": "the data protection officer", "dry": True}
_BODY: Final[dict[str, object]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {**{name: {"type": "string"} for name in _TEXTS}, "dry": {"type": "boolean"}},
                    "description": "Exactly one of subject, prediction and where; where needs model.",
                },
                "example": _EXAMPLE,
            }
        },
    }
}
_ANSWERS: Final[dict[int | str, dict[str, object]]] = {
    404: {"description": "There is no such model.", "content": ANSWERS[400]["content"]},
    **{status: ANSWERS[status] for status in (400, 403, 408, 413, 503)},
}


def router(folder: Folder) -> APIRouter:
    """Make the route of a store that may be written."""
    routes = APIRouter(prefix=urls.API, tags=["life of data"])

    @routes.post("/forget", response_model=Forgotten, responses=_ANSWERS, openapi_extra=_BODY)
    async def remove(request: Request) -> Response:
        """Remove rows physically: predictions, labels and feedback, from files, cells, log and catalog. It cannot be taken back."""

        async def work() -> Forgotten:
            from_here(request)
            about, dry = _read(await object_of(request, orjson.dumps(_EXAMPLE).decode()))
            return await run_in_threadpool(_forgotten, folder, about, dry=dry)

        return await answered(request, work())

    return routes


def _read(found: dict[str, object]) -> tuple[Asked, bool]:
    """Read what is asked; raises `BadInput`."""
    dry = dry_of(found)
    texts: dict[str, str | None] = {}
    for name, value in found.items():
        if name not in _TEXTS or not (value is None or isinstance(value, str)):
            message = f"{name[:80]!r} cannot be {value!r:.80}: texts under {', '.join(_TEXTS)} would do"
            raise BadInput(message)
        texts[name] = value
    return asked(**texts), dry


def _forgotten(folder: Folder, about: Asked, *, dry: bool) -> Forgotten:
    engine = connect(folder)
    try:
        return forget(folder, engine, about, dry=dry)
    finally:
        close_reader(engine)
        engine.dispose()
