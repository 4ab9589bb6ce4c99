"""A graph of runs and versions → boxes with addresses and words, arrows with colours, and the drawing of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from watchglass.errors import WatchglassError
from watchglass.show import words
from watchglass.show.lineage_drawing import LETTERS, Box, Line, drawn
from watchglass.show.lineage_graph import marked
from watchglass.show.run_words import component, short, took
from watchglass.web import urls

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from watchglass.show.lineage_graph import Graph, Node
    from watchglass.store.artifacts.known import Artifact
    from watchglass.web.reads import Reads

FLAGS: Final = 1000
_DIGITS: Final = 8
_HEADS: Final = {-2: "1 run upstream", -1: "read", 1: "wrote", 2: "1 run downstream", 3: "which wrote"}


def versions(store: Reads, graph: Graph) -> dict[tuple[str, str | None], Artifact]:
    """Look up what is known of the versions of a graph; of some nothing is."""
    found: dict[tuple[str, str | None], Artifact] = {}
    for node in graph.nodes.values():
        if node.kind == "artifact" and node.version is not None:
            with suppress(WatchglassError):
                found[node.name, node.version] = store.artifact(node.name, node.version)
    return found


def wrong_in(store: Reads, graph: Graph, known: Mapping[tuple[str, str | None], Artifact]) -> Mapping[str, str]:
    """Say what is wrong with nodes of a graph: failed, crashed, flagged, quarantined."""
    flagged = {(flag.name, flag.version) for flag in store.flags(limit=FLAGS).flags}
    quarantined = {key for key, one in known.items() if one.quarantined is not None}
    return marked(graph, flagged, quarantined)


def drawing(
    graph: Graph,
    wrong: Mapping[str, str],
    known: Mapping[tuple[str, str | None], Artifact],
    asked: str,
    *,
    new: Collection[tuple[str, str | None]] | None = None,
) -> Markup:
    """Draw a graph around what was asked for; red is what is wrong and what came of it.

    Of a run's own drawing `new` names the inputs that the run before did not have; its columns have heads.
    """
    tainted = graph.downstream(wrong)
    fresh = {key: "new input" for key, node in graph.nodes.items() if (node.name, node.version) in (new or ())}
    boxes = [
        _box(node, key, wrong.get(key, "") or fresh.get(key, ""), known, asked) for key, node in graph.nodes.items()
    ]
    looked = [
        Box(
            box.key, box.shape, box.kind, box.name, box.detail, box.link, box.title,
            "self" if box.key == asked and box.key not in wrong else "bad" if box.key in wrong else "warm" if box.key in tainted else "",
            "" if new is None else _HEADS.get(graph.nodes[box.key].hops, ""),
            box.key == asked,
        )
        for box in boxes
    ]  # fmt: skip
    lines = [
        Line(one.start, one.end, one.start in tainted and one.end in tainted, one.rule in ("time", "declared"))
        for one in graph.arrows.values()
    ]
    return Markup(drawn(looked, lines, _label(graph, wrong)))  # noqa: S704 - the drawing escapes its text


def _box(node: Node, key: str, wrong: str, known: Mapping[tuple[str, str | None], Artifact], asked: str) -> Box:
    if node.kind == "more":
        count = words.count(node.count)
        if not node.name:
            return Box(key, "more", "", f"{count} more", "", "", f"{count} more")
        name = component(node.name, node.version)
        return Box(
            key,
            "more",
            f"{count} runs",
            name,
            "which nobody read on",
            urls.component(node.name),
            f"{count} runs of {name}",
        )
    if node.kind == "run":
        return _run_box(node, "this run" if key == asked else "run", wrong)
    about = known.get((node.name, node.version))
    kind = "this artifact" if key == asked else "artifact"
    what = "" if about is None else words.counted(about.rows, "row") if about.rows is not None else about.kind or ""
    detail = " · ".join(filter(None, [node.version[:_DIGITS] if node.version else "by name alone", what]))
    title = node.name + (f"@{node.version}" if node.version else ", known by its name alone")
    link = urls.lineage(node.name, node.version)
    return Box(key, "artifact", f"{kind}, {wrong}" if wrong else kind, node.name, detail, link, title)


def _run_box(node: Node, kind: str, wrong: str) -> Box:
    if node.run is None:
        return Box(node.key, "run", kind, short(node.id or ""), "named, not recorded", "", node.id or "")
    run = node.run
    name = component(run.component, run.version)
    detail = f"{short(run.id)} · {run.status if run.ended is None else took((run.ended - run.started).total_seconds())}"
    told = name if len(name) <= LETTERS else run.component
    title = f"{name}, run {run.id}"
    return Box(node.key, "run", f"{kind}, {wrong}" if wrong else kind, told, detail, urls.run(run.id), title)


def _label(graph: Graph, wrong: Mapping[str, str]) -> str:
    """Say in a sentence what the drawing holds; its links say the rest."""
    runs = sum(node.kind == "run" for node in graph.nodes.values())
    artifacts = sum(node.kind == "artifact" for node in graph.nodes.values())
    said = f"Lineage: {words.counted(runs, 'run')} and {words.counted(artifacts, 'artifact version')}, sources left."
    bad = [f"{graph.nodes[key].name} {what}" for key, what in wrong.items()]
    return f"{said} Wrong: {', '.join(bad[:5])}." if bad else said
