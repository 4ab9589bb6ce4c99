"""A recorded run → the same function called again, and whether the same came out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, store_option
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.argument("ident", metavar="ID")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VERSION", help="Another version, or a file, in the place of what was read.")  # fmt: skip
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Another value of an argument: JSON, else a text.")  # fmt: skip
@click.option("--model", "models", multiple=True, metavar="MODEL=VERSION", help="The artifact of another version of a model.")  # fmt: skip
@store_option
@json_option
def rerun(
    ident: str,
    inputs: Sequence[str],
    params: Sequence[str],
    models: Sequence[str],
    path: str | None,
    *,
    as_json: bool,
) -> None:
    """Run a recorded run again, with what it read or with one thing changed. Start it where its module can be imported.

    Exit code 0 when it ended as before with the same outputs, else 1.
    """
    values = {name: _value(text) for name, text in _pairs(params, "--param").items()}
    with wg.open(path) as store:
        found = store.rerun(ident, inputs=_pairs(inputs, "--input"), params=values, models=_pairs(models, "--model"))
    if as_json:
        print_json(found)
    else:
        if found.missing:
            click.echo(f"run {ident} cannot be run again:")
        else:
            click.echo(f"run {ident} again is {found.run}: {'the same came out' if found.same else 'it came out differently'}")  # fmt: skip
        for line in (*found.missing, *found.differs):
            click.echo(f"  {line}")
    if not found.same:
        raise SystemExit(1)


def _pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """Read name=value words; raises `BadInput`.

    >>> _pairs(["rows=v2", "cut=a=b"], "--input")
    {'rows': 'v2', 'cut': 'a=b'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, told, value = word.partition("=")
        if not told or not name:
            message = f"{option} cannot be {word!r}: NAME=VALUE would do"
            raise BadInput(message)
        found[name] = value
    return found


def _value(text: str) -> object:
    with suppress(ValueError):
        return json.loads(text)
    return text


COMMANDS = (rerun,)
