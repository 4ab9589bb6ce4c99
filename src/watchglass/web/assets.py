"""The name of a packaged file → its bytes, with an ETag; under the address that carries its mark it may be kept for ever."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from watchglass.web import urls

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_NAMES = ("style.css", "theme.js", "keys.js", "icon.svg")

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the pages."""

    content: bytes
    mark: str
    type: str


@cache
def asset(name: str) -> Asset:
    """Read a packaged file once."""
    content = (files("watchglass.web") / "static" / name).read_bytes()
    return Asset(content, blake2b(content, digest_size=8).hexdigest(), _TYPES[name.rpartition(".")[2]])


def address(name: str) -> str:
    """Give the address of a packaged file, with its mark."""
    return urls.static(name, asset(name).mark)


@router.get("/static/{name}")
def static(name: str, request: Request, v: str | None = None) -> Response:
    """Give a packaged file, or 304 where the browser holds the same."""
    if name not in _NAMES:
        raise HTTPException(404, f"no file {name!r} belongs to the pages. Known: {', '.join(_NAMES)}.")
    found = asset(name)
    headers = {
        "ETag": f'"{found.mark}"',
        "Cache-Control": "public, max-age=31536000, immutable" if v == found.mark else "no-cache",
    }
    held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["ETag"] in held:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.type, headers=headers)
