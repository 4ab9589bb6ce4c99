"""The table of settings and a store's own → what holds here and why; and a change that running processes heed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from watchglass import settings
from watchglass.cli.printing import json_option, print_table, store_option
from watchglass.errors import BadInput
from watchglass.store.folder import Folder, prepare
from watchglass.store.tuning import NAMES, document, parsed, set_setting, settings_of

if TYPE_CHECKING:
    from watchglass.capture.tuned import Tuned

_MEANS = {
    "enabled": "Whether processes record at all.",
    "level": "The level from which on log lines are recorded.",
    "sampling": "Rules that say which predictions are kept, and with what weight.",
    "redaction": "Rules that say what is dropped, hashed or masked before it is written.",
    "retention": "How many days and bytes of each table are kept.",
}


@click.group(invoke_without_command=True)
@store_option
@json_option
@click.pass_context
def config(context: click.Context, path: str | None, *, as_json: bool) -> None:
    """Show each setting with its value and where that comes from, and the store's settings, which running processes heed."""
    if context.invoked_subcommand is not None:
        return
    rows = [
        {"name": row.name, "value": _shown(row, path), "source": _source(row, path), "means": row.sentence}
        for row in settings.SETTINGS
    ]
    tuned = document(settings_of(Folder(Path(settings.resolve(settings.STORE, path)))))
    if as_json:
        click.echo(json.dumps({"settings": rows, "running": tuned}, indent=2, ensure_ascii=False))
        return
    print_table(("setting", "value", "from", "what it means"), [tuple(row.values()) for row in rows])
    click.echo("\nHeeded by running processes within ten seconds (watchglass config set NAME VALUE):")
    print_table(("setting", "value", "what it means"), [(name, _text(tuned.get(name)), _MEANS[name]) for name in NAMES])


@config.command("set")
@click.argument("name")
@click.argument("value")
@store_option
@json_option
def set_(name: str, value: str, path: str | None, *, as_json: bool) -> None:
    """Change a setting of a store: enabled on|off, level LEVEL, sampling, redaction or retention JSON; VALUE unset takes it back."""
    store = settings.resolve(settings.STORE, path)
    if "://" in store:
        message = f"the settings of the server {store!r} are changed there: on its machine with --store FOLDER, or PUT /api/v1/settings"
        raise BadInput(message)
    tuned: Tuned = set_setting(prepare(store), name, parsed(name, value))
    if as_json:
        click.echo(json.dumps(document(tuned), indent=2, ensure_ascii=False))
    else:
        click.echo(
            f"{name} is {_text(document(tuned).get(name)) or 'not set'}; "
            + (
                "whoever keeps the store heeds it within the hour"
                if name == "retention"
                else "running processes heed it within ten seconds"
            )
        )


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _shown(row: object, path: str | None) -> object:
    value = settings.resolve(cast("settings.Setting[str]", row), path if row is settings.STORE else None)
    return "set" if row in (settings.TOKEN, settings.HASH_KEY) and value else value


def _source(row: object, path: str | None) -> str:
    env = getattr(row, "env", "")
    if row is settings.STORE and path is not None:
        return "--store"
    return env if os.environ.get(env) else "default"


COMMANDS = (config,)
