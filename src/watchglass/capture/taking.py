"""What a run is told it reads or writes → an artifact, its content read only while the run's budget lasts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from watchglass.capture.artifacts import Artifact, declared, given, is_file
from watchglass.capture.budget import size_of
from watchglass.capture.queries import Query, asked, is_url, located

if TYPE_CHECKING:
    from watchglass.capture.artifacts import Item
    from watchglass.capture.budget import Spending


def taken(thing: object, name: object, spending: Spending, left_out: list[str]) -> Artifact:
    """Take what `run.read` and `run.write` get; `name` may be a query, whose answer the thing is.

    Raises `BadInput` for a value without a name.
    """
    if isinstance(thing, Artifact):
        return thing
    if isinstance(thing, Query):
        return asked(thing)
    if isinstance(name, Query):
        content = _within(partial(given, thing, name.name), thing, name.name, spending, left_out)
        return asked(name, content)
    if name is None:
        return _item(thing, spending, left_out)
    return _within(partial(given, thing, cast("str", name)), thing, str(name), spending, left_out)


def _item(thing: object, spending: Spending, left_out: list[str]) -> Artifact:
    if isinstance(thing, str) and thing and not is_file(thing):
        return located(thing) if is_url(thing) else Artifact(thing, None, {"kind": "name"})
    if isinstance(thing, tuple) and len(thing) == 2 and isinstance(thing[0], str):  # noqa: PLR2004 - a pair
        return taken(thing[1], thing[0], spending, left_out) if thing[0] else declared(cast("Item", thing))
    return _within(partial(declared, cast("Item", thing)), thing, str(thing)[:200], spending, left_out)


def _within(verb: partial[Artifact], thing: object, name: str, spending: Spending, left_out: list[str]) -> Artifact:
    size = size_of(thing, is_path=isinstance(thing, str) and is_file(thing))
    why = spending.refuses(size)
    if why is None:
        return spending.timed(size, verb)
    left_out.append(f"the version of {name!r}: {why}")
    return Artifact(name, None, {"kind": "name", **({"bytes": size} if size else {})})
