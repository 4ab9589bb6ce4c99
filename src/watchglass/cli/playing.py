"""A demonstration or a table of the past → a store that has lived through it."""

from __future__ import annotations

import shlex

import click

from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.cli.serving import run_server
from watchglass.show.words import day, moment, number

DEMO_FOLDER = "watchglass-demo"


@click.command()
@click.option(
    "--dir",
    "folder",
    default=DEMO_FOLDER,
    show_default=True,
    help="The folder of its store; made anew unless --continue.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Another seed is another story with the same faults."
)
@click.option("--in-process", is_flag=True, help="Call the model's service in this process instead of over HTTP.")
@click.option(
    "--continue",
    "go_on",
    is_flag=True,
    help="Roll the faulty component back, send the next days, see the incident resolve.",
)
@click.option("--serve/--no-serve", default=True, help="Serve the pages afterwards.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The pages' port; another is taken when it is in use.",
)
@json_option
def demo(folder: str, seed: int, port: int, *, in_process: bool, go_on: bool, serve: bool, as_json: bool) -> None:  # noqa: PLR0913 - options
    """Run a real pipeline and a served model that goes wrong, and tell what watchglass found."""
    from watchglass.demo.telling import run_demo, tell  # noqa: PLC0415 - needs the extra

    with progress_bar("days") as moved:
        told = run_demo(folder, seed=seed, http=not in_process, go_on=go_on, progress=moved)
    if as_json:
        print_json(told)
    else:
        click.echo(tell(told))
    if serve and not as_json:
        run_server(folder, port)


@click.command()
@click.argument("file", type=click.Path())
@click.option("--model", default=None, help="The model's name; else the file's.")
@click.option("--time", default=None, help="The column of time.")
@click.option("--prediction", default=None, help="The column of predictions.")
@click.option("--score", default=None, help="The column of scores.")
@click.option("--label", default=None, help="The column of labels.")
@click.option("--id", "ident", default=None, help="The column of ids.")
@click.option("--version", default=None, help="The model's version.")
@click.option("--tag", "tags", multiple=True, help="A column that is a tag; may be repeated.")
@click.option(
    "--feature",
    "features",
    multiple=True,
    help="A column that is a feature; may be repeated. Else every column not named.",
)
@click.option(
    "--label-delay", default="0d", show_default=True, help="How long after a prediction its label comes: 3d, 36h."
)
@click.option(
    "--reference",
    type=click.IntRange(min=28),
    default=60,
    show_default=True,
    help="Windows of a day to learn from before alarms are armed.",
)
@store_option
@json_option
def replay(  # noqa: PLR0913, PLR0917 - options
    file: str,
    model: str | None,
    time: str | None,
    prediction: str | None,
    score: str | None,
    label: str | None,
    ident: str | None,
    version: str | None,
    tags: tuple[str, ...],
    features: tuple[str, ...],
    label_delay: str,
    reference: int,
    path: str | None,
    *,
    as_json: bool,
) -> None:
    """Send a table of the past (Parquet, CSV, Arrow) through the whole recorder, as if it were live."""
    from watchglass.reading import create_store  # noqa: PLC0415 - makes the folder

    with create_store(path) as store, progress_bar("windows") as moved:
        done = store.replay(
            file,
            model=model or wg_name(file),
            time=time,
            prediction=prediction,
            score=score,
            label=label,
            id=ident,
            version=version,
            tags=tags,
            features=features or None,
            label_delay=label_delay,
            reference=reference,
            progress=moved,
        )
    if as_json:
        print_json(done)
        return
    click.echo(
        f"ran: {shlex.join(['watchglass', 'replay', file, *done.options, *(['--store', path] if path else [])])}"
    )
    click.echo(
        f"{done.rows} rows, {done.labels} labels, {day(done.first)} to {day(done.last)}, {done.windows} windows judged"
    )
    rows = [
        (
            i.id,
            i.severity,
            i.state,
            day(i.onset),
            moment(i.raised),
            ", ".join(c.name for c in i.columns[:3]),
            number(i.fall.value if i.fall else None),
        )
        for i in done.incidents
    ]
    print_table(("id", "severity", "state", "onset", "raised", "columns", "change of performance"), rows)
    for incident in done.incidents:
        click.echo(f"  {incident.id}: {incident.sentence}")


def wg_name(file: str) -> str:
    """Name a model after its file."""
    from pathlib import Path  # noqa: PLC0415 - for this one name

    return Path(file).stem


COMMANDS = (demo, replay)
