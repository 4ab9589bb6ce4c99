"""The addresses that events are sent to → an acknowledgement as JSON, or the reason why not; trouble of ours is 503, never 500."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from watchglass.capture.drops import reason
from watchglass.errors import BadInput
from watchglass.receive.committer import ShuttingDown
from watchglass.receive.frames import segment_name
from watchglass.receive.inflate import ENCODINGS
from watchglass.receive.ledger import Busy
from watchglass.receive.lines import Reading, TooLarge
from watchglass.web import urls
from watchglass.web.bodies import TooSlow, drain
from watchglass.web.ingest import AtIt
from watchglass.web.pages import json
from watchglass.web.taking_docs import ANSWERS, FRAME_BODY, HEALTH, body_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watchglass.records import Json
    from watchglass.web.ingest import Came, Ingest
    from watchglass.web.maintenance import Maintenance

_LOG = logging.getLogger(__name__)
_LONGEST_KEY: Final = 256
_SOON: Final = "1"
_LATER: Final = "5"
_TYPED: Final = {
    "predictions": "prediction",
    "labels": "label",
    "feedback": "feedback",
    "runs": "run",
    "metrics": "metric",
    "logs": "log",
}
_SUMMARIES: Final = {
    "predictions": "Record predictions.",
    "labels": "Record labels: the truth for predictions, by their ids.",
    "feedback": "Record what users did about predictions, by their ids: a click, a purchase.",
    "runs": "Record runs, finished or under way.",
    "metrics": "Record metric points.",
    "logs": "Record log lines.",
}
_Times = Annotated[
    str | None,
    Query(
        pattern="^us$",
        description='"us": every number that is a time is whole microseconds, as the recorder writes them.',
    ),
]
_Name = Annotated[
    str,
    Query(description="The segment's name; it is the key: a frame of a name that is there already is not taken again."),
]


class NotHere(BadInput):
    """A request that a page of another site sends."""


class UnknownEncoding(BadInput):
    """A Content-Encoding that is not known."""


def router(ingest: Ingest, maintenance: Maintenance | None = None) -> APIRouter:
    """Make the routes that take events in."""
    routes = APIRouter(prefix=urls.API, tags=["recording"])

    @routes.post("/events", response_class=Response, responses=ANSWERS, openapi_extra=body_of("events"))
    async def events(request: Request, times: _Times = None) -> Response:
        """Record events of any kind; each line says its `kind`."""
        return await _answered(request, _lines(ingest, request, None, exact=times == "us"))

    for path, kind in _TYPED.items():
        routes.add_api_route(
            f"/{path}",
            _typed(ingest, kind),
            methods=["POST"],
            response_class=Response,
            responses=ANSWERS,
            openapi_extra=body_of(path),
            summary=_SUMMARIES[path],
            operation_id=f"record_{path}",
        )

    @routes.post("/frames", response_class=Response, responses=ANSWERS, openapi_extra=FRAME_BODY)
    async def frames(request: Request, name: _Name) -> Response:
        """Record a frame: a line of JSON that says what its columns are, then a Parquet file."""
        return await _answered(request, _frame(ingest, request, name))

    @routes.get("/health", response_class=Response, responses=HEALTH)
    def health() -> Response:
        """Say whether the server takes events, what waits, and when it last wrote."""
        last, dropped = ingest.committer.last, ingest.dropped()
        told: dict[str, Json] = {
            "status": "up",
            "store": str(ingest.folder.root),
            "queue_bytes": ingest.ledger.held,
            "last_commit": None if last is None else datetime.fromtimestamp(last, UTC).isoformat(),
            "failed": dict(ingest.committer.failed),
            "dropped": None if dropped is None else dict(dropped),
            "maintenance": None if maintenance is None else maintenance.told(),
        }
        return json(told)

    return routes


def _typed(ingest: Ingest, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        return await _answered(request, _lines(ingest, request, kind))

    return take


async def _lines(ingest: Ingest, request: Request, kind: str | None, *, exact: bool = False) -> Came:
    from_here(request)
    encoding = request.headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        message = f"Content-Encoding cannot be {encoding[:80]!r}: {', '.join(ENCODINGS)} would do"
        raise UnknownEncoding(message)
    if request.headers.get("content-type", "").startswith("multipart/"):
        message = "Content-Type cannot be a form: JSON lines (application/x-ndjson) or JSON would do"
        raise UnknownEncoding(message)
    return await ingest.take(request, Reading(kind, exact, _key(request)), encoding)


async def _frame(ingest: Ingest, request: Request, name: str) -> Came:
    from_here(request)
    if request.headers.get("content-encoding", "identity") != "identity":
        message = "a frame goes without Content-Encoding: Parquet is compressed itself"
        raise UnknownEncoding(message)
    return await ingest.take_frame(request, segment_name(name))


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key or len(key) > _LONGEST_KEY or not (key.isascii() and key.isprintable()):
        message = f"Idempotency-Key cannot be {key[:80]!r}: 1 to {_LONGEST_KEY} printable ASCII characters would do, such as a UUID"
        raise BadInput(message)
    return key


def from_here(request: Request) -> None:
    """Refuse what a page of another site makes a browser send: browsers say where such a request comes from."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        message = f"a page of {origin[:200]!r} may not record here: send from the page's own server"
        raise NotHere(message)


async def _answered(request: Request, work: Awaitable[Came]) -> Response:
    try:
        came = await work
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except Exception as error:  # noqa: BLE001 - what fails here is ours to mend and the client's to send again; 500 would say less
        response = refusal(error)
        await drain(request)
        return response
    checked = came.checked
    told: dict[str, Json] = {
        "accepted": came.taken.accepted,
        "rejected": [{"line": number, "reason": why} for number, why in checked.reasons],
        "rejected_count": came.taken.rejected,
        "duplicate": came.duplicate,
    }
    if checked.ids:
        told["ids"] = [{"line": number, "id": given} for number, given in checked.ids]
    return json(told)


_STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (TooLarge, 413),
    (UnknownEncoding, 415),
    (NotHere, 403),
    (TooSlow, 408),
    (BadInput, 400),
)


def refusal(error: Exception) -> Response:
    """Answer an error: what of the request will not do, or what is the matter here and when to come again."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            response = json({"error": str(error)}, status)
            response.headers["Connection"] = "close"  # what is left of the body is not read
            return response
    why, wait = _trouble(error)
    response = json({"error": why}, 503)
    response.headers["Retry-After"] = wait
    response.headers["Connection"] = "close"
    return response


def _trouble(error: Exception) -> tuple[str, str]:
    """Say what is the matter with the server, and after how many seconds to come again."""
    if isinstance(error, Busy):
        return f"the server is busy: {error}. Send the same again", _SOON
    if isinstance(error, (AtIt, ShuttingDown)):
        return f"{error}. Send the same again", _SOON
    if not isinstance(error, OSError):
        _LOG.error("events could not be taken in", exc_info=error)
    return (
        f"the store cannot be written: {reason(error)}: {error}. Nothing of this is acknowledged; send the same again",
        _LATER,
    )
