"""A store → the page of what an artifact or a run was made of and what came of it; and its twin in JSON."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query, Response

from watchglass.errors import BadInput, UnknownName
from watchglass.show import words
from watchglass.show.lineage_graph import nearest
from watchglass.show.lineage_list import downstream, upstream
from watchglass.show.run_words import LOOKS, component, listed, named, short
from watchglass.tracing import DRAWN, both_ways, facts, lineage_svg, stale_in
from watchglass.web import urls
from watchglass.web.lineage_view import drawing
from watchglass.web.pages import emphasised, json, page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from watchglass.show.lineage_graph import Graph
    from watchglass.tracing import Ways
    from watchglass.web.reads import Reads

DEPTHS: Final = (1, 2, 3, 5, 10, 20)
DEPTH: Final = 3
NAMES: Final = 24
COUNTED: Final = 20_000_000
"""Predictions up to which a page counts those that came of something: a million take 23 ms of CPU (measured)."""
_DEEPEST: Final = 100
_WRONG: Final = {"failed": "failed", "crashed": "crashed", "flagged": "is flagged", "quarantined": "is in quarantine"}
_Depth = Annotated[int, Query(ge=1, le=_DEEPEST)]


def router(store: Reads) -> APIRouter:
    """Make the routes of lineage over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/lineage")
    def lineage(of: str = "", version: str = "", depth: _Depth = DEPTH) -> Response:
        of, given = of.strip(), version.strip() or None
        if not of:
            return page(store, "lineage.html", _unasked(store, of, given, depth))
        try:
            return page(store, "lineage.html", shown(store, of, given, depth))
        except UnknownName as error:
            return page(store, "lineage.html", {**_unasked(store, of, given, depth), "unknown": str(error)}, 404)

    @routes.get("/lineage.json")
    def lineage_json(of: str = "", version: str = "", depth: _Depth = DEPTH) -> Response:
        found = both_ways(store, _named(of), version.strip() or None, depth, predictions=True)
        return json({"trace": found.trace, "impact": found.impact, "stale": stale_in(store, found)})

    @routes.get("/lineage.svg")
    def lineage_file(of: str = "", version: str = "", depth: _Depth = DEPTH) -> Response:
        drawn = lineage_svg(store, _named(of), version.strip() or None, depth)
        return Response(drawn, media_type="image/svg+xml")

    return routes


def _named(of: str) -> str:
    if of.strip():
        return of.strip()
    message = "of is missing: the id of a run or the name of an artifact would do"
    raise BadInput(message)


def _asking(of: str, version: str | None, depth: int) -> dict[str, object]:
    return {"of": of, "version": version, "depth": depth, "depths": sorted({*DEPTHS, depth}), "unknown": "", "LOOKS": LOOKS, "short": short, "component_words": component, "named": named}  # fmt: skip


def _unasked(store: Reads, of: str, version: str | None, depth: int) -> dict[str, object]:
    """Gather what the page shows where nothing is found: how one asks, and names that would do, the nearest first."""
    names = dict.fromkeys(one.name for one in store.artifacts(limit=200).artifacts)
    near = [name for name in names if of.casefold() in name.casefold()] if of else []
    near += [name for name in get_close_matches(of, names, n=6) if name not in near] if of else []
    return {**_asking(of, version, depth), "asked": False, "near": bool(near), "names": (near or list(names))[:NAMES]}


def shown(store: Reads, of: str, version: str | None, depth: int) -> dict[str, object]:
    """Gather what the page shows of a thing; raises `UnknownName`."""
    found = both_ways(store, of, version, depth, predictions=store.status().predictions <= COUNTED)
    impact, count = found.impact, len(found.graph.nodes)
    near, stale = nearest(found.graph, found.asked, DRAWN), stale_in(store, found)
    return {
        **_asking(of, version, depth),
        "asked": True,
        "run": impact.run,
        "shown_version": impact.version,
        "lead": _lead(found, depth),
        "count": count,
        "most": DRAWN,
        "cut": len(near.nodes) if len(near.nodes) < count else 0,
        "stale": stale,
        **(_drawn(store, near, found.asked, stale) if len(near.nodes) > 1 or count == 1 else {"graph": None}),
        "up": None if found.trace is None else upstream(found.trace),
        "down": downstream(impact),
        "impact": impact,
        "twin_address": urls.lineage(of, version, depth=depth, twin="json"),
        "file_address": urls.lineage(of, version, depth=depth, twin="svg"),
    }


def _drawn(store: Reads, near: Graph, asked: str, stale: Mapping[str, int]) -> dict[str, object]:
    known = facts(store, near, stale)
    return {
        "graph": drawing(near, known, asked),
        "wrong": [_WRONG[one] for one in _WRONG if any(one in said for said in known.wrong.values())],
        "dashed": any(one.rule in ("time", "declared") for one in near.arrows.values()),
        "more": any(node.kind == "more" for node in near.nodes.values()),
    }


def _lead(found: Ways, depth: int) -> Markup:
    """Say how much lies upstream and downstream within the depth."""
    trace, impact = found.trace, found.impact
    maker = None if trace is None else next((run for hops, run in trace.steps if hops == 0), None)
    if impact.run is None:
        subject = named(impact.of, impact.version)
        made = f"was written by {component(maker.component, maker.version)}" if maker else "is read, and nobody is known to have written it"  # fmt: skip
    else:
        subject = f"Run {short(impact.run)}" + (f" of {component(maker.component, maker.version)}" if maker else "")
        made = f"began {words.moment(maker.started)}" if maker else "is not recorded itself"
    up = 0 if trace is None else len(trace.steps) - 1
    least = "" if impact.exact else "at least "
    hops = words.counted(depth, "hop")
    said = f"{subject} {made}. Within {hops} {words.counted(max(up, 0), 'run')} upstream and {least}{words.counted(impact.runs, 'run')} downstream"
    models = listed([f"{model}, version {version}" for model, version in impact.models])
    reached = [f"the model {models}"] if models else []
    reached += [least + words.counted(impact.predictions, "prediction")] if impact.predictions else []
    came = f"; it reached {' and '.join(reached)}" if reached else ""
    rest = (
        ""
        if impact.predictions is not None
        else f" The predictions are too many to count here: watchglass impact {words.cut(impact.of, 40)}"
    )
    return emphasised(f"{said}{came}.{rest}", [subject, models])
