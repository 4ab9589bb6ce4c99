"""A model's schema, how it changed, and what could not be taken → a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.show.words import counted, moment

if TYPE_CHECKING:
    from watchglass.store.schemas.registered import Schema, SchemaColumn
    from watchglass.store.schemas.rejections import Rejections

SHOWN = 200  # characters of a line


@click.command()
@click.argument("model", required=False)
@click.option("--rejected", is_flag=True, help="List lines and values that could not be taken, newest first.")
@click.option("--model", "of", default=None, help="With --rejected: of this model only.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@click.option("--after", type=click.IntRange(min=1), default=None, help="Those older than the one with this id.")
@store_option
@json_option
def quality(  # noqa: PLR0913 - one parameter an option
    model: str | None, of: str | None, limit: int, after: int | None, path: str | None, *, rejected: bool, as_json: bool
) -> None:
    """Say what a model's columns are, how they changed, and how many values did not fit, by reason."""
    if not rejected and (model is None or of is not None):
        message = (
            "name a model: watchglass quality MODEL; or list what could not be taken: watchglass quality --rejected"
        )
        raise click.UsageError(message)
    with wg.open(path) as store:
        if rejected:
            page = store.rejections(of or model, limit=limit, after=after)
        else:
            found = store.schema(str(model), limit=limit, after=after)
    if as_json:
        print_json(page if rejected else found)
    elif rejected:
        _print_rejections(page)
    else:
        _print_schema(found)


def _print_rejections(page: Rejections) -> None:
    rows = [
        (
            r.id,
            None if r.time is None else moment(r.time),
            r.model,
            r.rows,
            r.reason,
            None if r.raw is None else r.raw[:SHOWN],
        )
        for r in page.rejections
    ]
    print_table(("id", "kept aside", "model", "rows", "reason", "line"), rows, right=(0, 3))
    _print_more(page.next)


def _print_schema(found: Schema) -> None:
    columns = [
        (
            column.role,
            column.name,
            _kind(column),
            column.purpose,
            column.unit,
            _since(column),
            column.conflicts or None,
            column.redaction,
        )
        for column in found.columns
    ]
    told = ("role", "column", "type", "purpose", "unit", "since", "not of its type", "redacted")
    print_table(told, columns, right=(6,))
    if found.redaction:
        click.echo()
        print_table(("field", "before it is written"), found.redaction)
    if found.changes:
        click.echo()
        changes = [
            (
                change.id,
                moment(change.time),
                change.change,
                f"{change.role} {change.name}",
                change.before,
                change.after,
                change.rows,
            )
            for change in found.changes
        ]
        print_table(("id", "time", "change", "column", "before", "after", "rows"), changes, right=(0, 6))
    if found.rejected:
        click.echo()
        print_table(("rows", "rejected because"), [(rows, reason) for reason, rows in found.rejected], right=(0,))
        lost = sum(rows for _, rows in found.rejected)
        click.echo(f"{counted(lost, 'row')} in all; each: watchglass quality --rejected --model {found.model}")
    _print_more(found.next)


def _kind(column: SchemaColumn) -> str:
    kind = f"{column.type}, whole so far" if column.whole else column.type
    return f"{kind}, declared" if column.declared else kind


def _since(column: SchemaColumn) -> str:
    if column.since is None:
        return "no value yet"
    return moment(column.since) + (", missing now" if column.missing else "")


def _print_more(after: int | None) -> None:
    if after is not None:
        click.echo(f"there are more: --after {after}")


COMMANDS = (quality,)
