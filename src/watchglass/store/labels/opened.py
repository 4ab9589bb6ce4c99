"""An open store → what it says of labels: `store.waiting_labels(…)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.labels.waiting import Waiting


class Labelling:
    """What of an open store tells of labels."""

    _folder: Folder
    _engine: Engine

    def waiting_labels(
        self, model: str, environment: str = "live", *, limit: int = 100, after: str | None = None
    ) -> Waiting:
        """Find the labels whose prediction is not there: how many wait, since when, and which, the oldest first.

        A page has at most `limit`; the next one is `after=page.next`. Raises `UnknownName` for a model that is not
        recorded, `BadInput` for a place that is none.
        """
        from watchglass.store.labels.waiting import waiting  # noqa: PLC0415 - costs only who asks

        return waiting(self._folder, self._engine, model, environment, limit=limit, after=after)
