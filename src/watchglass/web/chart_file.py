"""A chart and a form of file → the file: its specification as JSON, or its picture as SVG or PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Response
from starlette.exceptions import HTTPException

from watchglass.show.render import picture, png, printed
from watchglass.web.pages import json

if TYPE_CHECKING:
    from watchglass.show.drawing import Chart


def chart_file(chart: Chart, twin: str) -> Response:
    """Give a chart as json, png or svg; raises an error that names these for anything else."""
    if twin == "json":
        return json({**printed(chart.spec), "description": chart.sentence})
    if twin == "svg":
        return Response(picture(chart.spec), media_type="image/svg+xml")
    if twin == "png":
        return Response(png(chart.spec), media_type="image/png")
    raise HTTPException(404, f"a chart is not given as {twin!r}. Known: json, png, svg.")
