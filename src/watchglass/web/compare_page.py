"""A store → two runs side by side, and what differs between them; and its twin in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from watchglass.errors import BadInput
from watchglass.show import run_changes as changes
from watchglass.show import words
from watchglass.show.run_words import LOOKS, component, listed, short, took
from watchglass.web import urls
from watchglass.web.pages import emphasised, json, page
from watchglass.web.run_view import ROWS

if TYPE_CHECKING:
    from markupsafe import Markup

    from watchglass.show.run_changes import Row
    from watchglass.store.runs.comparing import RunDiff
    from watchglass.web.reads import Reads

_COMPONENTS = 1000
_KINDS = {
    "code": ("place of the code", "places of the code"),
    "parameter": ("parameter", "parameters"),
    "input": ("input", "inputs"),
    "package": ("package", "packages"),
    "environment": ("other thing of the environment", "other things of the environment"),
}


def router(store: Reads) -> APIRouter:
    """Make the routes of the comparison over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/compare")
    def compare(a: str = "", b: str = "") -> Response:
        return page(store, "compare.html", shown(store, a.strip(), b.strip()))

    @routes.get("/compare.json")
    def compare_json(a: str = "", b: str = "") -> Response:
        if not a.strip():
            message = "a is missing: the id of a run or the name of a component would do"
            raise BadInput(message)
        return json(store.diff(a.strip(), b.strip() or None))

    return routes


def shown(store: Reads, first: str, second: str) -> dict[str, object]:
    """Gather what the page shows; without runs, how they are named."""
    names = [one.name for one in store.components(limit=_COMPONENTS).components]
    if not first:
        return {"asked": False, "a": "", "b": second, "components": names}
    diff = store.diff(first, second or None)
    before, after = (store.run(one.id, predictions=False) for one in (diff.first, diff.second))
    rows = changes.rows(diff)
    return {
        "asked": True,
        "a": first,
        "b": second,
        "components": names,
        "diff": diff,
        "pair": (diff.first, diff.second),
        "rows": rows,
        "same": changes.same(diff, before, after),
        "source": changes.source_parts(diff.source),
        "lead": _lead(diff, rows),
        "most": ROWS,
        "LOOKS": LOOKS,
        "short": short,
        "took": took,
        "component_words": component,
        "twin_address": urls.compare(first, second or None, twin="json"),
    }


def _lead(diff: RunDiff, rows: tuple[Row, ...]) -> Markup:
    names = [component(one.component, one.version) for one in (diff.first, diff.second)]
    times = [words.moment(one.started) for one in (diff.first, diff.second)]
    other = "that" if names[0] == names[1] else names[1]
    pair = f"{names[0]} of {times[0]} and {other} of {times[1]}"
    if diff.same:
        known = ", as far as it is known" if diff.unknown else ""
        return emphasised(f"{pair} have the same code, parameters, environment and inputs{known}.", names)
    counted = {name: sum(row.kind == name for row in rows) for name in _KINDS}
    said = [words.counted(number, *_KINDS[kind]) for kind, number in counted.items() if number]
    return emphasised(f"{pair} differ in {listed(said, most=len(_KINDS))}.", names)
