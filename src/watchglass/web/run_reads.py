"""What the API asks of a store about its runs, and the records they are answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, overload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import Time
    from watchglass.store.lineage.flags import Flag, Flags
    from watchglass.store.lineage.review import Review
    from watchglass.store.lineage.stale import Staleness, Stalenesses
    from watchglass.store.runs.comparing import RunDiff
    from watchglass.store.runs.components import Components
    from watchglass.store.runs.durations import Durations
    from watchglass.store.runs.history import History
    from watchglass.store.runs.listing import Runs
    from watchglass.store.runs.one import RunRecord
    from watchglass.store.runs.origin import Origin
    from watchglass.store.runs.state import State
    from watchglass.store.runs.state_changes import StateDiff


class RunReads(Protocol):
    """A store as the routes of runs see it."""

    def runs(  # noqa: PLR0913 - a keyword each
        self,
        component: str | None = None,
        *,
        status: str | None = None,
        tag: str | None = None,
        owner: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Runs:
        """List runs, the newest first; raises `UnknownName`, `BadInput`."""
        ...

    def run(self, id: str, *, predictions: bool = True) -> RunRecord:  # noqa: A002 - the settled name
        """Give one run; raises `UnknownName`."""
        ...

    def history(
        self,
        component: str,
        limit: int = 10,
        after: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> History:
        """Give a component's runs, the newest first; raises `UnknownName`, `BadInput`."""
        ...

    def components(
        self,
        tag: str | None = None,
        owner: str | None = None,
        status: str | None = None,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Components:
        """List components by name; raises `UnknownName` for a tag or an owner."""
        ...

    def durations(
        self, component: str | None = None, since: Time | None = None, until: Time | None = None, *, most: int = 20_000
    ) -> Durations:
        """Measure how long components take; raises `UnknownName`, `BadInput`."""
        ...

    @overload
    def stale(self, of: str, *, age: str | None = "30d", component: bool = False) -> Staleness: ...

    @overload
    def stale(
        self,
        of: None = None,
        *,
        age: str | None = "30d",
        component: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> Stalenesses: ...

    def stale(
        self,
        of: str | None = None,
        *,
        age: str | None = "30d",
        component: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> Staleness | Stalenesses:
        """Judge the inputs of a run, of the newest that wrote an output, or of every component; raises `UnknownName`, `BadInput`."""
        ...

    def stale_counts(self, runs: Sequence[str]) -> dict[str, int]:
        """Count the inputs of runs that were stale when these began."""
        ...

    def flag(self, name: str, version: str | None = None, note: str | None = None, who: str | None = None) -> Flag:
        """Say that an output is wrong; raises `UnknownName`, `BadInput`."""
        ...

    def unflag(self, name: str, version: str | None = None, who: str | None = None) -> tuple[Flag, ...]:
        """Take flags back; raises `UnknownName`."""
        ...

    def unflag_all(self, who: str | None = None) -> tuple[Flag, ...]:
        """Take every flag back."""
        ...

    def flags(self, *, removed: bool = False, limit: int = 100, after: str | None = None) -> Flags:
        """List flags, the newest first."""
        ...

    def review(self, limit: int = 50, after: int = 0, *, sample: int = 10_000) -> Review:
        """Find the runs that flagged outputs have in common; raises `BadInput`."""
        ...

    def diff(self, first: str, second: str | None = None) -> RunDiff:
        """Compare two runs; raises `UnknownName`, `BadInput`."""
        ...

    def origin(self, prediction: str, model: str | None = None, environment: str | None = None) -> tuple[Origin, ...]:
        """Give the way of the predictions with an id; raises `UnknownName`."""
        ...

    def state(self, at: Time | None = None, *, limit: int = 100, after: str | None = None) -> State:
        """Give the system at a time; raises `BadInput`."""
        ...

    def state_diff(
        self, first: Time, last: Time | None = None, *, limit: int = 100, after: str | None = None
    ) -> StateDiff:
        """Tell what changed between two times; raises `BadInput`."""
        ...
