"""A question of the field by its name, or a model's columns → a table, JSON or CSV."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.errors import BadInput
from watchglass.show.words import number
from watchglass.store.asking.latest import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.distribution import Distribution


def values_of(words: Sequence[str]) -> dict[str, str]:
    """Read `--name value`, `--name=value` and `name=value`; raises `BadInput`.

    >>> values_of(["--model", "fraud", "--limit=5", "start=7d"])
    {'model': 'fraud', 'limit': '5', 'start': '7d'}
    """
    found: dict[str, str] = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, told, value = word.removeprefix("--").partition("=")
        if not told:
            if not word.startswith("--") or not waiting:
                message = f"{word!r} cannot be read: --{name or 'name'} VALUE would do. Next: watchglass ask --list"
                raise BadInput(message)
            value = waiting.pop(0)
        found[name.replace("-", "_")] = value
    return found


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False)
@click.argument("values", nargs=-1, type=click.UNPROCESSED, metavar="[--PARAMETER VALUE]...")
@click.option("--list", "listed", is_flag=True, help="List the questions with their parameters.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@store_option
@json_option
def ask(
    name: str | None, values: tuple[str, ...], path: str | None, *, listed: bool, as_csv: bool, as_json: bool
) -> None:
    """Answer one of the twenty questions, or a saved one: watchglass ask worst_data_version --model fraud --start 7d.

    A time is a date, ISO 8601 or a length before now such as 7d, 36h or 90m. --limit is the rows of a page, --after the
    `next` of the page before; --json prints both: {"rows": […], "next": …}.
    """
    with wg.open(path) as store:
        found = store.questions() if listed or name is None else store.ask(name, **values_of(values))
    if as_json:
        click.echo(found.to_json() if listed or name is None else Page(found, found.next).to_json())
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(found.columns)
        writer.writerows(found.values)
    else:
        print_table(found.columns, found.values)
    if found.next is not None and not as_json:
        click.echo(f"more: --after {found.next}", err=True)


@click.command()
@click.argument("model")
@click.argument("columns", nargs=-1)
@click.option("--environment", default="live", show_default=True, help="Where it served.")
@click.option("--start", default=None, help="From then on; a date, or ISO 8601 with --source rows.")
@click.option("--end", default=None, help="Up to then, not with it.")
@click.option("--by", type=click.Choice(["day"]), default=None, help="A row a day.")
@click.option("--source", type=click.Choice(["cells", "rows"]), default="cells", show_default=True, help="From counts or from rows, the log's among them.")  # fmt: skip
@click.option("--bins", type=click.IntRange(1, 1000), default=32, show_default=True, help="Of the histograms.")
@store_option
@json_option
def distribution(  # noqa: PLR0913 - an option each
    model: str,
    columns: tuple[str, ...],
    *,
    environment: str,
    start: str | None,
    end: str | None,
    by: str | None,
    source: str,
    bins: int,
    path: str | None,
    as_json: bool,
) -> None:
    """Show how a model's columns are distributed: rows, missing, mean and quantiles, or the commonest values.

    Without COLUMNS every feature; prediction, score and latency are asked by name.
    """
    with wg.open(path) as store:
        found = store.distribution(
            model, columns or None, environment=environment, start=start, end=end, by=by, source=source, bins=bins
        )
    if as_json:
        print_json(list(found))
        return
    print_table(
        ("column", "from", "rows", "missing", "mean", "5 %", "median", "95 %", "values"),
        [_row(each) for each in found],
        right=(2, 3, 4, 5, 6, 7),
    )


def _row(found: Distribution) -> tuple[object, ...]:
    at = dict(found.quantiles)
    shown = [
        None if value is None else number(value) for value in (found.mean, at.get(0.05), at.get(0.5), at.get(0.95))
    ]
    values = ", ".join(f"{value} {count}" for value, count in found.values[:4])
    start = None if found.start is None else found.start.date()
    return (found.column, start, found.rows, found.missing, *shown, values or None)


COMMANDS = (ask, distribution)
