"""Artifact versions that failed a test → a terminal: the list of what is in quarantine, and its release by a person."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.cli.runs import DIGITS, after_option, limit_option, say_more
from watchglass.show.words import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.artifacts.quarantined import Quarantine


@click.command()
@click.option("--released", is_flag=True, help="Also what was released, by whom and why.")
@limit_option
@after_option
@store_option
@json_option
def quarantined(limit: int, after: str | None, path: str | None, *, released: bool, as_json: bool) -> None:
    """List the artifact versions that failed a test after their run, the newest first: what failed, and who released it."""
    with wg.open(path) as store:
        page = store.quarantined(released=released, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    _list(page.quarantines, released=released)
    say_more(page.next)


@click.command()
@click.argument("artifact", metavar="NAME[@VERSION]")
@click.option("--reason", required=True, help="Why it may be used again.")
@click.option("--who", default=None, help="Who says so; the user's name without it.")
@store_option
@json_option
def release(artifact: str, reason: str, who: str | None, path: str | None, *, as_json: bool) -> None:
    """Release an artifact version from quarantine: its readers are warned no more; who, when and why stand in the audit."""
    with wg.open(path) as store:
        found = store.release(artifact, reason, who or getpass.getuser())
    if as_json:
        print_json(found)
        return
    _list(found, released=True)


def _list(found: Sequence[Quarantine], *, released: bool) -> None:
    head = ("artifact", "version", "since", "run", "failed", *(("released", "by", "reason") if released else ()))
    rows = []
    for one in found:
        since = (one.name, one.version[:DIGITS], moment(one.time), one.run, "; ".join(one.why) or None)
        said = (None if one.released is None else moment(one.released), one.released_by, one.reason)
        rows.append((*since, *(said if released else ())))
    print_table(head, rows)


COMMANDS = (quarantined, release)
