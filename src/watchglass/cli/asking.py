"""A question in SQL → a table, JSON or CSV."""

from __future__ import annotations

import csv
import sys

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_table, store_option


@click.command()
@click.argument("query")
@click.option(
    "--model", default=None, help="Bind predictions to this model: features.NAME and tags.NAME are typed columns."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@store_option
@json_option
def sql(query: str, model: str | None, path: str | None, *, as_csv: bool, as_json: bool) -> None:
    """Answer one SELECT over predictions, labels, runs, artifacts, reads, writes, models, incidents and more."""
    with wg.open(path) as store:
        table = store.sql(query, model=model)
    if as_json:
        click.echo(table.to_json())
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(table.columns)
        writer.writerows(table.values)
    else:
        print_table(table.columns, table.values)


COMMANDS = (sql,)
