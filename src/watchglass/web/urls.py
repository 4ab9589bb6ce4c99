"""A page, a chart, a file → its address: every link of the pages is made here.

>>> incident(17), incident(17, twin="json"), chart(17, "accuracy", "svg")
('/incidents/17', '/incidents/17.json', '/incidents/17/accuracy.svg')
>>> incidents(model="a b&c", state="resolved")
'/incidents?model=a+b%26c&state=resolved'
>>> model("<b>")
'/#m-%253Cb%253E'
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

INDEX = "/"
REVIEW = "/review"
FLAG = "/flag"
UNFLAG = "/unflag"
JUMP = "/jump"
API = "/api/v1"
OPENAPI = "/api/v1/openapi.json"


def index(*, to: datetime | None = None, twin: str = "") -> str:
    """Give the address of the first page, ending before the day `to` where one is named."""
    path = f"/index.{twin}" if twin else INDEX
    return f"{path}?to={to:%Y-%m-%d}" if to else path


def incidents(*, model: str | None = None, state: str | None = None, page: int = 1, twin: str = "") -> str:
    """Give the address of the list of incidents."""
    asked = {"model": model, "state": state, "page": page if page > 1 else None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return f"/incidents{'.' if twin else ''}{twin}" + (f"?{query}" if query else "")


def incident(number: int, *, twin: str = "") -> str:
    """Give the address of an incident."""
    return f"/incidents/{number}" + (f".{twin}" if twin else "")


def chart(number: int, name: str, twin: str) -> str:
    """Give the address of a chart of an incident as a file."""
    return f"/incidents/{number}/{name}.{twin}"


def anchor(name: str) -> str:
    """Give the id of a model's row: no character in it means anything in HTML or in an address."""
    return f"m-{quote(name, safe='')}"


def model(name: str) -> str:
    """Give the address of a model's row on the first page."""
    return f"/#{quote(anchor(name), safe='')}"


def runs(asked: Mapping[str, str | None] | None = None, *, twin: str = "") -> str:
    """Give the address of the list of runs, of those that are asked for.

    >>> runs({"component": "a b", "status": None})
    '/runs?component=a+b'
    """
    return _asked("/runs", twin, asked or {})


def run(ident: str, *, twin: str = "") -> str:
    """Give the address of a run.

    >>> run("a/b c", twin="json")
    '/runs/a%2Fb%20c.json'
    """
    return f"/runs/{quote(ident, safe='')}" + (f".{twin}" if twin else "")


def component(name: str, *, after: str | None = None, twin: str = "") -> str:
    """Give the address of a component's history."""
    return _asked(f"/components/{quote(name, safe='')}", twin, {"after": after})


def durations(name: str, twin: str, run: str | None = None) -> str:
    """Give the address of the chart of a component's durations as a file, a run of it marked."""
    return _asked(f"/components/{quote(name, safe='')}/durations", twin, {"run": run})


def lineage(of: str | None = None, version: str | None = None, *, depth: int | None = None, twin: str = "") -> str:
    """Give the address of what an artifact or a run was made of, and of what came of it."""
    return _asked("/lineage", twin, {"of": of, "version": version, "depth": None if depth is None else str(depth)})


def compare(first: str | None = None, second: str | None = None, *, twin: str = "") -> str:
    """Give the address of two runs side by side."""
    return _asked("/compare", twin, {"a": first, "b": second})


def review(*, after: int | None = None, twin: str = "") -> str:
    """Give the address of the flagged outputs and the runs behind them."""
    return _asked(REVIEW, twin, {"after": None if after is None else str(after)})


def subjects(*, search: str | None = None, after: str | None = None, twin: str = "") -> str:
    """Give the address of the list of subjects."""
    return _asked("/subjects", twin, {"search": search, "after": after})


def subject(tag: str, *, after: str | None = None, twin: str = "") -> str:
    """Give the address of a subject.

    >>> subject("client/17")
    '/subjects/client%2F17'
    """
    return _asked(f"/subjects/{quote(tag, safe='')}", twin, {"after": after})


def _asked(path: str, twin: str, asked: Mapping[str, str | None]) -> str:
    query = urlencode({name: value for name, value in asked.items() if value})
    return path + (f".{twin}" if twin else "") + (f"?{query}" if query else "")


def static(name: str, mark: str) -> str:
    """Give the address of a file of the pages; `mark` changes with its content, so it may be kept for ever."""
    return f"/static/{name}?v={mark}"
