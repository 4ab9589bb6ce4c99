"""Runs and components → a terminal: lists, one run with all that is known of it, a history, how long things take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, Unpack

import click
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

import watchglass as wg
from watchglass.cli.artifacts import show_artifact
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.errors import UnknownName
from watchglass.show.words import moment, number, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watchglass.store.runs.listing import RunSummary
    from watchglass.store.runs.one import RunRecord, Touched

STATUSES = ("running", "ok", "error", "crashed")
DIGITS = 12
limit_option = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")  # fmt: skip
after_option = click.option("--after", default=None, help="Where the page before ended.")
since_option = click.option("--since", default=None, metavar="TIME", help="Begun then or later: ISO 8601, or 7d, 36h, 90m before now.")  # fmt: skip
until_option = click.option("--until", default=None, metavar="TIME", help="Begun before then.")


class Which(TypedDict):
    """Which runs are listed."""

    status: str | None
    tag: str | None
    owner: str | None
    since: str | None
    until: str | None
    limit: int
    after: str | None


@click.command()
@click.argument("component", required=False)
@click.option("--status", type=click.Choice(STATUSES), default=None, help="With this status only.")
@click.option("--tag", default=None, help="Of components with this tag only.")
@click.option("--owner", default=None, help="Of components of this owner only.")
@since_option
@until_option
@limit_option
@after_option
@store_option
@json_option
def runs(component: str | None, path: str | None, *, as_json: bool, **which: Unpack[Which]) -> None:
    """List runs, the newest first; of one component or of all."""
    with wg.open(path) as store:
        page = store.runs(component, **which)
    if as_json:
        print_json(page)
        return
    print_runs(page.runs)
    say_more(page.next)


def print_runs(found: Iterable[RunSummary]) -> None:
    """Print runs as a table."""
    rows = [(one.id, one.component, one.version, moment(one.started), took(one.seconds), one.status, one.error) for one in found]  # fmt: skip
    print_table(("run", "component", "version", "started", "took", "status", "error"), rows, right=(4,))


def took(seconds: float | None) -> str | None:
    """Write how long something took; nothing while it lasts.

    >>> took(0.25), took(90.0), took(None)
    ('0.250 s', '90.0 s', None)
    """
    return None if seconds is None else f"{number(seconds)} s"


def say_more(after: object) -> None:
    """Say how the next page is had, where there is one."""
    if after is not None:
        click.echo(f"there are more: --after {after}")


@click.command()
@click.argument("ident", metavar="ID")
@store_option
@json_option
def show(ident: str, path: str | None, *, as_json: bool) -> None:
    """Show everything that is known of a run: what it read and wrote, code, environment, resources, tests, its parts. Else an artifact of that name."""
    with wg.open(path) as store:
        try:
            found = store.run(ident)
        except UnknownName as unknown:
            try:
                show_artifact(store, ident, as_json=as_json)
            except UnknownName:
                raise unknown from None
            return
    if as_json:
        print_json(found)
    else:
        Console(highlight=False, soft_wrap=True).print(_tree(found))


def _tree(run: RunRecord) -> Tree:
    version = "" if run.version is None else f" {run.version}"
    tree = Tree(escape(f"{run.component}{version}: {run.status}, {moment(run.started)}, {took(run.seconds) or 'still running'}"))  # fmt: skip
    for name, value in (
        ("run", run.id),
        ("error", run.error),
        ("description", run.description),
        ("owner", run.owner),
        ("tags", ", ".join(run.tags)),
        ("parent", run.parent),
        ("host", None if run.host is None else f"{run.host}, process {run.pid}"),
    ):
        if value:
            tree.add(escape(f"{name}: {value}"))
    for title, edges in (("read", run.reads), ("wrote", run.writes)):
        _branch(tree, title, [_edge(one) for one in edges])
    for title, values in (("parameters", run.params), ("metrics", run.metrics), ("code", run.code), ("resources", run.resources)):  # fmt: skip
        _branch(tree, title, _pairs(values))
    _branch(tree, "environment", _pairs(_machine(run.environment or {})))
    _branch(tree, "tests", [_tested(test) for test in run.tests])
    _branch(tree, "left out", run.left_out)
    _branch(tree, "notes", run.notes)
    _branch(tree, "models", [f"{model} {version}" for model, version in run.models])
    more = ["and more: --json of `watchglass runs`"] if run.more_children else []
    _branch(tree, "parts", [f"{one.component}: {one.status}, {took(one.seconds) or 'running'} ({one.id})" for one in run.children] + more)  # fmt: skip
    if run.predictions:
        tree.add(f"predictions: {run.predictions:,}")
    return tree


def _branch(tree: Tree, title: str, lines: Sequence[str]) -> None:
    if lines:
        branch = tree.add(title)
        for line in lines:
            branch.add(escape(line))


def _pairs(values: Mapping[str, object]) -> list[str]:
    return [f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]  # fmt: skip


def _machine(environment: Mapping[str, object]) -> dict[str, object]:
    """Tell packages by their number: `--json` lists them."""
    packages = environment.get("packages")
    told = {**environment, "packages": f"{len(packages)} (--json lists them)"} if isinstance(packages, dict) else environment  # fmt: skip
    return dict(told)


def _edge(one: Touched) -> str:
    version = "" if one.version is None else f" {one.version[:DIGITS]}"
    rows = "" if one.rows is None else f", {one.rows:,} rows"
    made = "" if one.producer is None else f" from run {one.producer}"
    return f"{one.name}{version} (by {one.rule}{rows}){made}"


def _tested(test: Mapping[str, object]) -> str:
    said = "" if test.get("message") in (None, "") else f": {test['message']}"
    return f"{'met' if test.get('ok') else test.get('level', 'failed')} {test.get('name')}{said}"


@click.command()
@click.argument("ident", metavar="PREDICTION")
@click.option("--model", default=None, help="Only of this model.")
@click.option("--environment", default=None, help="Only of this environment.")
@store_option
@json_option
def origin(ident: str, model: str | None, environment: str | None, path: str | None, *, as_json: bool) -> None:
    """Show the way of a prediction: its model's version, the run that trained it with its data and code, the deployment, its own run."""
    with wg.open(path) as store:
        found = store.origin(ident, model, environment)
    if as_json:
        print_json(found)
        return
    for one in found:
        made = one.prediction
        tree = Tree(escape(f"prediction {made.id} by {made.model} {made.version} ({made.environment}), {moment(made.time)}"))  # fmt: skip
        if one.artifact:
            tree.add(escape(f"artifact: {one.artifact} {(one.artifact_version or '')[:DIGITS]}"))
        if one.deployed:
            tree.add(f"deployed: {moment(one.deployed)}")
        for title, run in (("trained by", one.training), ("made in", one.run)):
            if run is not None:
                tree.add(title).add(_tree(run))
        _branch(tree, "not known", one.unknown)
        Console(highlight=False, soft_wrap=True).print(tree)


