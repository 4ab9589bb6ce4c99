"""What the pages ask of a store: the questions, and the records they are answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watchglass.records import Incident, ModelStatus, Time
    from watchglass.store.answers import Table
    from watchglass.store.distribution import Distribution
    from watchglass.store.life.audit import Audits
    from watchglass.store.overview import Overview
    from watchglass.store.schemas.registered import Schema
    from watchglass.store.schemas.rejections import Rejections


class Reads(Protocol):
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

    def audits(self, action: str | None = None, *, limit: int = 100, after: int | None = None) -> Audits:
        """List what was done to the store's data, newest first."""
        ...

    def status(self) -> Overview:
        """Count what is in the store."""
        ...
