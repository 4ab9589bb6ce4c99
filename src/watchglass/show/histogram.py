"""A histogram record → its chart: the reference in grey, what came since the onset in the accent."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from watchglass.records import main_slice
from watchglass.show import words
from watchglass.show.drawing import Chart, Plot, colour, frame, label, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import ColumnEvidence, Histogram, Incident, Json
    from watchglass.show.drawing import Spec

_ROWS = 10
_NAMES = 104
_SHARES = 52
_WIDEST = 3.0
_NARROWEST = 1 / 64


def histogram(incident: Incident, width: int) -> Chart | None:
    """Draw the first column's histogram, reference against since the onset; None where none was kept."""
    found = incident.charts.histogram
    if found is None or not found.reference or len(found.reference) != len(found.current):
        return None
    if len(found.values or found.edges[1:]) != len(found.reference):
        return None
    spec = _categories(found, incident, width) if found.values else _numbers(found, width)
    column = next((c for c in incident.columns if c.name == found.column), None)
    chosen = main_slice(incident.slices)
    where = f" at {words.slice_words(chosen)}" if chosen else ""
    headline = _means(found, where) if chosen and not found.values else _headline(found, column)
    said = f"{headline}. Reference in grey, since the onset in blue."
    return Chart("histogram", words.cut(found.column, 36) + where, spec, said, headline)


def drawn_edges(edges: Sequence[float]) -> list[float]:
    """Give the edges as they are drawn: an outermost bin is at most three times the middle bin's width.

    >>> drawn_edges([float("-inf"), 0.0, 1.0, 2.0, 3.0, 1e9])
    [-3.0, 0.0, 1.0, 2.0, 3.0, 6.0]
    """
    inner = [b - a for a, b in pairwise(edges[1:-1]) if math.isfinite(b - a) and b > a]
    most = _WIDEST * median(inner) if inner else 1.0
    drawn = list(edges)
    if len(drawn) > 2:  # noqa: PLR2004 - more than one bin
        drawn[0] = max(drawn[0], drawn[1] - most)
        drawn[-1] = min(drawn[-1], drawn[-2] + most)
    return drawn


def densities(edges: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Give share for each unit of width, so that bins of unequal width compare; a spike's width has a floor."""
    floor = (edges[-1] - edges[0]) * _NARROWEST or 1.0
    return [share / max(b - a, floor) for a, b, share in zip(edges[:-1], edges[1:], shares, strict=True)]


def _numbers(found: Histogram, width: int) -> Spec:
    plot = Plot(width - 8, 158, right=8, top=30, bottom=22)
    edges = drawn_edges(found.edges)
    before, since = densities(edges, found.reference), densities(edges, found.current)
    top = max([*before, *since]) * 1.04 or 1.0
    marks: list[Json] = list(ticks(edges[0], edges[-1]))
    x: Spec = {
        "field": "low",
        "type": "quantitative",
        "scale": {"domain": [edges[0], edges[-1]], "zero": False, "nice": False},
        "axis": {"values": marks, "grid": False, "format": "~g", "labelFlush": True},
    }
    y: Spec = {
        "field": "v",
        "type": "quantitative",
        "scale": {"domain": [0, top], "nice": False},
        "axis": None,
    }
    bars: list[Json] = [{"low": a, "high": b, "v": v} for a, b, v in zip(edges[:-1], edges[1:], before, strict=True)]
    steps: list[Json] = [{"low": a, "v": v} for a, v in zip(edges, [*since, since[-1]], strict=True)]
    layers: list[Json] = [
        {
            "data": {"values": bars},
            "mark": {"type": "rect", "color": colour("ref"), "opacity": 0.38},
            "encoding": {"x": x, "x2": {"field": "high"}, "y": y, "y2": {"datum": 0}},
        },
        {
            "data": {"values": steps},
            "mark": {"type": "line", "interpolate": "step-after", "color": colour("accent"), "strokeWidth": 1.75},
            "encoding": {"x": x, "y": y},
        },
        *_key(),
    ]
    return frame(plot, layers)


def _key() -> list[Json]:
    return [label("reference", (0, -12), "muted"), label("since onset", (78, -12), "accent")]


def _chosen(found: Histogram, incident: Incident) -> list[int]:
    """Choose the rows shown: the values that moved most, in the order of the record."""
    moved = sorted(range(len(found.values)), key=lambda i: -abs(found.current[i] - found.reference[i]))
    named = {column.value for column in incident.columns if column.name == found.column}
    moved.sort(key=lambda i: found.values[i] not in named)
    return sorted(moved[:_ROWS])


def _categories(found: Histogram, incident: Incident, width: int) -> Spec:
    chosen = _chosen(found, incident)
    step = 158 / max(len(chosen), 4)
    plot = Plot(width - _NAMES - _SHARES, round(step * len(chosen)), left=_NAMES, right=_SHARES, top=30, bottom=22)
    top = max(max(found.reference[i], found.current[i]) for i in chosen) or 1.0
    scale: Spec = {"domain": [0, top * 1.02], "nice": False}
    x: Spec = {"field": "share", "type": "quantitative", "scale": scale, "axis": None}
    layers: list[Json] = []
    for half, (hue, opacity, shares) in enumerate((("ref", 0.6, found.reference), ("accent", 1.0, found.current))):
        for row, i in enumerate(chosen):
            high = step * 0.36
            at = step * row + step * 0.12 + half * (high + 1)
            bar: Spec = {
                "data": {"values": [{"value": found.values[i], "share": shares[i], "from": 0}]},
                "mark": {"type": "rect", "color": colour(hue), "opacity": opacity},
                "encoding": {
                    "x": x,
                    "x2": {"field": "from"},
                    "y": {"value": round(at, 1)},
                    "y2": {"value": round(at + high, 1)},
                },
            }
            layers.append(bar)
    named = {column.value for column in incident.columns if column.name == found.column}
    for row, i in enumerate(chosen):
        at = step * (row + 0.5)
        bold = found.values[i] in named
        ink = "ink" if bold else "muted"
        layers.append(label(words.cut(found.values[i], 15), (-8, at), ink, align="right", bold=bold))
        layers.append(label(words.percent(found.current[i]), (plot.width + 6, at), ink, bold=bold))
    return frame(plot, [*layers, *_key()])


def _means(found: Histogram, where: str) -> str:
    """Say how the mean moved in the slice, from the bins drawn."""
    middle = [(a + b) / 2 for a, b in pairwise(drawn_edges(found.edges))]
    before, since = (
        sum(x * share for x, share in zip(middle, shares, strict=True)) for shares in (found.reference, found.current)
    )
    return f"{found.column}{where} moved from a mean of {words.number(before)} to {words.number(since)}"


def _headline(found: Histogram, column: ColumnEvidence | None) -> str:
    if column is None:
        return f"{found.column}, in the reference and since the onset"
    if column.unit == "share":
        what = f"the share of {column.value}" if column.value is not None else column.aspect
        return f"{found.column}: {what} went from {words.percent(column.before)} to {words.percent(column.after)}"
    return f"{found.column} moved from a mean of {words.number(column.before)} to {words.number(column.after)}"
