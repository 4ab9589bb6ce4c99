"""Numbers and times → the pieces every chart is made of: tokens, scales, axes, rules, labels, and the frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import Json

Spec: TypeAlias = "dict[str, Json]"

FONT = (
    '-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", Ubuntu, Cantarell, '
    '"Liberation Sans", Arial, sans-serif'
)
LIGHT = {
    "bg": "#fafaf8",
    "surface": "#ffffff",
    "ink": "#1b2225",
    "muted": "#566169",
    "line": "#e2e6e9",
    "rule": "#c3cbd0",
    "ref": "#7f8c95",
    "accent": "#0f5f7d",
    "warn": "#94610a",
    "bad": "#ad3a0c",
    "h0": "#ecf1f3",
    "h1": "#d2e1e7",
    "h2": "#eac586",
    "h3": "#e38d3d",
    "h4": "#be4b13",
    "h5": "#721e0e",
}
"""The tokens of the stylesheet, as they are in light: what a picture outside a page is drawn with."""

RAMP = (0.5, 1.0, 1.5, 2.5, 4.0)
"""Drift in times its limit, where one step of colour ends and the next begins."""

WIDE, PHONE = 384, 358
POINTS_A_PIXEL = 4
_LABEL_GAP = 15
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification, and the sentence that says the same to who does not see it.

    The sentence starts with `headline`: what to read from the chart.
    """

    name: str
    title: str
    spec: Spec
    sentence: str
    headline: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive days on a time axis: the first day's start and how many there are."""

    first: datetime
    days: int

    @property
    def end(self) -> datetime:
        """The start of the day after the last."""
        return self.first + self.days * _DAY

    def holds(self, when: datetime) -> bool:
        """Tell whether a time lies in the span."""
        return self.first <= when < self.end


@dataclass(frozen=True, slots=True)
class Plot:
    """The room of a chart in pixels: the plotting area, and the margins its labels stand in."""

    width: int
    height: int
    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0

    @classmethod
    def inside(cls, total: int, *, left: int, right: int, height: int = 178) -> Plot:
        """Give the plot of a chart that is `total` pixels wide, with room for an axis below."""
        return cls(total - left - right, height, left=left, right=right, top=10, bottom=22)


def colour(hue: str) -> str:
    """Name a colour of the stylesheet, so that light and dark switch without drawing again."""
    return f"var(--{hue})"


def ms(when: datetime) -> int:
    """Give the milliseconds since the epoch, which Vega reads as a time."""
    return round(when.astimezone(UTC).timestamp() * 1000)


def midday(when: datetime) -> int:
    """Give the middle of the day that starts at a time: where a daily value stands."""
    return ms(when + _DAY / 2)


def frame(plot: Plot, layers: Sequence[Json], *, surface: bool = True) -> Spec:
    """Put layers into one chart of fixed size; labels may stand in the margins. `surface` colours the plotting area."""
    view: Spec = {"fill": colour("surface") if surface else None, "stroke": None}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": plot.width,
        "height": plot.height,
        "autosize": "none",
        "padding": {"left": plot.left, "right": plot.right, "top": plot.top, "bottom": plot.bottom},
        "background": None,
        "view": view,
        "data": {"values": [{}]},
        "layer": list(layers),
        "config": {
            "aria": False,
            "font": FONT,
            "text": {"fontSize": 12, "baseline": "middle"},
            "axis": {
                "labelFontSize": 12,
                "labelFontWeight": "normal",
                "labelColor": colour("muted"),
                "labelPadding": 6,
                "labelOverlap": False,
                "gridColor": colour("line"),
                "domainColor": colour("rule"),
                "ticks": False,
                "title": None,
            },
        },
    }


def time_x(span: Span, ticks: Sequence[datetime] = ()) -> Spec:
    """Encode the field `t` along the days of a span, with labels under the days named."""
    axis: Json = None
    if ticks:
        values: list[Json] = [midday(tick) for tick in ticks]
        axis = {"values": values, "format": "%-d %b", "grid": False}
    scale: Spec = {"type": "utc", "domain": [ms(span.first), ms(span.end)], "nice": False}
    return {"field": "t", "type": "temporal", "scale": scale, "axis": axis}


def day_ticks(span: Span, wanted: int = 3) -> list[datetime]:
    """Choose days for labels, evenly apart, from the first to the last.

    >>> [tick.day for tick in day_ticks(Span(datetime(2026, 6, 1, tzinfo=UTC), 21))]
    [1, 11, 21]
    """
    parts = min(wanted, span.days) - 1
    if parts < 1:
        return [span.first]
    return [span.first + round(i * (span.days - 1) / parts) * _DAY for i in range(parts + 1)]


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Choose round numbers in an interval, at most `wanted` steps apart.

    >>> ticks(0.58, 1.0)
    [0.6, 0.7, 0.8, 0.9, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def spread(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Move the heights of labels apart so that none covers another, within [low, high].

    >>> spread([20.0, 24.0, 100.0], 0.0, 180.0)
    [20.0, 35.0, 100.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = list(wanted)
    edge = low
    for i in order:
        placed[i] = max(placed[i], edge)
        edge = placed[i] + _LABEL_GAP
    edge = high
    for i in reversed(order):
        placed[i] = min(placed[i], edge)
        edge = placed[i] - _LABEL_GAP
    return placed


def thinned(rows: Sequence[Spec], width: int) -> list[Spec]:
    """Keep at most four rows a pixel, evenly apart, with the first and the last."""
    most = POINTS_A_PIXEL * width
    if len(rows) <= most:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (most - 1))] for i in range(most)]


def label(text: str, at: tuple[float, float], hue: str, *, align: str = "left", bold: bool = True) -> Spec:
    """Write a word at a pixel."""
    mark: Spec = {"type": "text", "text": text, "align": align, "color": colour(hue)}
    if bold:
        mark["fontWeight"] = 600
    return {"mark": mark, "encoding": {"x": {"value": round(at[0], 1)}, "y": {"value": round(at[1], 1)}}}


def onset_rule(when: datetime, x: Spec, top: float, bottom: float, hue: str = "bad") -> Spec:
    """Draw the onset: one solid line through every track."""
    return {
        "data": {"values": [{"t": ms(when)}]},
        "mark": {"type": "rule", "color": colour(hue), "strokeWidth": 1.25},
        "encoding": {"x": x, "y": {"value": top}, "y2": {"value": bottom}},
    }


def limit_rule(value: float, y: Spec) -> Spec:
    """Draw a limit: dotted, over the whole width."""
    return {
        "data": {"values": [{"v": value}]},
        "mark": {"type": "rule", "color": colour("bad"), "strokeDash": [2, 3]},
        "encoding": {"y": y},
    }


def line_with_band(rows: Sequence[Spec], x: Spec, y: Spec, hue: str) -> list[Json]:
    """Draw values as a line in the band of their intervals; a row without `v` is a gap."""
    reference = hue == "ref"
    data: Spec = {"values": list(rows)}
    band: Spec = {
        "data": data,
        "mark": {"type": "area", "color": colour(hue), "opacity": 0.2 if reference else 0.17},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
    }
    line: Spec = {
        "data": data,
        "mark": {
            "type": "line",
            "color": colour(hue),
            "strokeWidth": 1.5 if reference else 1.75,
            "strokeJoin": "round",
            "strokeCap": "round",
        },
        "encoding": {"x": x, "y": y},
    }
    return [band, line]
