"""Artifact versions → a terminal: the list, one version with what is kept of it, and its bytes copied out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.show.words import moment
from watchglass.store.artifacts.known import KINDS

if TYPE_CHECKING:
    from watchglass.reading import Store
    from watchglass.store.artifacts.known import Artifact

_SHOWN = 12


@click.command()
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Only of this kind.")
@click.option(
    "--policy",
    type=click.Choice(("hash", "profile", "sample", "full")),
    default=None,
    help="Only those of which so much is kept.",
)
@click.option("--run", default=None, metavar="ID", help="Only those that this run read or wrote.")
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@click.option("--after", default=None, help="From this place on: `next` of the page before.")
@store_option
@json_option
def artifacts(  # noqa: PLR0913, PLR0917 - an option each
    path: str | None,
    name: str | None,
    kind: str | None,
    policy: str | None,
    run: str | None,
    limit: int,
    after: str | None,
    *,
    as_json: bool,
) -> None:
    """List artifact versions, those first seen last first; with NAME, only those of one artifact."""
    with wg.open(path) as store:
        page = store.artifacts(name, kind=kind, policy=policy, run=run, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [(a.name, a.version[:_SHOWN], a.kind, a.rows, a.bytes, a.policy, moment(a.time)) for a in page.artifacts]
    print_table(("name", "version", "kind", "rows", "bytes", "kept", "first seen"), rows, right=(3, 4))
    if page.next is not None:
        click.echo(f"there are more: --after '{page.next}'")


def show_artifact(store: Store, name: str, version: str | None = None, *, as_json: bool = False) -> None:
    """Print what is known of one version, by default the one written last."""
    found = store.artifact(name, version)
    if as_json:
        print_json(found)
        return
    rows = [
        (field.replace("_", " "), _told(found, field)) for field in found.__dataclass_fields__ if field != "profile"
    ]
    print_table(("artifact", found.name), [row for row in rows[1:] if row[1] not in (None, "")])
    columns = (found.profile or {}).get("columns")
    for column, said in columns.items() if isinstance(columns, dict) else ():
        click.echo(f"  {column}: {json.dumps(said, ensure_ascii=False)}")


def _told(found: Artifact, field: str) -> object:
    value = getattr(found, field)
    if field in ("time", "written", "quarantined"):
        return None if value is None else moment(value)
    return ", ".join(value) if isinstance(value, tuple) else value


COMMANDS = (artifacts,)