@click.command()
@click.argument("component")
@since_option
@until_option
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="At most so many.")
@after_option
@store_option
@json_option
def history(  # noqa: PLR0913 - options
    component: str,
    since: str | None,
    until: str | None,
    limit: int,
    after: str | None,
    path: str | None,
    *,
    as_json: bool,
) -> None:
    """List a component's runs, the newest first: how long each took, how it went, how many of its inputs were stale."""
    with wg.open(path) as store:
        page = store.history(component, limit, after, since, until)
    if as_json:
        print_json(page)
        return
    rows = [
        (one.id, one.version, moment(one.started), took(one.seconds), one.status, one.stale or None, _few(one.metrics))
        for one in page
    ]
    print_table(("run", "version", "started", "took", "status", "stale inputs", "metrics"), rows, right=(3, 5))
    say_more(page.next)


def _few(values: Mapping[str, object]) -> str | None:
    shown = [f"{name} {number(float(value)) if isinstance(value, (int, float)) else value}" for name, value in list(values.items())[:3]]  # fmt: skip
    return ", ".join(shown) or None


@click.command()
@click.option("--tag", default=None, help="With this tag only.")
@click.option("--owner", default=None, help="Of this owner only.")
@click.option("--status", type=click.Choice(STATUSES), default=None, help="Whose newest run has this status only.")
@limit_option
@after_option
@store_option
@json_option
def components(  # noqa: PLR0913 - options
    tag: str | None,
    owner: str | None,
    status: str | None,
    limit: int,
    after: str | None,
    path: str | None,
    *,
    as_json: bool,
) -> None:
    """List the components: what each does, who owns it, its tags, how its newest run went."""
    with wg.open(path) as store:
        page = store.components(tag, owner, status, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        (
            one.name,
            one.owner,
            ", ".join(one.tags) or None,
            one.version,
            moment(one.started),
            one.status,
            one.description,
        )
        for one in page.components
    ]
    print_table(("component", "owner", "tags", "version", "newest run", "status", "what it does"), rows)
    say_more(page.next)


@click.command()
@click.argument("component", required=False)
@since_option
@until_option
@store_option
@json_option
def durations(component: str | None, since: str | None, until: str | None, path: str | None, *, as_json: bool) -> None:
    """Show how long components take: median, 95 % and 99 %, their own time without their parts, their share of the whole."""
    with wg.open(path) as store:
        found = store.durations(component, since, until)
    if as_json:
        print_json(found)
        return
    rows = [
        (one.component, one.runs, *(took(value) for value in (one.p50, one.p95, one.p99, one.own)), percent(one.share))
        for one in found.components
    ]
    head = ("component", "runs", "median", "95 %", "99 %", "own (mean)", "share")
    print_table(head, rows, right=tuple(range(1, len(head))))
    if found.left_out:
        click.echo(f"left out: {found.left_out}")


COMMANDS = (runs, show, origin, history, components, durations)
