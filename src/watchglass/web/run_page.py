"""A store → the page of one run: what it was, where it stands, what changed, what it touched; and its twin in JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Response

from watchglass.errors import UnknownName
from watchglass.show import run_changes as changes
from watchglass.show.durations import chart
from watchglass.show.lineage_boxes import Facts
from watchglass.show.lineage_graph import around, run_key
from watchglass.show.run_story import Around, lead
from watchglass.show.run_words import LOOKS, component, listed, short, took, value
from watchglass.tracing import FLAGS, versions, wrong_in
from watchglass.web import run_view as view
from watchglass.web import urls
from watchglass.web.lineage_view import drawing
from watchglass.web.pages import emphasised, json, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import Incident, Run
    from watchglass.show.lineage_graph import Graph
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.stale import Staleness
    from watchglass.store.lineage.trace import Trace
    from watchglass.store.runs.comparing import RunDiff
    from watchglass.store.runs.listing import RunSummary
    from watchglass.store.runs.one import RunRecord
    from watchglass.web.reads import Reads

BARS: Final = 41
BESIDE: Final = 4
"""Versions and runs that are drawn at one place; the others are counted."""
READERS: Final = 50
_MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a run, and around it."""

    run: RunRecord
    before: RunRecord | None
    summary: RunSummary | None
    diff: RunDiff | None
    trace: Trace
    impact: Impact
    stale: Staleness


def router(store: Reads, *, writable: bool) -> APIRouter:
    """Make the routes of a run over a store; where it may be written, its outputs can be flagged."""
    routes = APIRouter(include_in_schema=False)

    def of(run: str) -> Response:
        return page(store, "run.html", {**shown(store, known(store, run)), "writable": writable})

    @routes.get("/runs/{run:path}.json")
    def run_json(run: str) -> Response:
        try:
            found = known(store, run)
        except UnknownName:
            with suppress(UnknownName):
                return of(f"{run}.json")  # an id may end so itself
            raise
        return json(
            {"run": found.run, "diff": found.diff, "trace": found.trace, "impact": found.impact, "stale": found.stale}
        )

    @routes.get("/runs/{run:path}")
    def one(run: str) -> Response:
        return of(run)

    return routes


def known(store: Reads, ident: str) -> Known:
    """Ask for a run and what lies around it; raises `UnknownName`."""
    run = store.run(ident)
    earlier = store.runs(run.component, until=run.started, limit=1).runs
    summary = earlier[0] if earlier else None
    return Known(
        run=run,
        before=None if summary is None else store.run(summary.id, predictions=False),
        summary=summary,
        diff=None if summary is None else store.diff(summary.id, ident),
        trace=store.trace(ident, depth=1),
        impact=store.impact(ident, depth=1, limit=READERS, predictions=False),
        stale=store.stale(ident),
    )


def shown(store: Reads, found: Known) -> dict[str, object]:
    """Gather what the page shows."""
    run, diff = found.run, found.diff
    written = {(one.name, one.version) for one in run.writes}
    flags = [flag for flag in store.flags(limit=FLAGS).flags if (flag.name, flag.version) in written]
    graph = around(_recorded(found), found.trace, found.impact, BESIDE)
    about = versions(store, graph)
    incidents = _behind(store, run.id)
    new = {(one.name, one.after) for one in (() if diff is None else diff.inputs) if one.change == "added"}
    wrong = {**_path(graph, incidents, run.id), **wrong_in(store, graph, about)}
    quarantined = {key for key, one in about.items() if one.quarantined is not None}
    rows = () if diff is None else changes.rows(diff)
    kept = [one.name for one in run.writes if (one.name, one.version) in quarantined]
    said, phrases = lead(
        run,
        Around(found.summary, "" if diff is None else changes.since(diff, rows), found.stale, flags, kept),
    )
    past = _past(store, run)
    makers: dict[str, Run] = {one.id: one for _, one in found.trace.steps}
    return {
        "run": run,
        "short": short,
        "title": component(run.component, run.version),
        "look": LOOKS[run.status],
        "took": took,
        "lead": emphasised(said, phrases),
        "incidents": [one.id for one in incidents],
        "graph": drawing(graph, Facts(wrong, about, new=new), run_key(run.id)),
        "wrong": bool(wrong),
        "before": found.summary,
        "rows": rows,
        "same": 0 if diff is None or found.before is None else changes.same(diff, found.before, run),
        "unknown": "" if diff is None else listed(list(diff.unknown), most=4),
        "source": changes.source_parts(None if diff is None else diff.source),
        "touches": view.touches(run, makers, found.impact, view.Marks(tuple(flags), quarantined, new)),
        "tests": view.tested(run, found.before),
        "facts": view.facts(run, found.before, _packages(found)),
        "stale": view.stale_words(found.stale),
        "staleness": found.stale,
        "newest": bool(past) and past[-1].id == run.id,
        "bars": chart(run.component, [(one.id, one.started, one.seconds, one.status) for one in past], run.id),
        "twin_address": urls.run(run.id, twin="json"),
        "shown_value": value,
        "most": view.ROWS,
        "more_touches": sum(max(len(several) - view.ROWS, 0) for several in (run.reads, run.writes)),
        "beside": 2 * BESIDE,
        "LOOKS": LOOKS,
    }


def _recorded(found: Known) -> Run:
    """Give the run as lineage knows it."""
    return next(one for hops, one in found.trace.steps if hops == 0)


def _packages(found: Known) -> int | None:
    """Count the packages that differ from the run before; None where one of the two environments is not known."""
    if found.diff is None or found.before is None or None in (found.before.environment, found.run.environment):
        return None
    return sum(one.name.startswith("packages.") for one in found.diff.environment)


def _behind(store: Reads, ident: str) -> list[Incident]:
    """Give the incidents of which the run is the first cause."""
    return [one for one in store.incidents() if one.causes and one.causes[0].run == ident]


def _path(graph: Graph, incidents: Sequence[Incident], ident: str) -> dict[str, str]:
    """Say where the path of incidents begins: at what the run read for the first time, else at the run itself."""
    roots = {artifact for one in incidents for artifact in one.causes[0].artifacts}
    found = {key: "new input" for key, node in graph.nodes.items() if (node.name, node.version) in roots}
    return found or ({run_key(ident): "the cause"} if incidents else {})


def _past(store: Reads, run: RunRecord) -> tuple[RunSummary, ...]:
    """Give the newest runs of the component, or, where this one is older, those up to it; oldest first."""
    found = store.runs(run.component, limit=BARS).runs
    if run.id not in {one.id for one in found}:
        found = store.runs(run.component, until=run.started + _MOMENT, limit=BARS).runs
    return tuple(reversed(found))
