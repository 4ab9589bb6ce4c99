"""The last runs of a component → a small chart of how long they took, one bar each, the run that is looked at in the accent."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from watchglass.show import words
from watchglass.show.drawing import Chart, Plot, colour, frame, label
from watchglass.show.run_words import took

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watchglass.records import Json

_PLOT = Plot(304, 60, bottom=18)
_WIDE = Plot(1232, 96, bottom=18)
_SHARE = 0.73
_EDGE = 34
Timed = tuple[str, "datetime", "float | None", str]
"""A run: id, start, seconds, status."""


def chart(component: str, runs: Sequence[Timed], chosen: str | None = None, *, wide: bool = False) -> Chart | None:
    """Draw the runs that are over, oldest first; those that failed are red. None for fewer than two."""
    over = [run for run in runs if run[2] is not None]
    if len(over) < 2:  # noqa: PLR2004 - one bar shows nothing
        return None
    plot = _WIDE if wide else _PLOT
    step = plot.width / len(over)
    rows: list[Json] = []
    top = max(run[2] or 0.0 for run in over) or 1.0
    for place, (ident, _, seconds, status) in enumerate(over):
        hue = "accent" if ident == chosen else "bad" if status in ("error", "crashed") else "ref"
        high = max((seconds or 0.0) / top * (plot.height - 6), 1.0)
        rows.append({"x": round(place * step, 2), "to": round(place * step + step * _SHARE, 2), "y": round(plot.height - high, 2), "hue": hue})  # fmt: skip
    layers = [_bars(rows, hue, plot) for hue in ("ref", "bad", "accent") if any(isinstance(r, dict) and r["hue"] == hue for r in rows)]  # fmt: skip
    layers.append(_axis(plot))
    layers += _labels(over, chosen, plot, step)
    return Chart(
        "durations",
        f"Time a run, last {words.count(len(over))}",
        frame(plot, layers, surface=False),
        _said(component, over, chosen),
    )


def _bars(rows: Sequence[Json], hue: str, plot: Plot) -> Json:
    wanted: list[Json] = [row for row in rows if isinstance(row, dict) and row["hue"] == hue]
    pixels: Json = {"domain": [0, plot.width], "range": [0, plot.width], "nice": False, "zero": False}
    heights: Json = {"domain": [0, plot.height], "range": [0, plot.height], "nice": False, "zero": False}
    return {
        "data": {"values": wanted},
        "mark": {"type": "rect", "color": colour(hue), "opacity": 0.38 if hue == "ref" else 1},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "scale": pixels, "axis": None},
            "x2": {"field": "to"},
            "y": {"field": "y", "type": "quantitative", "scale": heights, "axis": None},
            "y2": {"datum": plot.height},
        },
    }


def _axis(plot: Plot) -> Json:
    return {
        "mark": {"type": "rule", "color": colour("rule")},
        "encoding": {"x": {"value": 0}, "x2": {"value": plot.width}, "y": {"value": plot.height}},
    }


def _labels(over: Sequence[Timed], chosen: str | None, plot: Plot, step: float) -> list[Json]:
    below = plot.height + 12
    at = next((place * step + step / 2 for place, run in enumerate(over) if run[0] == chosen), None)
    found: list[Json] = []
    if at is None or at > 2 * _EDGE + 8:
        found.append(label(words.date(over[0][1]), (0, below), "muted", bold=False))
    if at is None or at < plot.width - 2 * _EDGE - 8:
        found.append(label(words.date(over[-1][1]), (plot.width, below), "muted", align="right", bold=False))
    if at is not None:
        found.append(label("this run", (min(max(at, 24), plot.width - 24), below), "accent", align="center"))
    return found


def _said(component: str, over: Sequence[Timed], chosen: str | None) -> str:
    times = [run[2] or 0.0 for run in over]
    said = f"The last {words.count(len(over))} runs of {component}: median {took(median(times))}, longest {took(max(times))}"
    mine = next((run[2] for run in over if run[0] == chosen), None)
    failed = sum(run[3] in ("error", "crashed") for run in over)
    said += f"; this run {took(mine)}" if mine is not None else ""
    return said + (f"; {words.count(failed)} did not end well." if failed else ".")
