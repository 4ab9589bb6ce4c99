"""A graph of runs and versions → its drawing as an element of a page, whose boxes lead to the pages of what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from watchglass.show import lineage_boxes
from watchglass.web import urls

if TYPE_CHECKING:
    from watchglass.show.lineage_graph import Graph

PAGES: Final = lineage_boxes.Addresses(urls.run, urls.component, urls.lineage)


def drawing(graph: Graph, facts: lineage_boxes.Facts, asked: str) -> Markup:
    """Draw a graph around what was asked for."""
    return Markup(lineage_boxes.drawing(graph, facts, asked, PAGES))  # noqa: S704 - the drawing escapes its text
