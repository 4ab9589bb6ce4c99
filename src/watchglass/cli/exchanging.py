"""A store → files for other tools, and files → a store: `watchglass export` and `watchglass import`."""

from __future__ import annotations

import click

import watchglass as wg
from watchglass.cli.moving import move_in
from watchglass.cli.printing import json_option, print_json, progress_bar, store_option
from watchglass.show.words import counted


@click.command()
@click.argument("to", type=click.Path())
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv", "jsonl", "delta"]),
    default="parquet",
    show_default=True,
    help="What the files are; delta needs the extra.",
)
@click.option("--table", "tables", multiple=True, help="A table; may be repeated. Else all.")
@click.option("--model", default=None, help="Only rows of this model, where a table has models.")
@click.option("--environment", default=None, help="Only rows of this environment.")
@click.option("--from", "start", default=None, metavar="TIME", help="Only rows from this time on.")
@click.option("--to", "end", default=None, metavar="TIME", help="Only rows before this time.")
@store_option
@json_option
def export(  # noqa: PLR0913, PLR0917 - options
    to: str,
    form: str,
    tables: tuple[str, ...],
    model: str | None,
    environment: str | None,
    start: str | None,
    end: str | None,
    path: str | None,
    *,
    as_json: bool,
) -> None:
    """Write what was recorded as files that any tool reads, with a manifest, into a folder that is empty or not there."""
    with wg.open(path) as store, progress_bar("rows") as moved:
        done = store.export(
            to,
            tables or None,
            model=model,
            environment=environment,
            start=start,
            end=end,
            format=form,
            progress=moved,
        )
    if as_json:
        print_json(done)
        return
    click.echo(
        f"{counted(done.rows, 'row')} in {counted(done.files, 'file')}, {done.bytes:,} bytes, written to {done.to}"
    )


@click.command("import")
@click.argument("source", type=click.Path())
@click.argument("url", required=False)
@click.option(
    "--table",
    "tables",
    multiple=True,
    help="Of an export, a table, may be repeated, else all; of a file: predictions or labels.",
)
@click.option("--model", default=None, help="The model of a file from elsewhere; an export says it itself.")
@click.option("--id", "ident", default=None, help="The column of ids.")
@click.option("--time", default=None, help="The column of time.")
@click.option("--prediction", default=None, help="The column of predictions.")
@click.option("--score", default=None, help="The column of scores.")
@click.option("--label", default=None, help="The column of labels.")
@click.option(
    "--feature",
    "features",
    multiple=True,
    help="A column that is a feature; may be repeated. Else every column not named.",
)
@click.option("--tag", "tags", multiple=True, help="A column that is a tag; may be repeated.")
@click.option("--version", default=None, help="The model's version.")
@click.option("--environment", default="live", show_default=True, help="Where the predictions were made.")
@click.option("--prefix", default="mltrace", show_default=True, help="Of a database: run 17 becomes PREFIX-17.")
@click.option("--zone", default="UTC", show_default=True, help="Of a database: the time zone of its times.")
@store_option
@json_option
def import_(  # noqa: PLR0913, PLR0917 - options
    source: str,
    url: str | None,
    tables: tuple[str, ...],
    model: str | None,
    ident: str | None,
    time: str | None,
    prediction: str | None,
    score: str | None,
    label: str | None,
    features: tuple[str, ...],
    tags: tuple[str, ...],
    version: str | None,
    environment: str,
    prefix: str,
    zone: str,
    path: str | None,
    *,
    as_json: bool,
) -> None:
    """Take in the folder of an export, with --model a file from elsewhere, or another system's database: import mltrace URL.

    The same again changes nothing, or brings what is new.
    """
    if url is not None:
        move_in(source, url, path, prefix, zone, as_json=as_json)
        return
    from watchglass.reading import create_store  # noqa: PLC0415 - makes the folder

    with create_store(path) as store, progress_bar("rows") as moved:
        done = store.import_(
            source,
            table=tables[0] if len(tables) == 1 else tables or None,
            model=model,
            id=ident,
            time=time,
            prediction=prediction,
            score=score,
            label=label,
            features=features or None,
            tags=tags,
            version=version,
            environment=environment,
            progress=moved,
        )
    if as_json:
        print_json(done)
        return
    click.echo(
        f"{counted(done.rows, 'row')} of {counted(done.files, 'file')} taken in, {counted(done.rejected, 'row')} rejected, "
        f"{counted(done.already, 'file')} had been before"
    )
    for note in done.notes:
        click.echo(note)


COMMANDS = (export, import_)
