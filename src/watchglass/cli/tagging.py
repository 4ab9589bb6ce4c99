"""Whose data an artifact is → a terminal: tags said, followed to all that derives from them, retracted, and who used them since."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.cli.runs import DIGITS, after_option, limit_option, say_more
from watchglass.errors import BadInput
from watchglass.show.words import counted, moment

if TYPE_CHECKING:
    from watchglass.store.subjects.following import Subject
    from watchglass.store.subjects.retracting import Retraction, Uses


@click.command()
@click.argument("name")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
@click.option("--version", default=None, help="This version; the newest without it.")
@click.option("--clean", is_flag=True, help="It is of nobody, such as sums over many: no tag goes on from here.")
@store_option
@json_option
def tag(
    name: str, subjects: tuple[str, ...], version: str | None, path: str | None, *, clean: bool, as_json: bool
) -> None:
    """Say of whom an artifact is; the tag goes with it to all that is derived from it."""
    if clean == bool(subjects):
        message = "name the subjects that it is of, or say that it is of nobody: --clean"
        raise BadInput(message)
    with wg.open(path) as store:
        found = store.tag(name, subjects, version)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.name} {(found.version or '')[:DIGITS]} is of {', '.join(found.tags) or 'nobody'}")


@click.command()
@click.argument("subject", required=False)
@click.option("--search", default=None, help="Only tags that have this text in them; without SUBJECT.")
@limit_option
@after_option
@store_option
@json_option
def subjects(
    subject: str | None, search: str | None, limit: int, after: str | None, path: str | None, *, as_json: bool
) -> None:
    """List the subjects whose data is tagged, or follow one to all that carries its tag: artifacts, runs, models, predictions."""
    with wg.open(path) as store:
        if subject is not None:
            found = store.subject(subject, limit=limit, after=after)
            print_json(found) if as_json else _follow(found)
            return
        page = store.subjects(search=search, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [(one.tag, one.versions, moment(one.time), moment(one.retracted)) for one in page.subjects]
    print_table(("subject", "said of versions", "since", "retracted"), rows, right=(1,))
    say_more(page.next)


def _follow(found: Subject) -> None:
    said = f"{found.tag}: {counted(found.versions, 'artifact version')}, {counted(found.used, 'run')}, {counted(len(found.models), 'model version')}"
    click.echo(
        f"{said}, {counted(found.predictions or 0, 'prediction')} by these; {counted(found.own or 0, 'prediction')} about the subject"
    )
    if found.retracted is not None:
        until = f", who wants so is stopped from {moment(found.block_after)} on" if found.block_after else ""
        click.echo(f"retracted {moment(found.retracted)}{until}")
    rows: list[tuple[object, ...]] = [
        (one.depth, 0, "run", one.component, one.run, moment(one.time)) for one in found.runs
    ]
    rows += [
        (
            one.depth,
            1,
            "tagged" if one.said else "derived",
            one.name,
            (one.version or "")[:DIGITS] or None,
            moment(one.time),
        )
        for one in found.artifacts
    ]
    rows.sort(key=lambda row: row[:2])
    print_table(
        ("runs away", "what", "name", "version or run", "time"), [(row[0], *row[2:]) for row in rows], right=(0,)
    )
    for model, version in found.models:
        click.echo(f"model {model} {version}")
    say_more(found.next)


@click.command()
@click.argument("subject")
@click.option(
    "--grace",
    default="7d",
    show_default=True,
    help="Until then who reads it is only warned; never: he is never stopped.",
)
@click.option("--who", default=None, help="Who retracts; the user's name without it.")
@store_option
@json_option
def retract(subject: str, grace: str, who: str | None, path: str | None, *, as_json: bool) -> None:
    """Take a subject's tag back: runs that read what carries it are warned from now on, and stopped after the grace where they want so."""
    with wg.open(path) as store:
        found = store.retract(subject, who or getpass.getuser(), grace=None if grace == "never" else grace)
    if as_json:
        print_json(found)
        return
    _list((found,))


@click.command()
@click.argument("subject", required=False)
@click.option(
    "--uses", is_flag=True, help="List the runs that read what carries SUBJECT's tag, or any retracted one, since then."
)
@limit_option
@after_option
@store_option
@json_option
def retracted(
    subject: str | None, limit: int, after: str | None, path: str | None, *, uses: bool, as_json: bool
) -> None:
    """List the tags that were retracted, or, with --uses, who used what carries them since."""
    if subject is not None and not uses:
        message = f"say what you want to know of {subject!r}: --uses, or watchglass subjects {subject}"
        raise BadInput(message)
    with wg.open(path) as store:
        if uses:
            found = store.uses(subject, limit=limit, after=after)
            print_json(found) if as_json else _used(found)
            return
        page = store.retracted(limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    _list(page.retractions)
    say_more(page.next)


def _list(found: tuple[Retraction, ...]) -> None:
    rows = [
        (
            one.tag,
            moment(one.time),
            moment(one.block_after) if one.block_after else "never",
            one.who,
            one.versions,
            one.uses,
        )
        for one in found
    ]
    print_table(
        ("subject", "retracted", "blocks from", "who", "versions that carry it", "uses since"), rows, right=(4, 5)
    )


def _used(page: Uses) -> None:
    rows = [
        (
            moment(one.time),
            one.tag,
            one.component,
            one.run,
            one.name,
            "stopped" if one.blocked else "overdue" if one.overdue else "in grace",
        )
        for one in page.uses
    ]
    print_table(("time", "subject", "component", "run", "read", "how"), rows)
    say_more(page.next)


COMMANDS = (tag, subjects, retract, retracted)
