"""A store → the same, kept, for who has no server running: compacted, without what is past its time, and copied elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.capture.times import micros
from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.show.words import counted, moment
from watchglass.store.models import moment as at_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.life.backups import Backup


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
        f"{counted(done.rejected, 'row')} rejected, {counted(done.counted, 'file')} counted, {counted(done.merged, 'file')} merged away, {counted(done.expired, 'row')} expired"
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


@click.command()
@click.argument("to", metavar="TO")
@click.option(
    "--prune", "keep", type=click.IntRange(min=1), metavar="KEEP", help="Then remove all but the newest KEEP."
)
@store_option
@json_option
def backup(to: str, path: str | None, *, keep: int | None, as_json: bool) -> None:
    """Put this moment of the store into the folder TO; a file that is there from an earlier backup is not written again."""
    with wg.open(path) as store, progress_bar("bytes") as moved:
        made = store.backup(to, keep=keep, progress=moved)
    if as_json:
        print_json(made)
        return
    click.echo(
        f"{made.name}: {counted(made.rows, 'row')} in {counted(made.files, 'file')}, {made.new_files} of them new"
        f" ({made.new_bytes} bytes), {made.log_bytes} bytes of the log"
    )


@click.command()
@click.argument("from_", metavar="FROM")
@click.argument("to", metavar="TO", required=False)
@click.option("--at", metavar="TIME", help="Of the newest backup not later than this: ISO 8601, no offset means UTC.")
@click.option("--list", "listing", is_flag=True, help="List the backups in FROM.")
@json_option
def restore(from_: str, to: str | None, *, at: str | None, listing: bool, as_json: bool) -> None:
    """Make a store in the folder TO of a backup in FROM, the newest unless --at says a time."""
    if listing or to is None:
        _list(wg.backups(from_), as_json=as_json)
        return
    with progress_bar("bytes") as moved:
        done = wg.restore(from_, to, None if at is None else at_time(micros(at, "--at")), progress=moved)
    if as_json:
        print_json(done)
        return
    click.echo(
        f"{done.path} is as {done.backup.store} was at {done.backup.time.isoformat()}: {counted(done.rows, 'row')}"
    )


def _list(found: Sequence[Backup], *, as_json: bool) -> None:
    if as_json:
        print_json(list(found))
        return
    rows = [
        (b.name, b.time.isoformat(timespec="seconds"), b.files, b.rows, b.bytes, b.new_bytes, b.store) for b in found
    ]
    print_table(("backup", "of", "files", "rows", "bytes", "new bytes", "store"), rows, right=(2, 3, 4, 5))


COMMANDS = (compact, expire, backup, restore)
