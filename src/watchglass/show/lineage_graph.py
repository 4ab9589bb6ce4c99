"""What a trace and an impact give → one graph of runs and artifact versions: who wrote, who read, each once.

A version is told apart by the run that made it, so that content that comes again is not taken for a circle.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watchglass.records import Run
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.steps import Edge
    from watchglass.store.lineage.trace import Trace


@dataclass(frozen=True, slots=True)
class Node:
    """A run or an artifact version.

    `name` is the component or the artifact, `run` the record where it is known, `hops` how far it is from what was asked
    for, upstream below 0. A node of kind more stands for `count` others.
    """

    key: str
    kind: Literal["run", "artifact", "more"]
    name: str
    version: str | None = None
    id: str | None = None
    run: Run | None = None
    hops: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Arrow:
    """From what was first to what came of it; `rule` says by what a read is known, "" of a write."""

    start: str
    end: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by their keys, in order of distance, and the arrows between them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    arrows: dict[tuple[str, str], Arrow] = field(default_factory=dict)

    def add(self, node: Node) -> str:
        """Put in a node that is not there; a run that is known by its id alone is replaced by its record."""
        known = self.nodes.get(node.key)
        if known is None or (known.run is None and node.run is not None):
            self.nodes[node.key] = node
        return node.key

    def join(self, start: str, end: str, rule: str = "") -> None:
        """Draw an arrow, once."""
        self.arrows.setdefault((start, end), Arrow(start, end, rule))

    def downstream(self, keys: Iterable[str]) -> set[str]:
        """Give some nodes and all that came of them."""
        after: dict[str, list[str]] = {}
        for start, end in self.arrows:
            after.setdefault(start, []).append(end)
        found = {key for key in keys if key in self.nodes}
        waiting = list(found)
        while waiting:
            fresh = [end for end in after.get(waiting.pop(), ()) if end not in found]
            found.update(fresh)
            waiting += fresh
        return found


def run_key(ident: str) -> str:
    """Give the key of a run."""
    return f"run {ident}"


def version_key(name: str, version: str | None, maker: str | None) -> str:
    """Give the key of an artifact version that a run made; nobody is known to have where that is None."""
    return f"artifact {maker or ''} {version or ''} {name}"


def run_node(run: Run, hops: int) -> Node:
    """Make the node of a recorded run."""
    return Node(run_key(run.id), "run", run.component, run.version, run.id, run, hops)


def graph(trace: Trace | None, impact: Impact | None) -> Graph:
    """Put together what was found upstream and downstream of one thing."""
    found = Graph()
    steps = () if trace is None else trace.steps
    after = () if impact is None else impact.steps
    for hops, run in steps:
        found.add(run_node(run, -2 * hops))
    for hops, run in after:
        found.add(run_node(run, 2 * hops))
    if impact is not None and impact.run is None:
        _asked(found, impact, steps)
    for edge in () if trace is None else trace.edges:
        _read(found, edge)
    if impact is not None:
        beside = {edge.producer for edge in impact.edges} & {run.id for _, run in (*steps, *after)}
        for edge in impact.edges:
            if edge.producer in beside or _of_artifact(impact, edge):
                _read(found, edge)
    _writes(found, [run for hops, run in steps if hops == 0] if impact is None or impact.run is not None else [])
    _writes(found, [run for _, run in after])
    return found


def _asked(found: Graph, impact: Impact, steps: Iterable[tuple[int, Run]]) -> None:
    """Put in the artifact that was asked for, and the arrow from the run that wrote it."""
    maker = next((run for hops, run in steps if hops == 0), None)
    key = version_key(impact.of, impact.version, None if maker is None else maker.id)
    found.add(Node(key, "artifact", impact.of, impact.version))
    if maker is not None:
        found.join(run_key(maker.id), key)


def _of_artifact(impact: Impact, edge: Edge) -> bool:
    return impact.run is None and edge.name == impact.of and edge.version in (impact.version, None)


def _read(found: Graph, edge: Edge) -> None:
    """Draw a read: who made it, what it was, who read it; a run that was named as upstream has no artifact between."""
    reader = found.add(Node(run_key(edge.run), "run", edge.run, id=edge.run))
    maker = None
    if edge.producer is not None:
        at = found.nodes[reader].hops
        maker = found.add(Node(run_key(edge.producer), "run", edge.producer, id=edge.producer, hops=at - 2))
    if not edge.name:
        if maker is not None:
            found.join(maker, reader, edge.rule)
        return
    key = version_key(edge.name, edge.version, edge.producer)
    found.add(Node(key, "artifact", edge.name, edge.version, hops=found.nodes[reader].hops - 1))
    if maker is not None:
        found.join(maker, key)
    found.join(key, reader, edge.rule)


def _writes(found: Graph, runs: Iterable[Run]) -> None:
    for run in runs:
        for one in run.writes:
            key = version_key(one.name, one.version, run.id)
            found.add(Node(key, "artifact", one.name, one.version, hops=found.nodes[run_key(run.id)].hops + 1))
            found.join(run_key(run.id), key)


def gathered(found: Graph, asked: str, least: int = 4) -> Graph:
    """Put runs of one component that read the same, and whose outputs nobody has read on, into one node of kind more."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for start, end in found.arrows:
        before.setdefault(end, []).append(start)
        after.setdefault(start, []).append(end)
    alike: dict[tuple[str, str | None, tuple[str, ...]], list[str]] = {}
    for key, node in found.nodes.items():
        ends = key != asked and node.kind == "run" and node.run is not None and node.run.status == "ok"
        if ends and before.get(key) and not any(after.get(made) or made == asked for made in after.get(key, ())):
            alike.setdefault((node.name, node.version, tuple(sorted(before[key]))), []).append(key)
    made = Graph()
    gone: dict[str, str] = {}
    for (name, version, sources), keys in alike.items():
        if len(keys) >= least:
            together = f"more runs of {name} {version or ''} {' '.join(sources)}"
            gone |= dict.fromkeys(keys, together)
            made.add(replace(found.nodes[keys[0]], key=together, kind="more", count=len(keys), name=name))
    left = {made_of for key in gone for made_of in after.get(key, ())} | set(gone)
    for key, node in found.nodes.items():
        if key not in left:
            made.add(node)
    for (start, end), arrow in found.arrows.items():
        if start not in gone and (end in gone or end not in left):
            made.join(start, gone.get(end, end), arrow.rule)
    return made


