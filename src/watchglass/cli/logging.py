"""Words on a command line, from any language → predictions, labels, metric points, log lines, or events from a file, recorded.

A command that comes back with 0 has its event on the disk, of a folder or of a server; 2 says that it cannot be taken as it
is, 1 that it could not be recorded.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import click

from watchglass.cli.delivering import Delivery, pieces
from watchglass.cli.printing import json_option, progress_bar
from watchglass.errors import BadInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NUMBER: Final = re.compile(r"[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?")
where_option = click.option(
    "--store",
    "store",
    default=None,
    metavar="FOLDER|URL",
    help="The store's folder or a server's URL; else WATCHGLASS_STORE, else ./watchglass-data.",
)
time_option = click.option("--time", default=None, help="ISO 8601 or epoch seconds; now unless given.")
run_option = click.option("--run", default=None, help="The id of the run that it belongs to.")
environment_option = click.option("--environment", default="live", show_default=True, help="Where it happened.")


class Pair(click.ParamType[tuple[str, object]]):
    """NAME=VALUE; the value is a number, true, false, null or other JSON where it reads as that, else a text."""

    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, object]:
        """Part a word at its first equals sign."""
        name, sign, text = str(value).partition("=")
        if not name or not sign:
            self.fail(f"{value!r} is not NAME=VALUE, such as amount=41.5", param, ctx)
        return name, as_value(text)


def as_value(text: str) -> object:
    """Read a word as JSON where it is JSON, or a number as shells write it; else it is a text.

    >>> [as_value(word) for word in ("41.5", ".93", "true", "IT", "007", '"1"', "[1]")]
    [41.5, 0.93, True, 'IT', '007', '1', [1]]
    """
    try:
        found = json.loads(text, parse_constant=lambda _: text)
    except (ValueError, RecursionError):
        if any(digit.isdigit() for digit in text) and _NUMBER.fullmatch(text):
            return float(text)
        return text
    return cast("object", found)


@contextmanager
def recording() -> Iterator[None]:
    """Give what could not be recorded the exit code 1; bad input is told, and exits with 2, where all commands' is."""
    try:
        yield
    except StoreError as error:
        click.echo(f"watchglass: {error}", err=True)
        raise SystemExit(1) from error


def _sent(store: str | None, event: dict[str, object], *, as_json: bool) -> None:
    with recording(), Delivery(store) as delivery:
        delivery.event({name: value for name, value in event.items() if value not in (None, {})})
        if as_json:
            click.echo(json.dumps(delivery.answer(), ensure_ascii=False))
        elif delivery.told.ids:
            click.echo(delivery.told.ids[0])


@click.group()
def log() -> None:
    """Record from a shell, in any language: predictions, labels, metric points, log lines, runs, files of events.

    Each takes --store, a folder or a server's URL, and --json.
    """


@log.command()
@click.argument("model")
@click.option("--id", "ident", default=None, help="Its id; without one it gets one, which is printed.")
@click.option("--feature", "features", type=Pair(), multiple=True, help="A feature; may be repeated.")
@click.option("--prediction", default=None, help="What the model said.")
@click.option("--score", default=None, help='A number, or JSON such as {"yes": 0.9}.')
@click.option("--version", default=None, help="The model's version.")
@click.option("--tag", "tags", type=Pair(), multiple=True, help="A tag; may be repeated.")
@click.option("--latency", type=float, default=None, help="Seconds that it took.")
@click.option("--error", default=None, help="What went wrong.")
@environment_option
@time_option
@run_option
@where_option
@json_option
def prediction(  # noqa: PLR0913, PLR0917 - options
    model: str,
    ident: str | None,
    features: Sequence[tuple[str, object]],
    prediction: str | None,
    score: str | None,
    version: str | None,
    tags: Sequence[tuple[str, object]],
    latency: float | None,
    error: str | None,
    environment: str,
    time: str | None,
    run: str | None,
    store: str | None,
    *,
    as_json: bool,
) -> None:
    """Record a prediction: watchglass log prediction fraud --id tx-1 --feature amount=41.5 --prediction 1 --score .93."""
    event = {
        "kind": "prediction",
        "model": model,
        "id": ident,
        "time": time,
        "version": version,
        "environment": environment,
        "features": dict(features),
        "prediction": None if prediction is None else as_value(prediction),
        "score": None if score is None else as_value(score),
        "tags": dict(tags),
        "latency": latency,
        "error": error,
        "run": run,
    }
    _sent(store, event, as_json=as_json)


