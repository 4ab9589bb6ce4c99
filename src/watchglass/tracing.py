"""An open store and a name → what it was made of and what came of it as one graph, and the drawing of it as a file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.errors import UnknownName, WatchglassError
from watchglass.show.lineage_boxes import Facts, drawing
from watchglass.show.lineage_drawing import as_file
from watchglass.show.lineage_graph import gathered, graph, marked, nearest, run_key
from watchglass.store.artifacts.opened import Keeping
from watchglass.store.lineage.opened import Lineage
from watchglass.store.runs.opened import Reviewing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchglass.show.lineage_graph import Graph
    from watchglass.store.artifacts.known import Artifact
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.trace import Trace

DRAWN: Final = 60
"""Nodes that a page draws at most, the nearest ones."""
IN_A_FILE: Final = 1_000
READERS: Final = 100
FLAGS: Final = 1000


@dataclass(frozen=True, slots=True)
class Ways:
    """Both ways from a thing, and the graph of them: what is alike stands in one node, `asked` is the key of the thing."""

    trace: Trace | None
    impact: Impact
    graph: Graph
    asked: str


def both_ways(
    store: Tracing,
    of: str,
    version: str | None,
    depth: int | None,
    *,
    readers: int = READERS,
    predictions: bool = False,
) -> Ways:
    """Walk up and down; what was only ever read has nothing upstream. Raises `UnknownName`."""
    impact = store.impact(of, version, depth, limit=readers, predictions=predictions)
    try:
        start = of if impact.run is not None else None
        trace = store.trace(of, None if start else version or impact.version, depth)
    except UnknownName:
        trace = None
    whole = graph(trace, impact)
    asked = _asked(whole, impact)
    return Ways(trace, impact, gathered(whole, asked), asked)


def _asked(found: Graph, impact: Impact) -> str:
    """Give the key of what was asked for."""
    if impact.run is not None:
        return run_key(impact.run)
    same = (key for key, node in found.nodes.items() if (node.kind, node.name, node.version) == ("artifact", impact.of, impact.version))  # fmt: skip
    return next(same, "")


def versions(store: Tracing, found: Graph) -> dict[tuple[str, str | None], Artifact]:
    """Look up what is known of the versions of a graph; of some nothing is."""
    known: dict[tuple[str, str | None], Artifact] = {}
    for node in found.nodes.values():
        if node.kind == "artifact" and node.version is not None:
            with suppress(WatchglassError):
                known[node.name, node.version] = store.artifact(node.name, node.version)
    return known


def wrong_in(store: Tracing, found: Graph, known: Mapping[tuple[str, str | None], Artifact]) -> Mapping[str, str]:
    """Say what is wrong with nodes of a graph: failed, crashed, flagged, quarantined."""
    flagged = {(flag.name, flag.version) for flag in store.flags(limit=FLAGS).flags}
    quarantined = {key for key, one in known.items() if one.quarantined is not None}
    return marked(found, flagged, quarantined)


def stale_in(store: Tracing, found: Ways) -> dict[str, int]:
    """Count the stale inputs of the runs on both ways; those without one are left out."""
    runs = dict.fromkeys(run.id for way in (found.trace, found.impact) for _, run in (way.steps if way else ()))
    return {run: count for run, count in store.stale_counts(list(runs)).items() if count}


def facts(store: Tracing, found: Graph, stale: Mapping[str, int]) -> Facts:
    """Look up what a drawing says of the nodes of a graph."""
    known = versions(store, found)
    return Facts(wrong_in(store, found, known), known, stale)


def lineage_svg(store: Tracing, of: str, version: str | None = None, depth: int | None = None) -> str:
    """Draw what something was made of and what came of it as an SVG file: the nearest thousand runs and versions.

    Raises `UnknownName`, `BadInput`.
    """
    found = both_ways(store, of, version, depth, readers=IN_A_FILE)
    shown = nearest(found.graph, found.asked, IN_A_FILE)
    return as_file(drawing(shown, facts(store, shown, stale_in(store, found)), found.asked))


class Tracing(Keeping, Reviewing, Lineage):
    """What of an open store follows data from run to run, and draws it."""

    def lineage_svg(self, name_or_run: str, version: str | None = None, depth: int | None = None) -> str:
        """Draw what something was made of and what came of it, as the text of an SVG file; at most the nearest thousand nodes.

        Takes and raises what `trace` and `impact` do.
        """
        return lineage_svg(self, name_or_run, version, depth)
