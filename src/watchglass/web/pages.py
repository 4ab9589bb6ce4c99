"""A template and what it shows → a page in the common frame; a chart → markup that may stand in it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import orjson
from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from watchglass.show import words
from watchglass.show.render import inline
from watchglass.web import urls
from watchglass.web.assets import address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watchglass.show.drawing import Chart
    from watchglass.web.reads import Reads

_OPEN = ("open", "acknowledged", "muted")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("watchglass.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(urls=urls, words=words, address=address, drawing=drawing)
    return environment


def drawing(chart: Chart) -> Markup:
    """Draw a chart as an element of the page; its own text is escaped by the renderer."""
    return Markup(inline(chart.spec))  # noqa: S704 - the renderer's SVG


def page(store: Reads, template: str, shown: Mapping[str, object], status: int = 200) -> Response:
    """Fill a template of the common frame."""
    frame = {
        "path": store.path,
        "last_window": store.last_window(),
        "dropped": store.dropped(),
        "rejected": store.rejected(),
        "new": sum(found.state == "open" for found in store.incidents(state="open")),
    }
    return HTMLResponse(_environment().get_template(template).render(**frame, **shown), status_code=status)


def bare_page(template: str, shown: Mapping[str, object], status: int) -> Response:
    """Fill a template of the common frame without asking the store: for when asking is what failed."""
    frame = {"path": None, "last_window": None, "dropped": 0, "rejected": 0, "new": 0}
    return HTMLResponse(_environment().get_template(template).render(**frame, **shown), status_code=status)


def json(answer: object, status: int = 200) -> Response:
    """Write records as JSON: field names as in the records, times with offset, null for a number that is none."""
    content = orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE)
    return Response(content, status_code=status, media_type="application/json")


def emphasised(sentence: str, phrases: Iterable[str]) -> Markup:
    """Set the phrases that carry a sentence in bold, the longest first.

    >>> str(emphasised("Since 12 June <b> fell", ["12 June", "June"]))
    'Since <b>12 June</b> &lt;b&gt; fell'
    """
    wanted = sorted({phrase for phrase in phrases if phrase}, key=len, reverse=True)
    if not wanted:
        return escape(sentence)
    pattern = re.compile("(" + "|".join(rf"(?<!\w){re.escape(phrase)}(?!\w)" for phrase in wanted) + ")")
    parts = pattern.split(sentence)
    return Markup("").join(Markup("<b>{}</b>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts))


def is_open(state: str) -> bool:
    """Tell whether an incident in this state still stands."""
    return state in _OPEN