@log.command()
@click.argument("model")
@click.argument("ident", metavar="ID")
@click.argument("label")
@environment_option
@time_option
@where_option
@json_option
def label(  # noqa: PLR0913 - options
    model: str, ident: str, label: str, environment: str, time: str | None, store: str | None, *, as_json: bool
) -> None:
    """Record the truth for a prediction by its id: watchglass log label fraud tx-1 0."""
    event = {"kind": "label", "model": model, "id": ident, "environment": environment, "time": time}
    _sent(store, {**event, "label": as_value(label)}, as_json=as_json)


@log.command()
@click.argument("name")
@click.argument("value", type=float)
@click.option("--label", "labels", type=Pair(), multiple=True, help="A label; may be repeated.")
@click.option("--step", type=int, default=None, help="The step of a training.")
@time_option
@run_option
@where_option
@json_option
def metric(  # noqa: PLR0913, PLR0917 - options
    name: str,
    value: float,
    labels: Sequence[tuple[str, object]],
    step: int | None,
    time: str | None,
    run: str | None,
    store: str | None,
    *,
    as_json: bool,
) -> None:
    """Record a metric point: watchglass log metric queue_depth 3 --label host=a."""
    event = {"kind": "metric", "name": name, "value": value, "labels": dict(labels), "step": step}
    _sent(store, {**event, "time": time, "run": run}, as_json=as_json)


@log.command()
@click.argument("message")
@click.option(
    "--level",
    type=click.Choice(("debug", "info", "warning", "error", "critical")),
    default="info",
    show_default=True,
    help="How grave it is.",
)
@click.option("--logger", default=None, help="Who says it.")
@click.option("--tag", "tags", type=Pair(), multiple=True, help="A tag; may be repeated.")
@time_option
@run_option
@where_option
@json_option
def line(  # noqa: PLR0913, PLR0917 - options
    message: str,
    level: str,
    logger: str | None,
    tags: Sequence[tuple[str, object]],
    time: str | None,
    run: str | None,
    store: str | None,
    *,
    as_json: bool,
) -> None:
    """Record a log line: watchglass log line "the queue is full" --level warning."""
    event = {"kind": "log", "message": message, "level": level, "logger": logger, "tags": dict(tags)}
    _sent(store, {**event, "time": time, "run": run}, as_json=as_json)


@log.command()
@click.argument("file", type=click.File("rb"))
@where_option
@json_option
def events(file: BinaryIO, store: str | None, *, as_json: bool) -> None:
    """Record events of any kind from a file of JSON lines, or from standard input (-)."""
    lines = 0
    with recording(), Delivery(store) as delivery, progress_bar("lines") as moved:
        for piece in pieces(file):
            try:
                delivery.lines(piece, lines)
            except (BadInput, StoreError) as error:
                told = f"{error} Of the lines before line {lines + 1}, {delivery.told.accepted} events are recorded."
                raise type(error)(told) from error
            lines += piece.count(b"\n")
            moved(lines, lines)
    if as_json:
        click.echo(json.dumps(delivery.answer(), ensure_ascii=False))
    else:
        click.echo(f"{delivery.told.accepted} events recorded, {delivery.told.rejected_count} lines refused")
    for number, why in delivery.told.rejected[:10]:
        click.echo(f"line {number}: {why}", err=True)
    if delivery.told.rejected_count:
        sys.exit(1)
