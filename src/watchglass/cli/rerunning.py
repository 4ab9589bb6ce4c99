"""A recorded run → the same function called again, and whether the same came out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, store_option
from watchglass.errors import BadInput, UnknownName
from watchglass.store.runs.predicted import Repredicted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.reading import Store
    from watchglass.store.runs.rerun import Rerun


@click.command()
@click.argument("ident", metavar="ID")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VERSION", help="Another version, or a file, in the place of what was read; of a prediction another value of a feature.")  # fmt: skip
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Another value of an argument: JSON, else a text.")  # fmt: skip
@click.option("--model", "models", multiple=True, metavar="MODEL=VERSION", help="The artifact of another version of a model.")  # fmt: skip
@click.option("--environment", default=None, help="Of a prediction whose id several environments have.")
@click.option("--allow-pickle", is_flag=True, help="Of a prediction: load the model though it is kept as a pickle, which may run anything.")  # fmt: skip
@store_option
@json_option
def rerun(  # noqa: PLR0913 - an option each
    ident: str,
    inputs: Sequence[str],
    params: Sequence[str],
    models: Sequence[str],
    environment: str | None,
    path: str | None,
    *,
    allow_pickle: bool,
    as_json: bool,
) -> None:
    """Run a recorded run again, or a prediction, with what it read or with one thing changed.

    A run's function is called: start it where its module can be imported. Of a prediction the kept artifact of its model is
    called with the recorded features. Exit code 0 when the same came out, else 1.
    """
    given, others = _pairs(inputs, "--input"), _pairs(models, "--model")
    found: Rerun | Repredicted
    with wg.open(path) as store:
        if _is_prediction(store, ident):
            found = _predicted(store, ident, (given, params, others), environment, allow_pickle=allow_pickle)
        else:
            values = {name: _value(text) for name, text in _pairs(params, "--param").items()}
            found = store.rerun(ident, inputs=given, params=values, models=others)
    if as_json:
        print_json(found)
    else:
        click.echo(_sentence(found))
        for line in (*found.missing, *found.differs):
            click.echo(f"  {line}")
    if not found.same:
        raise SystemExit(1)


def _is_prediction(store: Store, ident: str) -> bool:
    """Say whether an id is no run's, but a prediction's."""
    try:
        store.run(ident, predictions=False)
    except UnknownName:
        return bool(store.prediction(ident))
    return False


def _predicted(
    store: Store,
    ident: str,
    changed: tuple[dict[str, str], Sequence[str], dict[str, str]],
    environment: str | None,
    *,
    allow_pickle: bool,
) -> Repredicted:
    given, params, models = changed
    if params or len(models) > 1:
        message = "a prediction has no parameters and one model: --input NAME=VALUE, --model MODEL=VERSION would do"
        raise BadInput(message)
    model, version = next(iter(models.items()), (None, None))
    values = {name: _value(text) for name, text in given.items()}
    return store.rerun_prediction(ident, model, environment, inputs=values, version=version, allow_pickle=allow_pickle)


def _sentence(found: Rerun | Repredicted) -> str:
    came = "the same came out" if found.same else "it came out differently"
    if isinstance(found, Repredicted):
        noun = f"prediction {found.of} by {found.model} {found.version}"
        return f"{noun} cannot be made again:" if found.missing else f"{noun} is {found.prediction}: {came}"
    return f"run {found.of} cannot be run again:" if found.missing else f"run {found.of} again is {found.run}: {came}"


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