def nearest(found: Graph, asked: str, most: int) -> Graph:
    """Keep what is nearest to what was asked for, as many whole steps of the way as are at most so many nodes."""
    if len(found.nodes) <= most:
        return found
    beside: dict[str, list[str]] = {}
    for start, end in found.arrows:
        beside.setdefault(start, []).append(end)
        beside.setdefault(end, []).append(start)
    kept: set[str] = set()
    step = {asked} & set(found.nodes)
    while step and len(kept) + len(step) <= most:
        kept |= step
        step = {other for key in step for other in beside.get(key, ())} - kept
    nodes = {key: node for key, node in found.nodes.items() if key in kept}
    return Graph(nodes, {pair: arrow for pair, arrow in found.arrows.items() if kept.issuperset(pair)})


def around(run: Run, trace: Trace, impact: Impact, most: int) -> Graph:
    """Draw one step up and one down of a run: what it read and who made it, what it wrote, who read that and wrote what.

    Of many at one place `most` are drawn and the others counted.
    """
    found = Graph()
    me = found.add(run_node(run, 0))
    known: dict[str, Run] = {one.id: one for _, one in trace.steps}
    reads = [edge for edge in trace.edges if edge.run == run.id]
    for edge in reads[:most]:
        _read(found, edge)
        if edge.producer is not None and edge.producer in known:
            found.add(run_node(known[edge.producer], -2))
    _more(found, len(reads) - most, "reads", before=me)
    _writes(found, [replace(run, writes=run.writes[:most])])
    _more(found, len(run.writes) - most, "writes", after=me)
    _readers(found, run, impact, most)
    return found


def _readers(found: Graph, run: Run, impact: Impact, most: int) -> None:
    shown = impact.steps[:most]
    for _, reader in shown:
        found.add(run_node(reader, 2))
        for edge in impact.edges:
            made = version_key(edge.name, edge.version, edge.producer)
            if edge.run == reader.id and edge.producer == run.id and (not edge.name or made in found.nodes):
                _read(found, edge)
        _writes(found, [replace(reader, writes=reader.writes[:1])])
        _more(found, len(reader.writes) - 1, f"writes of {reader.id}", after=run_key(reader.id))
    _more(found, impact.runs - len(shown), "readers", after=run_key(run.id))


def _more(found: Graph, count: int, what: str, *, before: str | None = None, after: str | None = None) -> None:
    if count > 0:
        key = found.add(Node(f"more {what}", "more", "", count=count))
        found.join(*((key, before) if before is not None else (after or "", key)))


def marked(
    found: Graph, flagged: Iterable[tuple[str, str | None]], quarantined: Iterable[tuple[str, str | None]]
) -> Mapping[str, str]:
    """Name what is wrong with nodes: a run that failed or crashed, a version that is flagged or was quarantined."""
    wrong = {"flagged": set(flagged), "quarantined": set(quarantined)}
    said: dict[str, str] = {}
    for key, node in found.nodes.items():
        if node.kind == "run" and node.run is not None and node.run.status in ("error", "crashed"):
            said[key] = "failed" if node.run.status == "error" else "crashed"
        if node.kind == "artifact":
            words = [word for word, versions in wrong.items() if (node.name, node.version) in versions]
            if words:
                said[key] = ", ".join(words)
    return said
