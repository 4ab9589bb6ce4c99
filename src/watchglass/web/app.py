"""A store → the application that serves its pages and its API, put together from routers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from watchglass.show.render import inline
from watchglass.show.sparkline import ramp_key
from watchglass.web import api, assets, incidents_pages, jump, models_page, problems, urls
from watchglass.web.headers import SecurityHeaders

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watchglass.records import Json
    from watchglass.web.reads import Reads

_WORTH_PACKING = 1000


def create_app(store: Reads) -> FastAPI:
    """Make the application over a store; it reads, and writes nothing."""
    app = FastAPI(
        title="Watchglass",
        summary="The records of a store: models and incidents.",
        openapi_url=urls.OPENAPI,
        docs_url=None,  # these two pages would load their code from elsewhere
        redoc_url=None,
        lifespan=_warmed,
    )
    for part in (models_page, incidents_pages, jump, api):
        app.include_router(part.router(store))
    app.include_router(assets.router)
    problems.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=_WORTH_PACKING)
    app.add_middleware(SecurityHeaders)
    _describe_nulls(app)
    return app


@asynccontextmanager
async def _warmed(app: FastAPI) -> AsyncIterator[None]:
    """Wake the renderer while the server starts: its first drawing takes half a second, the next some hundredths."""
    del app
    Thread(target=lambda: inline(ramp_key().spec), name="watchglass-first-drawing", daemon=True).start()
    yield


def _describe_nulls(app: FastAPI) -> None:
    described: Json = app.openapi()
    if isinstance(described, dict):
        components = described.get("components")
        if isinstance(components, dict):
            api.with_nulls(components)
