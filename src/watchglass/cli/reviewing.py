"""Outputs that are wrong or out of date → a terminal: what is stale, what is flagged, which runs the flagged ones have in common."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.cli.runs import DIGITS, after_option, limit_option, say_more
from watchglass.errors import BadInput
from watchglass.show.words import moment, number, percent
from watchglass.store.lineage.stale import Stalenesses

if TYPE_CHECKING:
    from watchglass.store.lineage.flags import Flag
    from watchglass.store.lineage.stale import Staleness


@click.command()
@click.argument("name", required=False, metavar="[NAME|RUN]")
@click.option("--age", default="30d", show_default=True, help="A producer that ran longer before is old; never: none.")
@click.option("--component-rule", "component", is_flag=True, help="Count any later run of a producer's component too, as mltrace does.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(["then", "now"]), default=None, help="Exit with 1 when an input was stale when the run began, or is now.")  # fmt: skip
@limit_option
@after_option
@store_option
@json_option
def stale(  # noqa: PLR0913 - options
    name: str | None,
    age: str,
    fail_on: str | None,
    limit: int,
    after: str | None,
    path: str | None,
    *,
    component: bool,
    as_json: bool,
) -> None:
    """Say which inputs of a run, or of the newest run that wrote NAME, are stale and why: when it began, and now. Without NAME: of every component."""
    allowed = None if age == "never" else age
    with wg.open(path) as store:
        if name is None:
            page = store.stale(age=allowed, component=component, limit=limit, after=after)
        else:
            page = Stalenesses((store.stale(name, age=allowed, component=component),), None)
    found = page.runs
    if as_json:
        print_json(page if name is None else found[0])
    else:
        for one in found:
            _tell(one)
        say_more(page.next)
    if fail_on and any(one.stale_then if fail_on == "then" else one.stale_now for one in found):
        raise SystemExit(1)


def _tell(found: Staleness) -> None:
    """Print a run and, of each of its stale inputs, why."""
    verdict = "stale" if found.stale_now else "fresh"
    click.echo(f"{found.component} (run {found.run}, {moment(found.started)}): {verdict}")
    for one in found.inputs:
        name = one.name or f"run {one.producer}"
        for when, reasons, more in (("when it began", one.then, one.more_then), ("now", one.now, one.more_now)):
            for reason in reasons:
                path = f" (by way of {' ← '.join(reason.path)})" if reason.path else ""
                click.echo(f"  {name}, {when}: {reason.sentence}{path}")
            if more:
                click.echo(f"  {name}, {when}: and {more} more reasons upstream")
    if found.left_out:
        click.echo(f"  left out: {found.left_out}")


@click.command()
@click.argument("name", required=False)
@click.option("--version", default=None, help="This version; the newest without it.")
@click.option("--note", default=None, help="What is wrong with it.")
@click.option("--who", default=None, help="Who says so; the user's name without it.")
@click.option("--list", "listed", is_flag=True, help="List what is flagged.")
@click.option("--removed", is_flag=True, help="With --list: also what was taken back.")
@limit_option
@after_option
@store_option
@json_option
def flag(  # noqa: PLR0913, PLR0917 - options
    name: str | None,
    version: str | None,
    note: str | None,
    who: str | None,
    limit: int,
    after: str | None,
    path: str | None,
    *,
    listed: bool,
    removed: bool,
    as_json: bool,
) -> None:
    """Say that an output is wrong, so that `review` finds what such outputs have in common."""
    if name is None and not listed:
        message = "name the output that is wrong, or list what is flagged: --list"
        raise BadInput(message)
    with wg.open(path) as store:
        if name is not None:
            one = store.flag(name, version, note, who or getpass.getuser())
            _print([one], as_json=as_json)
        else:
            page = store.flags(removed=removed, limit=limit, after=after)
            if as_json:
                print_json(page)
            else:
                _print(page.flags, as_json=False)
                say_more(page.next)


@click.command()
@click.argument("name", required=False)
@click.option("--version", default=None, help="This version; all of them without it.")
@click.option("--all", "everything", is_flag=True, help="Take back every flag.")
@click.option("--who", default=None, help="Who says so; the user's name without it.")
@store_option
@json_option
def unflag(
    name: str | None, version: str | None, who: str | None, path: str | None, *, everything: bool, as_json: bool
) -> None:
    """Take back the flags of an output, or all."""
    if (name is None) != everything:
        message = "name the output whose flags are taken back, or all: --all"
        raise BadInput(message)
    user = who or getpass.getuser()
    with wg.open(path) as store:
        found = store.unflag_all(user) if name is None else store.unflag(name, version, user)
    _print(found, as_json=as_json)


def _print(flags: list[Flag] | tuple[Flag, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(list(flags))
        return
    rows = [
        (one.name, None if one.version is None else one.version[:DIGITS], one.run, moment(one.time), one.who, one.note, moment(one.removed))
        for one in flags
    ]  # fmt: skip
    print_table(("output", "version", "written by", "flagged", "who", "note", "taken back"), rows)


@click.command()
@limit_option
@click.option("--after", type=click.IntRange(0), default=0, help="Where the page before ended.")
@click.option("--sample", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="At most so many good outputs are looked at.")  # fmt: skip
@store_option
@json_option
def review(limit: int, after: int, sample: int, path: str | None, *, as_json: bool) -> None:
    """List the runs that flagged outputs have in common and good ones have not, the most suspicious first."""
    with wg.open(path) as store:
        found = store.review(limit, after, sample=sample)
    if as_json:
        print_json(found)
        return
    if not found.flagged:
        click.echo("nothing is flagged. Next: watchglass flag OUTPUT")
        return
    click.echo(f"{found.flagged} flagged against {found.good} good{f' ({found.sample})' if found.sample else ''}")
    rows = [
        (one.run, one.component, one.version, moment(one.started), number(one.suspiciousness), one.count, percent(one.coverage), one.good)
        for one in found.runs
    ]  # fmt: skip
    head = (
        "run",
        "component",
        "version",
        "started",
        "suspicious (0 to 1)",
        "of the flagged",
        "coverage",
        "of the good",
    )
    print_table(head, rows, right=(4, 5, 6, 7))
    for name in found.missing:
        click.echo(f"nobody knows who wrote {name}: it is left out")
    say_more(found.next)


COMMANDS = (stale, flag, unflag, review)
