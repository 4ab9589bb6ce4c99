"""A store → its artifact versions over HTTP, and the bytes that are kept of them, given out and taken in under the name that is their sum."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse

from watchglass import settings
from watchglass.capture.keeping_place import adopt, checked_name, draft, form_of, held, place_of, touched
from watchglass.errors import BadInput, UnknownName, WatchglassError
from watchglass.receive.lines import TooLarge
from watchglass.store.artifacts.known import Artifact, Artifacts
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.bodies import Patience, TooSlow, announced, drain, pieces
from watchglass.web.pages import json
from watchglass.web.taking import from_here, refusal
from watchglass.web.taking_docs import ANSWERS

if TYPE_CHECKING:
    from watchglass.store.folder import Folder
    from watchglass.web.reads import Reads

_Name = Annotated[str | None, Query(description="Only versions of the artifact of this name.")]
_Of = Annotated[str, Query(description="The artifact's name.")]
_Version = Annotated[
    str | None, Query(description="The version, or its first four digits or more; that written last unless given.")
]
_Kind = Annotated[str | None, Query(description="Only frame, array, file, text, json or estimator.")]
_Policy = Annotated[
    str | None, Query(description="Only those of which so much is kept: hash, profile, sample or full.")
]
_Run = Annotated[str | None, Query(description="Only those that this run read or wrote.")]
_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=1000)]
_After = Annotated[str | None, Query(description="From this place on: `next` of the page before.")]
_Kept = Annotated[str, Path(description="The name of kept bytes: their BLAKE2b sum of 128 bits, and their format.")]
_BYTES: Final[dict[str, object]] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BODY: Final[dict[str, object]] = {"requestBody": {"required": True, "content": _BYTES}}
_IMMUTABLE: Final = "private, max-age=31536000, immutable"
_TAKEN: Final[dict[int | str, dict[str, object]]] = {
    200: {
        "description": "The bytes are kept, on the disk.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["kept", "bytes", "duplicate"],
                    "properties": {
                        "kept": {"type": "string"},
                        "bytes": {"type": "integer"},
                        "duplicate": {"type": "boolean", "description": "They were there already."},
                    },
                }
            }
        },
    },
    **{status: ANSWERS[status] for status in (400, 403, 408, 413, 503)},
}


def router(store: Reads) -> APIRouter:
    """Make the routes over a store."""
    routes = APIRouter(prefix=urls.API, tags=["records"])

    @routes.get("/artifacts", response_model=Artifacts, responses=UNKNOWN)
    def artifacts(
        name: _Name = None,
        kind: _Kind = None,
        policy: _Policy = None,
        run: _Run = None,
        limit: _Limit = 100,
        after: _After = None,
    ) -> Response:
        """List artifact versions, those first seen last first."""
        return json(store.artifacts(name, kind=kind, policy=policy, run=run, limit=limit, after=after))

    @routes.get("/artifact", response_model=Artifact, responses=UNKNOWN)
    def artifact(name: _Of, version: _Version = None) -> Response:
        """Give what is known of a version of an artifact; `kept` names its bytes."""
        return json(store.artifact(name, version))

    @routes.head("/artifacts/{kept}", include_in_schema=False)
    @routes.get(
        "/artifacts/{kept}",
        response_class=Response,
        responses={200: {"description": "The bytes.", "content": _BYTES}, **UNKNOWN},
    )
    def given(kept: _Kept, request: Request) -> Response:
        """Give kept bytes; they never change."""
        path = place_of(store.path, checked_name(kept))
        if not FilePath(path).is_file():
            message = f"no bytes named {kept!r} are kept here. Next: {urls.API}/artifacts"
            raise UnknownName(message)
        if request.method == "HEAD":  # who asks is about to name them: no sweep may take them now
            with suppress(OSError):
                _there(path)
        headers = {"Cache-Control": _IMMUTABLE, "ETag": f'"{kept}"'}
        return FileResponse(path, media_type="application/octet-stream", filename=kept, headers=headers)

    return routes


def taking(folder: Folder) -> APIRouter:
    """Make the route of a store that may be written."""
    routes = APIRouter(prefix=urls.API, tags=["recording"])

    @routes.put("/artifacts/{kept}", response_class=Response, responses=_TAKEN, openapi_extra=_BODY)
    async def take(kept: _Kept, request: Request) -> Response:
        """Keep bytes under the name that is their sum; again, it changes nothing. Whole or not at all."""
        try:
            from_here(request)
            size, duplicate = await _taken(str(folder.root), checked_name(kept), request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except (WatchglassError, OSError, TooSlow) as error:
            response = refusal(error)
            await drain(request)
            return response
        return json({"kept": kept, "bytes": size, "duplicate": duplicate})

    return routes


async def _taken(root: str, kept: str, request: Request) -> tuple[int, bool]:
    """Write the body aside, hold it against its name, and keep it; gives its size, and whether it was there."""
    there = await asyncio.to_thread(_there, place_of(root, kept))
    if there is not None:
        await drain(request)
        return there, True
    limit = await asyncio.to_thread(_room, root)
    announced(request, limit)
    pause = settings.resolve(settings.INGEST_PAUSE_SECONDS)
    arriving = await asyncio.to_thread(_Arriving, root, kept)
    try:
        async for piece in pieces(request, limit, Patience(pause, float("inf"))):
            await asyncio.to_thread(arriving.feed, piece)
        return await asyncio.to_thread(arriving.finish)
    finally:
        await asyncio.to_thread(arriving.close)


def _there(path: str) -> int | None:
    """Give the size of bytes that are kept already, marked as named just now."""
    with suppress(FileNotFoundError):
        size = FilePath(path).stat().st_size
        return size if touched(path, size) else None
    return None


class _Arriving:
    """Bytes on their way in: a draft, and the sum of what has come."""

    def __init__(self, root: str, kept: str) -> None:
        self._root, self._kept = root, kept
        self._path = FilePath(draft(root))
        self._file = self._path.open("wb")
        self._sum = blake2b(digest_size=16)

    def feed(self, piece: bytes) -> None:
        self._file.write(piece)
        self._sum.update(piece)

    def finish(self) -> tuple[int, bool]:
        """Keep what has come; raises `BadInput` when it is not what its name says."""
        self._file.close()
        wanted, found = self._kept.partition(".")[0], self._sum.hexdigest()
        if found != wanted:
            message = f"the body has the sum {found}, its name says {wanted}: nothing is kept"
            raise BadInput(message)
        done = adopt(self._root, str(self._path), form_of(self._kept))
        return done.size, not done.new

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _room(root: str) -> int:
    """Say how many bytes may come: what the store may keep, and at most what a frame may have."""
    left = settings.resolve(settings.ARTIFACT_STORE_BYTES) - held(root)
    if left <= 0:
        message = (
            "the store keeps as many bytes of artifacts as it may (setting artifact_store_bytes): nothing more is kept"
        )
        raise TooLarge(message)
    return min(left, settings.resolve(settings.INGEST_FRAME_BYTES))
