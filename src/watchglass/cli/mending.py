"""A store that may be damaged → what is wrong with it, and, when asked, a store that is whole again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from watchglass import settings
from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.show.words import moment

if TYPE_CHECKING:
    from watchglass.store.doctor.visit import Finding, Report


@click.command()
@click.option(
    "--mend", is_flag=True, help="Mend what can be mended; nothing is deleted that is not proved to be elsewhere."
)
@click.option("--quick", is_flag=True, help="Leave the sums of the files out.")
@store_option
@json_option
def doctor(path: str | None, *, mend: bool, quick: bool, as_json: bool) -> None:
    """Check a store: catalog, files, sums, indexes, log. Exit code 1 when an error is left."""
    from watchglass.store.doctor.examine import diagnose  # noqa: PLC0415 - costs only who asks

    folder = settings.resolve(settings.STORE, path)
    with progress_bar("files") as moved:
        report = diagnose(folder, now=datetime.now(UTC), mend=mend, quick=quick, progress=moved)
    if as_json:
        print_json(report)
    else:
        _tell(report)
    if not report.sound:
        raise SystemExit(1)


def _tell(report: Report) -> None:
    """Print the verdict, then each finding with what it means and what to do."""
    left = [item for item in report.findings if item.severity == "error" and not item.mended]
    looked = f"{report.files} files and {report.segments} segments, {report.rows:,} rows"
    verdict = "sound" if report.sound else f"damaged: {len(left)} errors are left"
    click.echo(f"{report.path}: {verdict} ({looked}{', sums left out' if report.quick else ''})")
    if report.findings:
        rows = [(item.severity, item.what, item.path, _said(item)) for item in report.findings]
        print_table(("", "what", "where", "what it means, and what to do"), rows)


def _said(item: Finding) -> str:
    span = f" [{moment(item.first)} to {moment(item.last)}]" if item.first and item.last else ""
    return f"{item.means}{span}. " + ("Mended." if item.mended else f"To do: {item.mend}")


COMMANDS = (doctor,)
