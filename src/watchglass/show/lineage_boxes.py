"""A graph of runs and versions, and what is known of these → boxes with addresses and words, arrows with colours, and the drawing of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from watchglass.show import words
from watchglass.show.lineage_drawing import LETTERS, Box, Line, Look, drawn
from watchglass.show.run_words import component, short, took

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from watchglass.show.lineage_graph import Graph, Node
    from watchglass.store.artifacts.known import Artifact

_DIGITS: Final = 8
_HEADS: Final = {-2: "1 run upstream", -1: "read", 1: "wrote", 2: "1 run downstream", 3: "which wrote"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where boxes lead: to a run by its id, a component by its name, an artifact by name and version; nowhere without."""

    run: Callable[[str], str] = lambda _: ""
    component: Callable[[str], str] = lambda _: ""
    artifact: Callable[[str, str | None], str] = lambda *_: ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the nodes of a graph: what is wrong, by key; the versions; how many inputs of a run were stale.

    Of a run's own drawing `new` names the inputs that the run before did not have, as (name, version).
    """

    wrong: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[tuple[str, str | None], Artifact] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)
    new: Collection[tuple[str, str | None]] | None = None


def drawing(graph: Graph, facts: Facts, asked: str, to: Addresses = Addresses()) -> str:
    """Draw a graph around what was asked for; red is what is wrong and what came of it. With `new` its columns have heads."""
    wrong = facts.wrong
    tainted = graph.downstream(wrong)
    looked = []
    for key, node in graph.nodes.items():
        said = wrong.get(key, "") or _remark(node, facts)
        box = _box(node, said, facts, key == asked, to)
        look = _look(key == asked, key in wrong, key in tainted, node.id in facts.stale)
        head = "" if facts.new is None else _HEADS.get(node.hops, "")
        looked.append(
            Box(key, box.shape, box.kind, box.name, box.detail, box.link, box.title, look, head, key == asked)
        )
    lines = [
        Line(one.start, one.end, one.start in tainted and one.end in tainted, one.rule in ("time", "declared"))
        for one in graph.arrows.values()
    ]
    return drawn(looked, lines, _label(graph, wrong))


def _look(asked: bool, wrong: bool, tainted: bool, stale: bool) -> Look:  # noqa: FBT001 - what is true of a node
    if wrong:
        return "bad"
    return "self" if asked else "warm" if tainted else "stale" if stale else ""


def _remark(node: Node, facts: Facts) -> str:
    """Say of a node that is not wrong what is odd about it."""
    if (node.name, node.version) in (facts.new or ()):
        return "new input"
    stale = facts.stale.get(node.id or "", 0) if node.kind == "run" else 0
    return f"{words.count(stale)} stale" if stale else ""


def _box(node: Node, remark: str, facts: Facts, asked: bool, to: Addresses) -> Box:  # noqa: FBT001 - one of two
    if node.kind == "more":
        return _several(node, to)
    if node.kind == "run":
        return _run_box(node, _with("this run" if asked else "run", remark), to)
    about = facts.versions.get((node.name, node.version))
    kind = "this artifact" if asked else "artifact"
    what = "" if about is None else words.counted(about.rows, "row") if about.rows is not None else about.kind or ""
    detail = " · ".join(filter(None, [node.version[:_DIGITS] if node.version else "by name alone", what]))
    title = node.name + (f"@{node.version}" if node.version else ", known by its name alone")
    return Box(node.key, "artifact", _with(kind, remark), node.name, detail, to.artifact(node.name, node.version), title)  # fmt: skip


def _with(kind: str, remark: str) -> str:
    return f"{kind}, {remark}" if remark else kind


def _several(node: Node, to: Addresses) -> Box:
    count = words.count(node.count)
    if not node.name:
        return Box(node.key, "more", "", f"{count} more", "", "", f"{count} more")
    name = component(node.name, node.version)
    told = "which nobody read on"
    return Box(node.key, "more", f"{count} runs", name, told, to.component(node.name), f"{count} runs of {name}")


def _run_box(node: Node, kind: str, to: Addresses) -> Box:
    if node.run is None:
        return Box(node.key, "run", kind, short(node.id or ""), "named, not recorded", "", node.id or "")
    run = node.run
    name = component(run.component, run.version)
    detail = f"{short(run.id)} · {run.status if run.ended is None else took((run.ended - run.started).total_seconds())}"
    told = name if len(name) <= LETTERS else run.component
    return Box(node.key, "run", kind, told, detail, to.run(run.id), f"{name}, run {run.id}")


def _label(graph: Graph, wrong: Mapping[str, str]) -> str:
    """Say in a sentence what the drawing holds; its links say the rest."""
    runs = sum(node.kind == "run" for node in graph.nodes.values())
    artifacts = sum(node.kind == "artifact" for node in graph.nodes.values())
    said = f"Lineage: {words.counted(runs, 'run')} and {words.counted(artifacts, 'artifact version')}, sources left."
    bad = [f"{graph.nodes[key].name} {what}" for key, what in wrong.items()]
    return f"{said} Wrong: {', '.join(bad[:5])}." if bad else said
