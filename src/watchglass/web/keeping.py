"""A store that is kept over HTTP → what its retention lets go of, and its backups, in the one folder that the server was started with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from watchglass import settings
from watchglass.errors import BadInput, StoreError
from watchglass.store.life.backup import backup
from watchglass.store.life.backups import Backup, moment_of, names
from watchglass.store.life.retention import Expired, expire
from watchglass.store.reader import close_reader
from watchglass.store.transactions import connect
from watchglass.web import urls
from watchglass.web.answering import answered
from watchglass.web.bodies import dry_of, object_of
from watchglass.web.pages import json
from watchglass.web.taking import from_here
from watchglass.web.taking_docs import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchglass.store.folder import Folder

_WOULD_DO: Final = '{"dry": true}'
_ERROR: Final = ANSWERS[400]["content"]
_EXPIRED: Final[dict[int | str, dict[str, object]]] = {status: ANSWERS[status] for status in (400, 403, 408, 413, 503)}
_UNSET: Final[dict[str, object]] = {
    "description": "The setting WATCHGLASS_BACKUPS of the server names no folder, or one that will not do.",
    "content": _ERROR,
}
_LISTED: Final[dict[int | str, dict[str, object]]] = {409: _UNSET}
_MADE: Final[dict[int | str, dict[str, object]]] = {
    409: _UNSET,
    503: {"description": "Another backup is under way, or a file cannot be read or written.", "content": _ERROR},
    **{status: ANSWERS[status] for status in (400, 403, 408, 413)},
}
_BODY: Final[dict[str, object]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"dry": {"type": "boolean", "description": "Only say what would go."}},
                    "additionalProperties": False,
                },
                "example": {"dry": True},
            }
        },
    }
}
_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=1000)]
_After = Annotated[str | None, Query(description="Those older than the one of this name: `next` of the page before.")]


class Backups(BaseModel):
    """A page of the backups, newest first; `next` is the `after` of the page after it, null at the end."""

    backups: list[Backup]
    next: str | None


def router(folder: Folder) -> APIRouter:
    """Make the routes of a store that may be written."""
    routes = APIRouter(prefix=urls.API, tags=["life of data"])

    @routes.post("/expire", response_model=Expired, responses=_EXPIRED, openapi_extra=_BODY)
    async def let_go(request: Request) -> Response:
        """Let rows go that the setting retention no longer keeps, as upkeep does every hour; with `dry`, only say which."""

        async def work() -> Expired:
            from_here(request)
            given = await object_of(request, _WOULD_DO)
            dry = dry_of(given)
            _nothing_else(given)
            return await run_in_threadpool(_expired, folder, dry=dry)

        return await answered(request, work())

    @routes.get("/backups", response_model=Backups, responses=_LISTED)
    def listed(limit: _Limit = 100, after: _After = None) -> Response:
        """List the backups in the server's folder, newest first."""
        home = _home()
        found = [name for name in reversed(names(home)) if after is None or name < after]
        page = [moment_of(home, name).backup for name in found[:limit]]
        return json({"backups": page, "next": page[-1].name if len(found) > limit else None})

    @routes.post("/backups", response_model=Backup, responses=_MADE, openapi_extra={})
    async def make(request: Request) -> Response:
        """Put this moment of the store into the server's folder of backups; where that lies no request can say, nor can it remove one."""

        async def work() -> Backup:
            from_here(request)
            return await run_in_threadpool(_made, folder)

        return await answered(request, work())

    return routes


def _nothing_else(given: Mapping[str, object]) -> None:
    if given:
        message = f"{next(iter(given))[:80]!r} is not known here: {_WOULD_DO} would do"
        raise BadInput(message)


def _home() -> Path:
    named = settings.resolve(settings.BACKUPS)
    if not named:
        message = (
            "this server keeps no backups: start it with WATCHGLASS_BACKUPS=FOLDER (best on another disk), "
            "or run watchglass backup FOLDER beside it. Where backups go, no request can say"
        )
        raise HTTPException(409, message)
    return Path(named).expanduser()


def _expired(folder: Folder, *, dry: bool) -> Expired:
    engine = connect(folder)
    try:
        return expire(folder, engine, dry=dry)
    finally:
        close_reader(engine)
        engine.dispose()


def _made(folder: Folder) -> Backup:
    home, engine = _home(), connect(folder)
    try:
        return backup(folder, engine, home)
    except BadInput as error:
        raise HTTPException(409, f"WATCHGLASS_BACKUPS will not do: {error}") from None
    except StoreError as error:
        raise HTTPException(503, str(error), {"Retry-After": "5"}) from None
    finally:
        engine.dispose()
