"""A slice before and since the onset → a dot for each on one scale, with a thread between them where their intervals part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from watchglass.show import words
from watchglass.show.drawing import Chart, Plot, colour, frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import Estimate, Json, SliceEvidence
    from watchglass.show.drawing import Spec

_PLOT = Plot(240, 20)
_EDGE = 6


def scale_of(slices: Sequence[SliceEvidence]) -> tuple[float, float]:
    """Give one scale for all rows of a table: from the lowest interval to the highest."""
    edges = [e for s in slices for found in (s.before, s.after) for e in (found.low, found.high, found.value)]
    known = [edge for edge in edges if math.isfinite(edge)] or [0.0, 1.0]
    low, high = min(known), max(known)
    return (low, high) if high > low else (low - 0.01, high + 0.01)


def change(found: SliceEvidence, scale: tuple[float, float]) -> Chart:
    """Draw the reference in grey above, what came since in the accent below."""
    x: Spec = {
        "field": "v",
        "type": "quantitative",
        "scale": {"domain": list(scale), "range": [_EDGE, _PLOT.width - _EDGE], "zero": False, "nice": False},
        "axis": None,
    }
    layers: list[Json] = []
    both = math.isfinite(found.before.value) and math.isfinite(found.after.value)
    if both:
        apart = found.after.high < found.before.low or found.after.low > found.before.high
        layers.append(_thread(found, x, "bad" if apart else "rule"))
    for estimate, hue, height in ((found.before, "ref", 7), (found.after, "accent", 13)):
        if math.isfinite(estimate.value):
            layers += _dot(estimate, x, hue, height)
    said = (
        f"{words.slice_words(found.slice)}: {words.number(found.before.value)} {words.interval(found.before)} before, "
    )
    said += f"{words.number(found.after.value)} {words.interval(found.after)} since."
    return Chart("change", words.slice_words(found.slice), frame(_PLOT, layers, surface=False), said)


def _thread(found: SliceEvidence, x: Spec, hue: str) -> Json:
    return {
        "data": {"values": [{"v": found.before.value, "to": found.after.value}]},
        "mark": {"type": "rule", "color": colour(hue), "strokeWidth": 1.5},
        "encoding": {"x": x, "x2": {"field": "to"}, "y": {"value": 10}},
    }


def _dot(estimate: Estimate, x: Spec, hue: str, height: int) -> list[Json]:
    dot: Json = {
        "data": {"values": [{"v": estimate.value}]},
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 56, "color": colour(hue)},
        "encoding": {"x": x, "y": {"value": 10}},
    }
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return [dot]
    bar: Json = {
        "data": {"values": [{"v": estimate.low, "to": estimate.high}]},
        "mark": {"type": "rule", "color": colour(hue), "strokeWidth": 5, "opacity": 0.28},
        "encoding": {"x": x, "x2": {"field": "to"}, "y": {"value": height}},
    }
    return [bar, dot]
