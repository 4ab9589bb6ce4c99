"""Another system's database → this store: what `watchglass import mltrace postgresql://…` does and says."""

from __future__ import annotations

import click

from watchglass.cli.printing import print_json, progress_bar
from watchglass.errors import BadInput
from watchglass.show.words import counted

SYSTEMS = ("mltrace",)


def move_in(system: str, url: str, path: str | None, prefix: str, zone: str, *, as_json: bool) -> None:
    """Take over a database, and say what came; raises `BadInput` for a system that is not known."""
    from watchglass.reading import create_store  # noqa: PLC0415 - makes the folder

    if system not in SYSTEMS:
        message = f"a database of {system!r} cannot be taken over: {', '.join(SYSTEMS)} would do, as in watchglass import mltrace postgresql://…"
        raise BadInput(message)
    with create_store(path) as store, progress_bar("runs") as moved:
        done = store.import_mltrace(url, prefix=prefix, zone=zone, progress=moved)
    if as_json:
        print_json(done)
        return
    click.echo(
        f"{counted(done.components, 'component')}, {counted(done.runs, 'run')}, {counted(done.flags, 'flag')}, "
        f"{counted(done.subjects, 'subject tag')}, {counted(done.predictions, 'prediction')} and {counted(done.labels, 'label')} "
        f"taken over from {done.source}"
    )
    for reason, times in done.left_out.items():
        click.echo(f"not taken, {times} ×: {reason}")
