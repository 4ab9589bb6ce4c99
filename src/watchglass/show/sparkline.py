"""A model's days → the small drawing of its row: performance over its limit, the strip of drift below, the onset through both."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from watchglass.show import words
from watchglass.show.drawing import (
    RAMP,
    WIDE,
    Chart,
    Plot,
    Span,
    colour,
    day_ticks,
    frame,
    label,
    limit_rule,
    line_with_band,
    ms,
    onset_rule,
    thinned,
    time_x,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watchglass.records import Json, ModelStatus, Point
    from watchglass.show.drawing import Spec

_DAY = timedelta(days=1)
_LINE = 38
_STRIP = (42, 53)
_PLOT = Plot(WIDE, _STRIP[1], top=3)
_CELL = 7 / 8
_HEADER_DAYS = 5


def sparkline(status: ModelStatus, span: Span) -> Chart:
    """Draw the days of `span`: the line has a gap, and the strip a dashed hollow, where a day has no data."""
    x = time_x(span)
    points = [point for point in status.series if span.holds(point.time)]
    y = _performance_scale(points, status.limit)
    surface: Spec = {
        "mark": {"type": "rect", "color": colour("surface")},
        "encoding": {"x": {"value": 0}, "x2": {"value": WIDE}, "y": {"value": 0}, "y2": {"value": _LINE}},
    }
    layers: list[Json] = [surface]
    if status.limit is not None:
        layers.append(limit_rule(status.limit, y))
    layers += line_with_band(thinned(daily(points), WIDE), x, y, "accent")
    layers += [_cells(status, span, x), _hollows(status, span, x)]
    if status.onset is not None and span.holds(status.onset):
        hue = "warn" if status.health == "Drifting" else "bad"
        layers.append(onset_rule(status.onset, x, -_PLOT.top, _STRIP[1], hue))
    return Chart("sparkline", status.name, frame(_PLOT, layers, surface=False), _sentence(status, points, span))


def daily(points: Sequence[Point]) -> list[Spec]:
    """Give one row a day from the first day with a value to the last; a day without a value is a row without numbers."""
    known = {point.time: point.estimate for point in points if not math.isnan(point.estimate.value)}
    if not known:
        return []
    rows: list[Spec] = []
    when, last = min(known), max(known)
    while when <= last:
        row: Spec = {"t": ms(when + _DAY / 2), "v": None, "low": None, "high": None}
        if when in known:
            found = known[when]
            low = found.value if math.isnan(found.low) else found.low
            high = found.value if math.isnan(found.high) else found.high
            row |= {"v": round(found.value, 5), "low": round(low, 5), "high": round(high, 5)}
        rows.append(row)
        when += _DAY
    return rows


def header(span: Span) -> Chart:
    """Draw the days that stand over the column of small drawings."""
    plot = Plot(WIDE, 14)
    marks: list[Json] = []
    chosen = day_ticks(span, _HEADER_DAYS)
    for place, when in enumerate(chosen):
        align = "left" if place == 0 else "right" if place == len(chosen) - 1 else "center"
        at = ((when - span.first) / _DAY + 0.5) / span.days * WIDE
        marks.append(label(f"{when:%-d %b}", (at, 7), "muted", align=align, bold=False))
    sentence = f"Days from {words.date(span.first)} to {words.date(span.end - _DAY)}."
    return Chart("days", "Days", frame(plot, marks, surface=False), sentence)


def ramp_key() -> Chart:
    """Draw what the steps of colour mean, in times the limit."""
    cell, high = 26, 14
    plot = Plot(cell * (len(RAMP) + 1), 28)
    marks: list[Json] = [
        {
            "mark": {"type": "rect", "color": colour(f"h{step}")},
            "encoding": {
                "x": {"value": step * cell},
                "x2": {"value": step * cell + cell - 1},
                "y": {"value": 5},
                "y2": {"value": high},
            },
        }
        for step in range(len(RAMP) + 1)
    ]
    for step, text in enumerate(("½", "1", "1½", "2½", "4")):
        at = (step + 1) * cell - 0.5
        marks.append(label(text, (at, 22), "muted", align="center", bold=False))
    limit = 2 * cell - 0.5
    marks.append(
        {
            "mark": {"type": "rule", "color": colour("bad"), "strokeWidth": 1.25},
            "encoding": {"x": {"value": limit}, "y": {"value": 1}, "y2": {"value": high + 3}},
        }
    )
    sentence = (
        "Six steps of drift: up to 0.5, 1, 1.5, 2.5 and 4 times the limit, and more; "
        "the limit lies between the second and the third."
    )
    return Chart("ramp", "Drift, in times the limit", frame(plot, marks, surface=False), sentence)


def _performance_scale(points: Sequence[Point], limit: float | None) -> Spec:
    heights = [edge for p in points for edge in (p.estimate.low, p.estimate.high, p.estimate.value)]
    heights = [height for height in [*heights, limit] if height is not None and not math.isnan(height)] or [0.0, 1.0]
    low, high = min(heights), max(heights)
    if low == high:
        low, high = low - 0.05, high + 0.05
    scale: Spec = {"domain": [low, high], "range": [_LINE - 2, 2], "zero": False, "nice": False}
    return {"field": "v", "type": "quantitative", "scale": scale, "axis": None}


def _cells(status: ModelStatus, span: Span, x: Spec) -> Spec:
    rows: list[Json] = [
        {"t": ms(when), "end": ms(when + _DAY * _CELL), "drift": round(value, 3)}
        for when, value in status.drift
        if value is not None and not math.isnan(value) and span.holds(when)
    ]
    steps: list[Json] = [colour(f"h{step}") for step in range(len(RAMP) + 1)]
    scale: Spec = {"type": "threshold", "domain": list(RAMP), "range": steps}
    return {
        "data": {"values": rows},
        "mark": {"type": "rect"},
        "encoding": {
            "x": x,
            "x2": {"field": "end"},
            "y": {"value": _STRIP[0]},
            "y2": {"value": _STRIP[1]},
            "fill": {"field": "drift", "type": "quantitative", "scale": scale, "legend": None},
        },
    }


def _hollows(status: ModelStatus, span: Span, x: Spec) -> Spec:
    judged = {when for when, value in status.drift if value is not None and not math.isnan(value)}
    rows: list[Json] = []
    started: datetime | None = None
    for place in range(span.days + 1):
        when = span.first + place * _DAY
        empty = place < span.days and when not in judged
        if empty and started is None:
            started = when
        if not empty and started is not None:
            rows.append({"t": ms(started), "end": ms(when - _DAY * (1 - _CELL))})
            started = None
    return {
        "data": {"values": rows},
        "mark": {"type": "rect", "filled": False, "color": colour("rule"), "strokeDash": [2, 3], "strokeWidth": 1},
        "encoding": {
            "x": x,
            "x2": {"field": "end"},
            "y": {"value": _STRIP[0] + 0.5},
            "y2": {"value": _STRIP[1] - 0.5},
        },
    }


def _sentence(status: ModelStatus, points: Sequence[Point], span: Span) -> str:
    known = [point for point in points if not math.isnan(point.estimate.value)]
    days = f"{words.date(span.first)} to {words.date(span.end - _DAY)}"
    said = f"{status.metric.capitalize()} of {status.name}, {days}: "
    if known:
        said += f"{words.number(known[0].estimate.value)} at first, {words.number(known[-1].estimate.value)} at last"
        said += f", limit {words.number(status.limit)}." if status.limit is not None else "."
    else:
        said += "not known."
    drift = [v for when, v in status.drift if v is not None and not math.isnan(v) and span.holds(when)]
    said += (
        f" Drift of the column that moved most: at most {words.number(max(drift))} times its limit." if drift else ""
    )
    if status.onset is not None and span.holds(status.onset):
        said += f" Onset {words.date(status.onset)}."
    return said
