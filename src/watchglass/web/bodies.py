"""A request's body as it comes → pieces of about a megabyte, or one JSON object, within limits of size and of patience."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
from starlette.requests import ClientDisconnect

from watchglass.errors import BadInput
from watchglass.receive.lines import TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import Request

PIECE: Final = 1 << 20
_DRAINED: Final = 16 << 20
_LARGEST_OBJECT: Final = 1 << 20
_DRAIN_SECONDS: Final = 1.0


class TooSlow(Exception):
    """The body did not come in time."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a body may take: from piece to piece, and in all."""

    pause: float
    total: float


_SOON: Final = Patience(10.0, 30.0)


async def object_of(request: Request, would_do: str) -> dict[str, object]:
    """Read a small body that is one JSON object; raises `BadInput` that shows one that would do, or as `pieces` does."""
    announced(request, _LARGEST_OBJECT)
    body = b"".join([part async for part in pieces(request, _LARGEST_OBJECT, _SOON)])
    try:
        found = orjson.loads(body)
    except ValueError as error:
        message = f"the body is not JSON: {error}"
        raise BadInput(message) from None
    if not isinstance(found, dict):
        message = f"the body is not an object: {would_do} would do"
        raise BadInput(message)
    return found


def dry_of(found: dict[str, object]) -> bool:
    """Take out of an object whether the work is only to be looked at; raises `BadInput`."""
    dry = found.pop("dry", False)
    if not isinstance(dry, bool):
        message = f"dry cannot be {dry!r:.80}: true or false would do"
        raise BadInput(message)
    return dry


def announced(request: Request, limit: int) -> None:
    """Refuse a body that says itself that it is too large, before any of it is read; raises `TooLarge`."""
    said = request.headers.get("content-length", "")
    if (said.isdecimal() and len(said) < 20 and int(said) > limit) or len(said) >= 20:  # noqa: PLR2004 - beyond any size
        raise _too_large(limit)


async def pieces(
    request: Request, limit: int, patience: Patience, hold: Callable[[int], None] | None = None
) -> AsyncIterator[bytes]:
    """Give a body in pieces; raises `TooLarge`, `TooSlow` or `ClientDisconnect`.

    `hold` is told how many bytes the piece under way holds, whenever that grows.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total
    parts: list[bytes] = []
    held = total = 0
    stream = request.stream()
    while True:
        wait = min(patience.pause, end - loop.time())
        try:
            async with asyncio.timeout(max(wait, 0)):
                chunk = await anext(stream, None)
        except TimeoutError:
            message = f"the body did not come in time: {patience.pause:g} s from piece to piece and {patience.total:g} s in all are waited for"
            raise TooSlow(message) from None
        if chunk is None:
            break
        total += len(chunk)
        if total > limit:
            raise _too_large(limit)
        parts.append(chunk)
        held += len(chunk)
        if hold is not None:
            hold(held)
        if held >= PIECE:
            yield b"".join(parts)
            parts, held = [], 0
    yield b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body has more than {limit} bytes: send it in parts")


async def drain(request: Request) -> None:
    """Read on for a moment after a refusal, so that a client that is still sending comes to read the answer."""
    if "expect" in request.headers:  # it waits to be asked for the body
        return
    read = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in request.stream():
                read += len(chunk)
                if read > _DRAINED:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: the stream was read to its end
        return
