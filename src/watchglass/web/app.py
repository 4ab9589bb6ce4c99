"""A store → the application that serves its pages and its API, and takes events in, put together from routers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from watchglass.web import (
    api,
    artifacts,
    asking,
    assets,
    audit,
    compare_page,
    comparing,
    exporting,
    incidents_pages,
    jump,
    labels,
    lineage,
    lineage_page,
    marks,
    models_page,
    problems,
    quarantining,
    questions,
    review_page,
    run_page,
    runs,
    runs_pages,
    schemas,
    subjects,
    subjects_pages,
    urls,
)
from watchglass.web.headers import SecurityHeaders

if TYPE_CHECKING:
    from watchglass.records import Json
    from watchglass.web.ingest import Ingest
    from watchglass.web.maintenance import Maintenance
    from watchglass.web.reads import Reads

_WORTH_PACKING = 1000


def create_app(store: Reads, ingest: Ingest | None = None, maintenance: Maintenance | None = None) -> FastAPI:
    """Make the application over a store; it reads, and writes nothing unless it is given what takes events in."""
    app = FastAPI(
        title="Watchglass",
        summary="The records of a store: models and incidents; where events are sent to.",
        openapi_url=urls.OPENAPI,
        docs_url=None,  # these two pages would load their code from elsewhere
        redoc_url=None,
    )
    for part in (
        artifacts,
        models_page,
        incidents_pages,
        jump,
        api,
        audit,
        schemas,
        labels,
        questions,
        asking,
        comparing,
        exporting,
        runs,
        lineage,
        subjects,
        quarantining,
        marks,
    ):
        app.include_router(part.router(store))
    for part in (runs_pages, subjects_pages, lineage_page, compare_page):
        app.include_router(part.router(store))
    for part in (run_page, review_page):
        app.include_router(part.router(store, writable=ingest is not None))
    if ingest is not None:
        from watchglass.web import flagging, forgetting, importing, keeping, saving, taking, tuning  # noqa: PLC0415 - costs only who takes events in

        app.include_router(taking.router(ingest, maintenance))
        app.include_router(saving.router(store))
        app.include_router(flagging.router(store))
        app.include_router(subjects.saying(store))
        app.include_router(quarantining.releasing(store))
        app.include_router(review_page.forms(store))
        app.include_router(tuning.router(ingest.folder))
        app.include_router(forgetting.router(ingest.folder))
        app.include_router(artifacts.taking(ingest.folder))
        app.include_router(importing.router(ingest))
        app.include_router(keeping.router(ingest.folder))
    app.include_router(assets.router)
    problems.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=_WORTH_PACKING)
    app.add_middleware(SecurityHeaders)
    _describe_nulls(app)
    return app


def _describe_nulls(app: FastAPI) -> None:
    described: Json = app.openapi()
    if isinstance(described, dict):
        components = described.get("components")
        if isinstance(components, dict):
            api.with_nulls(components)
