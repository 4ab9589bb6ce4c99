"""A file that is sent, and what its columns are → predictions or labels in the store, once; an answer of 200 says that they are there."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from watchglass.errors import BadInput
from watchglass.store.exchange.arriving import arriving, sweep_arrived
from watchglass.store.exchange.foreign import Foreign, import_file
from watchglass.store.exchange.importing import Imported
from watchglass.store.history import Roles
from watchglass.store.reader import close_reader
from watchglass.store.transactions import connect
from watchglass.web import urls
from watchglass.web.answering import answered
from watchglass.web.bodies import announced, pieces
from watchglass.web.taking import UnknownEncoding, from_here
from watchglass.web.taking_docs import ANSWERS

if TYPE_CHECKING:
    from watchglass.store.folder import Folder
    from watchglass.web.ingest import Ingest

ENDINGS: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq")
_NAMED: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,99}")
_BODY: Final[dict[str, object]] = {
    "requestBody": {
        "required": True,
        "description": "The file's bytes as they are.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_Name = Annotated[str, Query(description=f"The file's name; its end says what it is: {', '.join(ENDINGS)}.")]
_Of = Annotated[str, Query(description="The model whose rows these are.")]
_Kind = Annotated[Literal["predictions", "labels"], Query(description="What the rows are.")]
_Column = Annotated[str | None, Query(description="The column that is this; else guessed by the usual names.")]
_Features = Annotated[
    list[str] | None, Query(description="A column that is a feature; may be given several times. Else all not named.")
]
_Tags = Annotated[list[str] | None, Query(description="A column that is a tag; may be given several times.")]
_Version = Annotated[str | None, Query(description="The model's version.")]
_Served = Annotated[str, Query(description="Where the predictions were made.")]


_ANSWERS: Final[dict[int | str, dict[str, object]]] = {
    status: ANSWERS[status] for status in (400, 403, 408, 413, 415, 503)
}


def router(ingest: Ingest) -> APIRouter:
    """Make the route of a store that may be written."""
    routes = APIRouter(prefix=urls.API, tags=["recording"])
    sweep_arrived(ingest.folder)
    alone = asyncio.Lock()  # one at a time, so that a server needs the memory of one

    @routes.post("/import", response_model=Imported, responses=_ANSWERS, openapi_extra=_BODY)
    async def take(  # noqa: PLR0913 - a parameter of the address each
        request: Request,
        *,
        name: _Name,
        model: _Of,
        table: _Kind = "predictions",
        id: _Column = None,  # noqa: A002 - the address says so
        time: _Column = None,
        prediction: _Column = None,
        score: _Column = None,
        label: _Column = None,
        feature: _Features = None,
        tag: _Tags = None,
        version: _Version = None,
        environment: _Served = "live",
    ) -> Response:
        """Take a file of predictions or labels in: once this is answered its rows are in the store; the same file again changes nothing."""
        chosen = None if feature is None else tuple(feature)
        roles = Roles(time, prediction, score, label, id, tuple(tag or ()), chosen)
        what = Foreign(table, model, roles, version, environment)

        async def work() -> Imported:
            from_here(request)
            _refuse(request, name, model)
            announced(request, ingest.limits.frame)
            held = ExitStack()
            try:
                room = await run_in_threadpool(held.enter_context, arriving(ingest.folder))
                path = await _arrived(ingest, request, room, name)
                async with alone:
                    return await run_in_threadpool(_taken, ingest.folder, path, what)
            finally:
                await run_in_threadpool(held.close)

        return await answered(request, work())

    return routes


def _refuse(request: Request, name: str, model: str) -> None:
    """Raise `BadInput` for what cannot be taken whatever comes."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        message = "a file goes without Content-Encoding: Parquet is compressed itself"
        raise UnknownEncoding(message)
    if not model:
        message = "model cannot be '': the name of a model would do"
        raise BadInput(message)
    if not _NAMED.fullmatch(name) or Path(name).suffix not in ENDINGS:
        message = (
            f"name cannot be {name[:120]!r}: a file's name without folders that ends in {', '.join(ENDINGS)} would do"
        )
        raise BadInput(message)


async def _arrived(ingest: Ingest, request: Request, room: Path, name: str) -> Path:
    """Write a body to the disk as it comes, bounded as a frame is."""
    path = room / name
    with path.open("xb") as file:
        async for piece in pieces(request, ingest.limits.frame, ingest.limits.patience):
            await run_in_threadpool(file.write, piece)
    return path


def _taken(folder: Folder, path: Path, what: Foreign) -> Imported:
    engine = connect(folder)
    try:
        return import_file(folder, engine, path, what, named=path.name)
    except BadInput as error:  # where it lay for a moment is nothing to the one who sent it
        raise BadInput(str(error).replace(str(path), path.name)) from None
    finally:
        close_reader(engine)
        engine.dispose()
