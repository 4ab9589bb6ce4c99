"""An open store → the way from an output back to what made it, and forward to what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.trace import Trace


class Lineage:
    """What of an open store follows data from run to run."""

    _folder: Folder
    _engine: Engine

    def trace(self, name_or_run: str, version: str | None = None, depth: int | None = None) -> Trace:
        """Walk upstream from a run, by its id, or from the newest write of an output's name, or of one version of it.

        Gives each run once, with the hops to it, nearest first, and every edge with the rule by which it is known: the
        newest write of the very version before the read (content), else of the name (time), else as a run named it
        (declared). `depth` is how many hops at most, None is all. Raises `UnknownName`, `BadInput`.
        """
        from watchglass.store.lineage.trace import trace  # noqa: PLC0415 - costs only who asks

        return trace(self._folder, self._engine, name_or_run, version, depth)

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
        """Walk downstream from a run, by its id, or from the newest version of an artifact, or one that is named.

        Gives a page of the runs, nearest first, at most `limit` (1 to 1,000) from the place `after`, the `next` of the page
        before, and counts all: runs, versions of models, predictions (not without `predictions`). Of more than 2,000 runs
        the counts are a lower bound unless `exact`. Raises `UnknownName`, `BadInput`.
        """
        from watchglass.store.lineage.impact import Wanted, impact  # noqa: PLC0415 - costs only who asks

        wanted = Wanted(depth, limit, after, exact, predictions)
        return impact(self._folder, self._engine, name_or_run, version, wanted)
