"""A store's marks of quarantine and retraction → what processes that record over HTTP are handed out, looked up once for all of them."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
from fastapi import APIRouter, Request, Response

from watchglass.capture import quarantine, subjects
from watchglass.capture.handed import MOST
from watchglass.web import urls

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_SETTLED: Final = 1.0
"""Seconds after which a folder's time tells whether it changed: two changes within a tick of its clock have one time."""
_ANSWERS: Final[dict[int | str, dict[str, object]]] = {
    200: {
        "description": f"Names of marks, digests of an artifact's name and version, at most the newest {MOST:,} of each kind.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["quarantined", "retracted", "released", "left_out"],
                    "properties": {
                        "quarantined": {"type": "array", "items": {"type": "string"}},
                        "retracted": {
                            "type": "object",
                            "additionalProperties": {"type": "array", "items": {"type": "integer"}},
                            "description": "From when on a run that wants so is stopped (µs, 0 for never), and 1 where the name itself was said to be of the subject.",
                        },
                        "released": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "What a person released from quarantine.",
                        },
                        "left_out": {"type": "integer", "description": "How many more there are."},
                    },
                }
            }
        },
    },
    304: {"description": "They are as the ETag in If-None-Match says."},
}


class Listed:
    """The answer to all who ask, made anew when a folder of marks changed."""

    def __init__(self, store: Reads) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, ...], bytes, str] | None = None

    def answer(self) -> tuple[bytes, str]:
        """Give the body and its ETag. Raises `StoreError`."""
        with self._lock:
            state = self._state()
            if self._known is None or self._known[0] != state:
                body = orjson.dumps(self._store.marks().document())
                found = (state, body, f'"{blake2b(body, digest_size=16).hexdigest()}"')
                self._known = found if max(state) < (time.time() - _SETTLED) * 1e9 else None
                return found[1:]
            return self._known[1:]

    def _state(self) -> tuple[int, ...]:
        found = [0, 0]
        for place, folder in enumerate((quarantine.FOLDER, subjects.FOLDER)):
            with suppress(FileNotFoundError):
                found[place] = os.stat(Path(self._store.path, folder)).st_mtime_ns  # noqa: PTH116 - its time alone
        return tuple(found)


def router(store: Reads) -> APIRouter:
    """Make the route over a store."""
    routes, listed = APIRouter(prefix=urls.API, tags=["settings"]), Listed(store)

    @routes.get("/marks", response_class=Response, responses=_ANSWERS)
    def marks(request: Request) -> Response:
        """Give the marks of what is in quarantine and of what carries a retracted tag, by which recording processes are warned."""
        body, mark = listed.answer()
        if mark in {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}:
            return Response(status_code=304, headers={"ETag": mark})
        return Response(body, media_type="application/json", headers={"ETag": mark})

    return routes
