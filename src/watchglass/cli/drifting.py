"""Two tables, or chosen predictions of a store → a terminal, JSON, or a page in one file: what moved, how far, how surely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.show.comparison_report import chance
from watchglass.show.words import number
from watchglass.store.tabular.chosen import chosen

if TYPE_CHECKING:
    from watchglass.comparing import Comparison


@click.command()
@click.option("--reference", required=True, metavar="A", help="A table: a file, a pattern or a folder (Parquet, CSV, JSON lines, Arrow); or predictions of the store: model=fraud,version=3,start=2026-06-01,tag.site=harbour.")  # fmt: skip
@click.option("--current", required=True, metavar="B", help="What is held against it.")
@click.option("--time", default=None, metavar="COLUMN", help="The column of time, whose days tell how much rows resemble each other.")  # fmt: skip
@click.option("--column", "columns", multiple=True, help="Compare this column only; may be repeated.")
@click.option("--false-discoveries", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True, help="The share of columns said to have moved that may be wrong.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write the report to this file.")  # fmt: skip
@click.option("--fail-on", type=click.IntRange(min=1), default=None, metavar="N", help="Exit with 1 when N columns moved, are gone or have another type.")  # fmt: skip
@store_option
@json_option
def drift(  # noqa: PLR0913 - an option each
    reference: str,
    current: str,
    *,
    time: str | None,
    columns: tuple[str, ...],
    false_discoveries: float,
    html: Path | None,
    fail_on: int | None,
    path: str | None,
    as_json: bool,
) -> None:
    """Compare two tables column by column: how far each moved, and whether sampling alone would do that. Needs no store."""
    with progress_bar("rows") as moved:
        asked = (reference, current)
        if any(chosen(each) is not None for each in asked):
            with wg.open(path) as store:
                found = store.compare(
                    *asked, time=time, columns=columns or None, false_discoveries=false_discoveries, progress=moved
                )
        else:
            found = wg.compare(
                *asked, time=time, columns=columns or None, false_discoveries=false_discoveries, progress=moved
            )
    if html is not None:
        found.html(html)
    if as_json:
        print_json(found)
    else:
        _tell(found, html)
    if fail_on is not None and len(found.changed) >= fail_on:
        raise SystemExit(1)


def _tell(found: Comparison, html: Path | None) -> None:
    click.echo(found.sentence)
    rows = [
        (
            column.name,
            column.found,
            number(column.effect),
            chance(column.p),
            column.sentence,
        )
        for column in found.columns
    ]
    print_table(("column", "is", "effect", "p", "what was found"), rows, right=(2, 3))
    click.echo(f"{found.rows_reference} and {found.rows_current} rows. {found.parted}")
    if html is not None:
        click.echo(f"report: {html}")


COMMANDS = (drift,)
