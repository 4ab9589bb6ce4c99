"""A store → the same, kept: `watchglass compact`, for who has no server running."""

from __future__ import annotations

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, progress_bar, store_option
from watchglass.show.words import counted


@click.command()
@store_option
@json_option
def compact(path: str | None, *, as_json: bool) -> None:
    """Move the log into the tables, count the cells, merge small files, sweep what nobody needs; a server does it by itself."""
    with wg.open(path) as store, progress_bar("bytes of the log") as moved:
        done = store.compact(progress=moved)
    if as_json:
        print_json(done)
        return
    click.echo(
        f"{counted(done.rows, 'row')} of {counted(done.segments, 'segment')} moved into {counted(done.files, 'file')}, "
        f"{counted(done.rejected, 'row')} rejected, {counted(done.counted, 'file')} counted, {counted(done.merged, 'file')} merged away"
    )


COMMANDS = (compact,)
