"""A question in SQL, the id of a prediction, or the name of a table → rows as a table, CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from typing import TextIO

    from watchglass.store.asking.lookup import Prediction

FORMATS = ("table", "csv", "json", "jsonl", "parquet")
_model = click.option(
    "--model", default=None, help="Bind predictions to this model: features.NAME and tags.NAME are typed columns."
)


@click.command()
@click.argument("query", required=False)
@click.option(
    "--file", "text", type=click.File(), default=None, help="Read the query from this file; - is standard input."
)
@_model
@click.option("--format", "kind", type=click.Choice(FORMATS), default=None, help="How it is printed or written.  [default: table, or by the name of --output]")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write it to this file.")
@click.option("--limit", type=click.IntRange(0), default=None, help="At most so many rows.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True, help="It is stopped after so many.")  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="The same as --format csv.")
@store_option
@json_option
def sql(  # noqa: PLR0913 - an option each
    query: str | None,
    *,
    text: TextIO | None,
    model: str | None,
    kind: str | None,
    output: Path | None,
    limit: int | None,
    seconds: float,
    as_csv: bool,
    path: str | None,
    as_json: bool,
) -> None:
    """Answer one SELECT over the documented views; without a query it is read from standard input.

    CSV, JSON, JSON lines and Parquet go from the store to the file or the pipe, however many rows they are.
    """
    asked = _query(query, text)
    kind = kind or ("json" if as_json else "csv" if as_csv else None)
    with wg.open(path) as store:
        if output is not None and kind != "table":
            rows = store.write_sql(asked, output, kind, model, limit=limit, seconds=seconds)
            click.echo(f"{rows} rows written to {output}", err=True)
        elif kind in (None, "table"):
            table = store.sql(asked, model, limit, seconds=seconds)
            print_table(table.columns, table.values)
        else:
            if kind == "parquet" and sys.stdout.isatty():
                message = "Parquet is not for a terminal: --output FILE or a pipe would do"
                raise BadInput(message)
            store.write_sql(asked, sys.stdout.buffer, kind, model, limit=limit, seconds=seconds)


def _query(query: str | None, text: TextIO | None) -> str:
    if query is not None and text is not None:
        message = "the query is given twice: as an argument or with --file would do"
        raise BadInput(message)
    if query is None and text is None and sys.stdin.isatty():
        message = (
            "there is no query: watchglass sql 'SELECT count(*) FROM predictions', --file, or standard input would do"
        )
        raise BadInput(message)
    return query if query is not None else (text or sys.stdin).read()


@click.command()
@click.argument("ident", metavar="ID")
@click.option("--model", default=None, help="Only of this model.")
@click.option("--environment", default=None, help="Only of this environment.")
@store_option
@json_option
def prediction(ident: str, *, model: str | None, environment: str | None, path: str | None, as_json: bool) -> None:
    """Show one prediction by its id: features, tags, scores, every label that came, run and trace; exit code 1 when nobody has it."""
    with wg.open(path) as store:
        found = store.prediction(ident, model, environment)
    if as_json:
        print_json(found)
    for one in found if not as_json else ():
        print_table(("", ""), _lines(one))
    if not found:
        click.echo(f"no prediction has the id {ident!r}", err=True)
        sys.exit(1)


def _lines(one: Prediction) -> list[tuple[str, object]]:
    plain = ("id", "time", "model", "version", "environment", "prediction", "score", "latency", "run", "trace", "error")
    lines: list[tuple[str, object]] = [(name, getattr(one, name)) for name in plain if getattr(one, name) is not None]
    lines += [(f"score of {name}", value) for name, value in (one.scores or {}).items()]
    lines += [(f"tag {name}", value) for name, value in one.tags.items()]
    lines += [
        ("label", f"{'taken back' if each.label is None else each.label} ({each.time.isoformat()})")
        for each in one.labels
    ]
    return lines + list(one.features.items())


@click.command()
@click.argument("table", default="predictions")
@click.option("--model", default=None, help="Only of this model.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Rows of a page.")
@click.option("--before", default=None, help="The `next` of the page before, or a time.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@store_option
@json_option
def latest(  # noqa: PLR0913 - an option each
    table: str, *, model: str | None, limit: int, before: str | None, as_csv: bool, path: str | None, as_json: bool
) -> None:
    """Show the newest rows of a table that has times: predictions, labels, metrics, logs, runs, incidents and more."""
    with wg.open(path) as store:
        page = store.latest(table, model, limit, before)
    if as_json:
        click.echo(page.to_json())
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(page.rows.columns)
        writer.writerows(page.rows.values)
    else:
        print_table(page.rows.columns, page.rows.values)
    if page.next is not None and not as_json:
        click.echo(f"more: --before {page.next}", err=True)


@click.command("save-question")
@click.argument("name")
@click.argument("query")
@_model
@click.option("--description", default=None, help="What it answers.")
@store_option
@json_option
def save_question(
    name: str, query: str, *, model: str | None, description: str | None, path: str | None, as_json: bool
) -> None:
    """Keep a SELECT under a name; `$name`s in it are parameters: watchglass ask NAME --name VALUE answers it."""
    with wg.open(path) as store:
        found = sorted(store.save_question(name, query, model, description))
    if as_json:
        print_json({"name": name, "parameters": found})
        return
    given = "".join(f" --{each} VALUE" for each in found)
    click.echo(f"saved: watchglass ask {name}{given}")


@click.command("delete-question")
@click.argument("name")
@store_option
@json_option
def delete_question(name: str, *, path: str | None, as_json: bool) -> None:
    """Forget a saved question."""
    with wg.open(path) as store:
        store.delete_question(name)
    if as_json:
        print_json({"name": name, "deleted": True})
    else:
        click.echo(f"deleted: {name}")


COMMANDS = (sql, prediction, latest, save_question, delete_question)
