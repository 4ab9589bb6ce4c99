"""A store → the same, kept, for who has no server running: compacted, without what is past its time, and copied elsewhere."""

from __future__ import annotations

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.show.words import counted, moment


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


@click.command()
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would go.")
@store_option
@json_option
def expire(path: str | None, *, dry: bool, as_json: bool) -> None:
    """Let rows go that the setting retention no longer keeps; a server and compact do it by themselves, every hour."""
    with wg.open(path) as store, progress_bar("files written anew") as moved:
        done = store.expire(dry=dry, progress=moved)
    if as_json:
        print_json(done)
        return
    said = "would go" if dry else "went"
    click.echo(f"{counted(done.rows, 'row')} of {counted(done.files, 'file')} {said}")
    if done.tables:
        rows = [(g.table, g.model, g.files, g.rows, g.bytes, moment(g.first), moment(g.last)) for g in done.tables]
        print_table(("table", "model", "files", "rows", "bytes", "from", "to"), rows, right=(2, 3, 4))


COMMANDS = (compact, expire)
