"""What the pages and the API ask of a store about where data came from, and the records they are answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.trace import Trace


class LineageReads(Protocol):
    """A store as who follows data sees it."""

    def trace(self, name_or_run: str, version: str | None = None, depth: int | None = None) -> Trace:
        """Walk upstream from a run or an output; raises `UnknownName`, `BadInput`."""
        ...

    def impact(  # noqa: PLR0913 - a keyword each
        self,
        name_or_run: str,
        version: str | None = None,
        depth: int | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        exact: bool = False,
        predictions: bool = True,
    ) -> Impact:
        """Walk downstream from a run or an artifact; raises `UnknownName`, `BadInput`."""
        ...
