"""The words on the command line → a command: one group, a file for each kind of question."""

from __future__ import annotations

import sys

import click

from watchglass.cli import (
    artifacts,
    asking,
    comparing,
    configuring,
    drifting,
    exchanging,
    forgetting,
    keeping,
    labelling,
    looking,
    mending,
    playing,
    quality,
    quarantining,
    questions,
    rerunning,
    reviewing,
    runs,
    serving,
    tagging,
    tracing,
    wrapping,
)
from watchglass.errors import WatchglassError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="watchglass")
def commands() -> None:
    """The flight recorder for machine-learning systems: what went wrong, since when, how sure, and why."""


for group in (
    playing,
    looking,
    artifacts,
    quarantining,
    labelling,
    quality,
    drifting,
    asking,
    questions,
    serving,
    keeping,
    forgetting,
    tagging,
    tracing,
    exchanging,
    mending,
    wrapping,
    configuring,
    comparing,
    reviewing,
    runs,
    rerunning,
):
    for command in group.COMMANDS:
        commands.add_command(command)


def main() -> None:
    """Run a command; an error of ours is one sentence on stderr and exit code 2."""
    try:
        commands(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except WatchglassError as error:
        click.echo(f"watchglass: {error}", err=True)
        sys.exit(2)
