"""The way back from an output, and forward from it → a terminal: a tree of runs, each told once, and what came of it in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.show.words import moment

if TYPE_CHECKING:
    from typing import TextIO

    from watchglass.records import Run
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.steps import Edge
    from watchglass.store.lineage.trace import Trace

DEEP = 40
"""Hops that a tree is drawn for; a longer way is told as a table."""
MANY = 500
version_option = click.option("--version", default=None, help="Of this version of the name; else of the newest.")
depth_option = click.option("--depth", type=click.IntRange(min=0), default=None, help="At most so many hops.")
svg_option = click.option("--svg", "drawn", type=click.File("w", encoding="utf-8", lazy=True), default=None, metavar="FILE", help="Draw both ways into an SVG file, - is the terminal, instead.")  # fmt: skip


@click.command()
@click.argument("name")
@version_option
@depth_option
@svg_option
@store_option
@json_option
def trace(
    name: str, version: str | None, depth: int | None, drawn: TextIO | None, path: str | None, *, as_json: bool
) -> None:
    """Follow an output, by its name, or a run, by its id, back to all that it was made of."""
    with wg.open(path) as store:
        if drawn is not None:
            text = store.lineage_svg(name, version, depth)  # before the file is opened: a wrong name leaves none
            drawn.write(text)
            return
        found = store.trace(name, version, depth)
    if as_json:
        print_json(found)
    elif len(found.steps) > MANY or found.steps[-1][0] > DEEP:
        rows = [(hops, run.component, run.id, moment(run.started), run.status) for hops, run in found.steps]
        print_table(("hops", "component", "run", "started", "status"), rows, right=(0,))
    else:
        Console(highlight=False).print(_tree(found))


@click.command()
@click.argument("name")
@version_option
@depth_option
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many runs.")
@click.option("--after", default=None, help="Where the page before ended.")
@click.option("--exact", is_flag=True, help="Count all; else what is beyond 2,000 runs is told as at least.")
@store_option
@json_option
def impact(  # noqa: PLR0913 - an option each
    name: str,
    version: str | None,
    depth: int | None,
    limit: int,
    after: str | None,
    path: str | None,
    *,
    exact: bool,
    as_json: bool,
) -> None:
    """Follow an artifact, by its name, or a run, by its id, forward to all that came of it."""
    with wg.open(path) as store:
        found = store.impact(name, version, depth, limit=limit, after=after, exact=exact)
    if as_json:
        print_json(found)
        return
    click.echo(_sentence(found))
    read = {edge.run: edge for edge in reversed(found.edges) if edge.producer is not None}
    rows = [
        (hops, run.component, run.id, moment(run.started), run.status, _by(read.get(run.id)))
        for hops, run in found.steps
    ]
    if rows:
        print_table(("hops", "component", "run", "started", "status", "read"), rows, right=(0,))
    if found.next is not None:
        click.echo(f"more: --after {found.next}")


def _sentence(found: Impact) -> str:
    least = "" if found.exact else "at least "
    what = found.of if found.version is None else f"{found.of}@{found.version}"
    models = ", ".join(f"{model} {version}" for model, version in found.models) or "no model"
    runs = "1 run is" if found.runs == 1 else f"{least}{found.runs:,} runs are"
    return f"{runs} downstream of {what}; it became {models}; {least}{found.predictions or 0:,} predictions came of it"


def _by(edge: Edge | None) -> str | None:
    if edge is None:
        return None
    if not edge.name:
        return edge.rule
    return f"{edge.name} ({edge.rule})"


def _tree(found: Trace) -> Tree:
    """Draw the runs upstream; one that was drawn before is named again, and what it was made of is not."""
    runs: dict[str, Run] = {run.id: run for _, run in found.steps}
    read: dict[str, list[Edge]] = {}
    for edge in found.edges:
        read.setdefault(edge.run, []).append(edge)
    root = Tree(_label(runs.get(found.run), found.run))
    drawn = {found.run}
    waiting = [(root, found.run)]
    while waiting:
        branch, run = waiting.pop(0)
        for edge in read.get(run, ()):
            if edge.producer is None:
                branch.add(Text(f"{_thing(edge)}: nobody is known to have made it"))
                continue
            again = edge.producer in drawn
            label = Text.assemble(f"{_thing(edge)} by {edge.rule}: ", _label(runs.get(edge.producer), edge.producer))
            leaf = branch.add(label.append(" (told elsewhere)") if again else label)
            if not again:
                drawn.add(edge.producer)
                waiting.append((leaf, edge.producer))
    return root


def _thing(edge: Edge) -> str:
    if not edge.name:
        return "upstream"
    return edge.name if edge.version is None else f"{edge.name}@{edge.version[:12]}"


def _label(run: Run | None, ident: str) -> Text:
    if run is None:
        return Text(f"run {ident}")
    failed = "" if run.status == "ok" else f", {run.status}"
    return Text.assemble((run.component, "bold"), f" {run.id} at {moment(run.started)}{failed}")


COMMANDS = (trace, impact)
