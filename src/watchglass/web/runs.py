"""A store → its runs over HTTP: lists, one with all that is known, histories, what is stale or flagged, what differs, the state at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response

from watchglass.records import Status
from watchglass.store.lineage.flags import Flags
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
from watchglass.web import urls
from watchglass.web.api import UNKNOWN
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.web.reads import Reads

_ANSWERS: dict[int | str, dict[str, object]] = {
    **UNKNOWN,
    400: {"description": "A value that would not do; what would is said."},
}
_Component = Annotated[str | None, Query(description="Only of this component.")]
_Name = Annotated[str, Path(description="The component's name.")]
_Run = Annotated[str, Path(description="The run's id.")]
_Status = Annotated[Status | None, Query(description="Only with this status.")]
_Tag = Annotated[str | None, Query(description="Only of components with this tag.")]
_Owner = Annotated[str | None, Query(description="Only of components of this owner.")]
_Since = Annotated[
    str | None, Query(description="Begun then or later: ISO 8601, epoch seconds, or a length before now such as 7d.")
]
_Until = Annotated[str | None, Query(description="Begun before then.")]
_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=1000)]
_After = Annotated[str | None, Query(description="The `next` of the page before.")]
_Of = Annotated[
    str | None,
    Query(description="A run's id, or an output's name: its newest run. Every component's newest without it."),
]
_Age = Annotated[str, Query(description="A producer that ran longer before is old, such as 30d; never: none is.")]
_Rule = Annotated[bool, Query(description="Count any later run of a producer's component too.")]
_First = Annotated[
    str, Query(description="A run's id, or a component: its newest run, the one before it without a second.")
]
_Second = Annotated[str | None, Query(description="Another run, or component.")]
_At = Annotated[str | None, Query(description="Then; now without it.")]


def router(store: Reads) -> APIRouter:
    """Make the routes over a store."""
    routes = APIRouter(prefix=urls.API, tags=["runs"])
    _lists(routes, store)
    _reviews(routes, store)
    _comparisons(routes, store)
    return routes


def _lists(routes: APIRouter, store: Reads) -> None:
    @routes.get("/runs", response_model=Runs, responses=_ANSWERS)
    def runs(  # noqa: PLR0913 - a parameter of the address each
        component: _Component = None,
        *,
        status: _Status = None,
        tag: _Tag = None,
        owner: _Owner = None,
        since: _Since = None,
        until: _Until = None,
        limit: _Limit = 50,
        after: _After = None,
    ) -> Response:
        """List runs, the newest first."""
        page = store.runs(
            component, status=status, tag=tag, owner=owner, since=since, until=until, limit=limit, after=after
        )
        return json(page)

    @routes.get("/runs/{run:path}", response_model=RunRecord, responses=_ANSWERS)
    def run(run: _Run) -> Response:
        """Give everything that is known of a run."""
        return json(store.run(run))

    @routes.get("/components", response_model=Components, responses=_ANSWERS)
    def components(
        tag: _Tag = None,
        owner: _Owner = None,
        status: Annotated[Status | None, Query(description="Only those whose newest run has this status.")] = None,
        limit: _Limit = 100,
        after: _After = None,
    ) -> Response:
        """List components by name, and how the newest run of each went."""
        return json(store.components(tag, owner, status, limit=limit, after=after))

    @routes.get("/components/{name:path}/history", response_model=History, responses=_ANSWERS)
    def history(
        name: _Name, since: _Since = None, until: _Until = None, limit: _Limit = 10, after: _After = None
    ) -> Response:
        """List a component's runs, the newest first, with how many of their inputs were stale."""
        return json(store.history(name, limit, after, since, until))

    @routes.get("/origin", response_model=list[Origin], responses=_ANSWERS)
    def origin(
        prediction: Annotated[str, Query(description="The prediction's id.")],
        model: Annotated[str | None, Query(description="Only of this model.")] = None,
        environment: Annotated[str | None, Query(description="Only of this environment.")] = None,
    ) -> Response:
        """Give the way of a prediction: its model's version, the run that trained it with data and code, the deployment, its own run."""
        return json(list(store.origin(prediction, model, environment)))

    @routes.get("/durations", response_model=Durations, responses=_ANSWERS)
    def durations(component: _Component = None, since: _Since = None, until: _Until = None) -> Response:
        """Measure how long components take: quantiles, their own time, their share of the whole."""
        return json(store.durations(component, since, until))


def _reviews(routes: APIRouter, store: Reads) -> None:
    @routes.get("/stale", response_model=Staleness | Stalenesses, responses=_ANSWERS)
    def stale(
        of: _Of = None, *, age: _Age = "30d", component_rule: _Rule = False, limit: _Limit = 50, after: _After = None
    ) -> Response:
        """Say which inputs are stale and why, when the run began and now."""
        allowed = None if age == "never" else age
        if of is None:
            return json(store.stale(age=allowed, component=component_rule, limit=limit, after=after))
        return json(store.stale(of, age=allowed, component=component_rule))

    @routes.get("/flags", response_model=Flags, responses=_ANSWERS)
    def flags(
        *,
        removed: Annotated[bool, Query(description="Those that were taken back too.")] = False,
        limit: _Limit = 100,
        after: _After = None,
    ) -> Response:
        """List the outputs that are flagged, the newest flag first."""
        return json(store.flags(removed=removed, limit=limit, after=after))

    @routes.get("/review", response_model=Review, responses=_ANSWERS)
    def review(
        limit: _Limit = 50,
        after: Annotated[int, Query(description="The `next` of the page before.", ge=0)] = 0,
        sample: Annotated[int, Query(description="Good outputs looked at, at most.", ge=1, le=1_000_000)] = 10_000,
    ) -> Response:
        """List the runs that flagged outputs have in common and good ones have not, the most suspicious first."""
        return json(store.review(limit, after, sample=sample))


def _comparisons(routes: APIRouter, store: Reads) -> None:
    @routes.get("/diff", response_model=RunDiff, responses=_ANSWERS)
    def diff(first: _First, second: _Second = None) -> Response:
        """Say what differs between two runs."""
        return json(store.diff(first, second))

    @routes.get("/state", response_model=State, responses=_ANSWERS)
    def state(at: _At = None, limit: _Limit = 100, after: _After = None) -> Response:
        """Give the whole system at a time: deployments, code, data, verdicts, open incidents."""
        return json(store.state(at, limit=limit, after=after))

    @routes.get("/state/diff", response_model=StateDiff, responses=_ANSWERS)
    def state_diff(
        first: Annotated[str, Query(description="The earlier time.")],
        last: Annotated[str | None, Query(description="The later time; now without it.")] = None,
        limit: _Limit = 100,
        after: _After = None,
    ) -> Response:
        """Tell what changed of the system between two times."""
        return json(store.state_diff(first, last, limit=limit, after=after))
