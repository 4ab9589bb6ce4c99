"""A store → the page of what an artifact or a run was made of and what came of it; and its twin in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query, Response

from watchglass.errors import BadInput, UnknownName
from watchglass.show import words
from watchglass.show.lineage_graph import gathered, graph, run_key
from watchglass.show.lineage_list import downstream, upstream
from watchglass.show.run_words import LOOKS, component, listed, named, short
from watchglass.web import urls
from watchglass.web.lineage_view import drawing, versions, wrong_in
from watchglass.web.pages import emphasised, json, page

if TYPE_CHECKING:
    from markupsafe import Markup

    from watchglass.show.lineage_graph import Graph
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.trace import Trace
    from watchglass.web.reads import Reads

DRAWN: Final = 60
"""Nodes that are drawn at most; of more there is the list."""
DEPTHS: Final = (1, 2, 3, 5, 10, 20)
DEPTH: Final = 3
READERS: Final = 100
_DEEPEST: Final = 100
_WRONG: Final = {"failed": "failed", "crashed": "crashed", "flagged": "is flagged", "quarantined": "is in quarantine"}
_Depth = Annotated[int, Query(ge=1, le=_DEEPEST)]


def router(store: Reads) -> APIRouter:
    """Make the routes of lineage over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/lineage")
    def lineage(of: str = "", version: str = "", depth: _Depth = DEPTH) -> Response:
        return page(store, "lineage.html", shown(store, of.strip(), version.strip() or None, depth))

    @routes.get("/lineage.json")
    def lineage_json(of: str = "", version: str = "", depth: _Depth = DEPTH) -> Response:
        if not of.strip():
            message = "of is missing: the id of a run or the name of an artifact would do"
            raise BadInput(message)
        trace, impact = both(store, of.strip(), version.strip() or None, depth)
        return json({"trace": trace, "impact": impact})

    return routes


def both(store: Reads, of: str, version: str | None, depth: int) -> tuple[Trace | None, Impact]:
    """Walk up and down; what was only ever read has nothing upstream. Raises `UnknownName`."""
    impact = store.impact(of, version, depth, limit=READERS, predictions=False)
    try:
        start = of if impact.run is not None else None
        trace = store.trace(of, None if start else version or impact.version, depth)
    except UnknownName:
        trace = None
    return trace, impact


def shown(store: Reads, of: str, version: str | None, depth: int) -> dict[str, object]:
    """Gather what the page shows; without a name, how one is asked for."""
    facts: dict[str, object] = {"of": of, "version": version, "depth": depth, "depths": sorted({*DEPTHS, depth}), "LOOKS": LOOKS, "short": short, "component_words": component, "named": named}  # fmt: skip
    if not of:
        names = dict.fromkeys(one.name for one in store.artifacts(limit=200).artifacts)
        return {**facts, "asked": False, "names": list(names)[:24]}
    trace, impact = both(store, of, version, depth)
    whole = graph(trace, impact)
    asked = _asked(whole, impact)
    found = gathered(whole, asked)
    count = len(found.nodes)
    return {
        **facts,
        "asked": True,
        "run": impact.run,
        "shown_version": impact.version,
        "lead": _lead(trace, impact, depth),
        "count": count,
        "most": DRAWN,
        **(_drawn(store, found, asked) if count <= DRAWN else {"graph": None}),
        "up": None if trace is None else upstream(trace),
        "down": downstream(impact),
        "impact": impact,
        "twin_address": urls.lineage(of, version, depth=depth, twin="json"),
    }


def _asked(found: Graph, impact: Impact) -> str:
    """Give the key of what was asked for."""
    if impact.run is not None:
        return run_key(impact.run)
    same = (key for key, node in found.nodes.items() if (node.kind, node.name, node.version) == ("artifact", impact.of, impact.version))  # fmt: skip
    return next(same, "")


def _drawn(store: Reads, found: Graph, asked: str) -> dict[str, object]:
    about = versions(store, found)
    wrong = wrong_in(store, found, about)
    return {
        "graph": drawing(found, wrong, about, asked),
        "wrong": [_WRONG[one] for one in _WRONG if any(one in said for said in wrong.values())],
        "more": any(node.kind == "more" for node in found.nodes.values()),
    }


def _lead(trace: Trace | None, impact: Impact, depth: int) -> Markup:
    """Say how much lies upstream and downstream within the depth."""
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
    return emphasised(f"{said}{f'; it reached the model {models}' if models else ''}.", [subject, models])
