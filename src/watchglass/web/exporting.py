"""One table of a store → a file that is streamed to whoever asks over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import StreamingResponse

from watchglass.store.exchange.tables import TABLES
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.asking import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from watchglass.web.reads import Reads

_PIECE: Final = 1 << 20
_MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_Table = Annotated[str, Path(description=f"{', '.join(TABLES)}.")]
_Form = Annotated[Literal["csv", "jsonl", "parquet"], Query(description="What the file is.")]
_Model = Annotated[str | None, Query(description="Only rows of this model; predictions need one.")]
_Environment = Annotated[str | None, Query(description="Only rows of this environment.")]
_Start = Annotated[str | None, Query(description="Only rows from this time on.")]
_End = Annotated[str | None, Query(description="Only rows before this time.")]
_FILE: Final[dict[int | str, dict[str, object]]] = {
    **UNKNOWN,
    400: REFUSED,
    200: {
        "description": "The file, whole; Content-Length says how long it is.",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in _MEDIA.values()},
    },
}


def router(store: Reads) -> APIRouter:
    """Make the route that gives a table as a file."""
    routes = APIRouter(prefix=urls.API, tags=["rows"])

    @routes.get("/export/{table}", response_class=Response, responses=_FILE)
    def export(
        table: _Table,
        *,
        format: _Form = "csv",  # noqa: A002 - the address says so
        model: _Model = None,
        environment: _Environment = None,
        start: _Start = None,
        end: _End = None,
    ) -> Response:
        """Give one table as one file, of one moment, the log's rows among them: for any tool, and for import."""
        file = store.download(table, model=model, environment=environment, start=start, end=end, format=format)
        return _Download(file, f"{table}.{format}", _MEDIA[format])

    return routes


class _Download(StreamingResponse):
    """An open file that is sent piece by piece, and closed however that ends."""

    def __init__(self, file: BinaryIO, name: str, media: str) -> None:
        self._file = file
        size = file.seek(0, 2)
        file.seek(0)
        headers = {
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Encoding": "identity",  # packed on the way it would have no length, by which a client knows it has all
        }
        super().__init__(_pieces(file), headers=headers, media_type=media)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
