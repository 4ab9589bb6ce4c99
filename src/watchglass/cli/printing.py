"""Records → a terminal: tables with rich, JSON with the records' own field names, progress bars on stderr."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Drawn
from rich.text import Text

from watchglass.store.codec import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

store_option = click.option(
    "--store", "path", default=None, metavar="FOLDER", help="The store; else WATCHGLASS_STORE, else ./watchglass-data."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; its keys are the records' field names.")


def print_json(record: object) -> None:
    """Print a record, or a sequence of records, as JSON."""
    value = [plain(item) for item in record] if isinstance(record, list | tuple) else plain(record)
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """Print rows as a table as wide as the terminal; numbers to the right."""
    drawn = Drawn(box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(head):
        drawn.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text("–" if value is None else str(value)) for value in row))  # a text alone may hold markup
    Console(highlight=False).print(drawn)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function (done, total) that moves a bar on stderr; silent where stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
