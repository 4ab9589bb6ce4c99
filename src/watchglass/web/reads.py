"""What the pages ask of a store: the questions, and the records they are answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from watchglass.web.lineage_reads import LineageReads
from watchglass.web.run_reads import RunReads
from watchglass.web.subject_reads import SubjectReads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import BinaryIO

    from watchglass.records import Incident, ModelStatus, Time
    from watchglass.store.answers import Table
    from watchglass.store.artifacts.known import Artifact, Artifacts
    from watchglass.store.artifacts.quarantined import Quarantine, Quarantines
    from watchglass.store.asking.latest import Page
    from watchglass.store.asking.lookup import Prediction
    from watchglass.store.distribution import Distribution
    from watchglass.store.labels.coverage import Coverage
    from watchglass.store.labels.waiting import Waiting
    from watchglass.store.life.audit import Audits
    from watchglass.store.overview import Overview
    from watchglass.store.schemas.registered import Schema
    from watchglass.store.schemas.rejections import Rejections


class Reads(RunReads, LineageReads, SubjectReads, Protocol):
    """A store as the pages see it; any object that answers these will do."""

    @property
    def path(self) -> str:
        """The folder, as given."""
        ...

    def models(self) -> Sequence[ModelStatus]:
        """List the models, worst first."""
        ...

    def incidents(self, model: str | None = None, state: str | None = None) -> Sequence[Incident]:
        """List incidents, notices among them, newest first."""
        ...

    def incident(self, number: int, /) -> Incident:
        """Give one incident; raises `UnknownName`."""
        ...

    def ask(self, name: str, /, **values: object) -> Table:
        """Answer a question by its name; raises `UnknownName`, `BadInput`."""
        ...

    def questions(self) -> Table:
        """List the questions."""
        ...

    def download(
        self,
        table: str,
        *,
        model: str | None = None,
        environment: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        format: str = "parquet",  # noqa: A002 - the settled name
    ) -> BinaryIO:
        """Give one table as an open file; raises `UnknownName`, `BadInput`, `StoreError`."""
        ...

    def sql(
        self,
        query: str,
        model: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        values: Mapping[str, object] | None = None,
        seconds: float | None = None,
    ) -> Table:
        """Answer one SELECT; raises `QueryRefused`, `UnknownName`, `BadInput`."""
        ...

    def prediction(
        self,
        id: str,  # noqa: A002 - the settled name
        model: str | None = None,
        environment: str | None = None,
    ) -> Sequence[Prediction]:
        """Give the predictions with an id; raises `UnknownName` for a model."""
        ...

    def latest(
        self, table: str = "predictions", model: str | None = None, limit: int = 50, before: str | None = None
    ) -> Page:
        """Give the newest rows of a table; raises `UnknownName`, `BadInput`."""
        ...

    def save_question(
        self, name: str, sql: str, model: str | None = None, description: str | None = None
    ) -> frozenset[str]:
        """Keep a question under a name; raises `QueryRefused`, `BadInput`, `UnknownName`."""
        ...

    def delete_question(self, name: str) -> None:
        """Forget a saved question; raises `UnknownName`."""
        ...

    def distribution(  # noqa: PLR0913 - a keyword each
        self,
        model: str,
        columns: Sequence[str] | None = None,
        *,
        environment: str = "live",
        start: Time | None = None,
        end: Time | None = None,
        by: str | None = None,
        source: str = "cells",
        bins: int = 32,
    ) -> Sequence[Distribution]:
        """Give how a model's columns are distributed; raises `UnknownName`, `BadInput`."""
        ...

    def last_window(self) -> datetime | None:
        """Tell when the last judged window closed."""
        ...

    def dropped(self) -> int:
        """Count the events that recording processes could not write."""
        ...

    def rejected(self) -> int:
        """Count the rows that were read and could not be taken."""
        ...

    def schema(self, model: str, *, limit: int = 100, after: int | None = None) -> Schema:
        """Give a model's columns and how they changed; raises `UnknownName`."""
        ...

    def rejections(self, model: str | None = None, *, limit: int = 100, after: int | None = None) -> Rejections:
        """List what could not be taken, newest first."""
        ...

    def label_coverage(
        self,
        model: str,
        environment: str = "live",
        at: str | None = None,
        *,
        limit: int | None = None,
        before: str | None = None,
    ) -> Coverage:
        """Count a model's labels by day; raises `UnknownName`."""
        ...

    def waiting_labels(
        self, model: str, environment: str = "live", *, limit: int = 100, after: str | None = None
    ) -> Waiting:
        """Find the labels whose prediction is not there; raises `UnknownName`, `BadInput`."""
        ...

    def audits(self, action: str | None = None, *, limit: int = 100, after: int | None = None) -> Audits:
        """List what was done to the store's data, newest first."""
        ...

    def artifacts(
        self,
        name: str | None = None,
        *,
        kind: str | None = None,
        policy: str | None = None,
        run: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Artifacts:
        """List artifact versions; raises `BadInput`, `UnknownName` for a run."""
        ...

    def artifact(self, name: str, version: str | None = None) -> Artifact:
        """Give a version of an artifact; raises `UnknownName`, `BadInput`."""
        ...

    def quarantined(self, *, released: bool = False, limit: int = 100, after: str | None = None) -> Quarantines:
        """List versions in quarantine, the newest first; raises `BadInput`."""
        ...

    def release(self, artifact: str, reason: str, who: str | None = None) -> tuple[Quarantine, ...]:
        """Release a version from quarantine; raises `UnknownName`, `BadInput`."""
        ...

    def status(self) -> Overview:
        """Count what is in the store."""
        ...
