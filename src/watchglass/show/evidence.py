"""An incident's evidence → its charts: performance of the slice and the others, a column before and since, odds against chance."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from watchglass.show import words
from watchglass.show.drawing import (
    Chart,
    Plot,
    Span,
    colour,
    day_ticks,
    frame,
    label,
    limit_rule,
    line_with_band,
    midday,
    onset_rule,
    spread,
    thinned,
    ticks,
    time_x,
)
from watchglass.show.histogram import histogram
from watchglass.show.sparkline import daily

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from watchglass.records import Incident, Json, ModelStatus, Point, SliceEvidence
    from watchglass.show.drawing import Spec

_DAY = timedelta(days=1)
_BEFORE = timedelta(days=30)
_FLOOR = 1e-3
_DECADES = 5


def charts(incident: Incident, width: int, status: ModelStatus | None = None) -> list[Chart]:
    """Draw every chart the incident's evidence holds, in reading order; the model's status gives metric and limit."""
    drawn: Sequence[Callable[[], Chart | None]] = (
        lambda: performance(incident, width, status),
        lambda: histogram(incident, width),
        lambda: odds(incident, width, status),
    )
    return [chart for draw in drawn if (chart := draw()) is not None]


def the_slice(incident: Incident) -> SliceEvidence | None:
    """Find the slice that the incident is about, if it is about one."""
    return next((found for found in incident.slices if found.role == "the slice" and found.slice), None)


def performance(incident: Incident, width: int, status: ModelStatus | None = None) -> Chart | None:
    """Draw the daily performance of the slice and of the other rows; None without labelled days."""
    span = _days_around(incident, [*incident.charts.slice_performance, *incident.charts.other_performance])
    if span is None:
        return None
    plot = Plot.inside(width, left=34, right=84)
    limit = status.limit if status else None
    metric = _metric(status)
    chosen = the_slice(incident)
    name = words.cut("/".join(value for _, value in chosen.slice), 12) if chosen else "all rows"
    series = [
        ("other rows", "ref", "muted", _within(incident.charts.other_performance, span)),
        (name, "accent", "accent", _within(incident.charts.slice_performance, span)),
    ]
    heights = [edge for *_, points in series for p in points for edge in (p.estimate.low, p.estimate.high)]
    heights = [height for height in [*heights, limit] if height is not None and not math.isnan(height)]
    y, at = _heights(heights or [0.0, 1.0], plot)
    x = time_x(span, day_ticks(span))
    layers: list[Json] = []
    named: list[tuple[str, str, float]] = []
    for text, hue, ink, points in series:
        rows = daily(points)
        if rows:
            layers += line_with_band(thinned(rows, plot.width), x, y, hue)
            last = next(row["v"] for row in reversed(rows) if row["v"] is not None)
            named.append((text, ink, at(float(str(last)))))
    if limit is not None:
        layers.append(limit_rule(limit, y))
        named.append(("limit", "bad", at(limit)))
    layers += _onset(incident, span, x, plot, plot.height - 10)
    layers += _at_the_line(named, plot)
    title = f"{metric}, {name} and the other rows" if chosen else metric
    headline, rest = _what_fell(incident, chosen, metric)
    return Chart("accuracy", title, frame(plot, layers), f"{headline}. {rest}".rstrip(), headline)


def odds(incident: Incident, width: int, status: ModelStatus | None = None) -> Chart | None:
    """Draw the evidence by window on a log scale, with the alarm level at 1; None where none was kept."""
    known = [(when, value) for when, value in incident.charts.odds if not math.isnan(value)]
    if not known:
        return None
    span = _span_of([when for when, _ in known], incident.onset)
    plot = Plot.inside(width, left=44, right=92)
    rows: list[Spec] = [
        {"t": midday(when), "v": float(f"{min(max(value, _FLOOR), 1e9):.4g}")}
        for when, value in known
        if span.holds(when)
    ]
    values = [float(str(row["v"])) for row in rows]
    low = math.floor(math.log10(min([*values, 0.1])))
    high = math.ceil(math.log10(max([*values, 10.0])))
    step = math.ceil((high - low) / _DECADES)
    marks: list[Json] = [10.0**power for power in range(low, high + 1) if power % step == 0]
    y = _log_y(low, high, marks)
    x = time_x(span, day_ticks(span))

    def at(value: float) -> float:
        return plot.height * (high - math.log10(min(max(value, 10.0**low), 10.0**high))) / (high - low)

    line: Spec = {
        "data": {"values": list(thinned(rows, plot.width))},
        "mark": {"type": "line", "color": colour("accent"), "strokeWidth": 1.75, "strokeJoin": "round"},
        "encoding": {"x": x, "y": y},
    }
    end: Spec = {
        "data": {"values": [rows[-1]]},
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 50, "color": colour("accent")},
        "encoding": {"x": x, "y": y},
    }
    named = [("alarm", "bad", at(1.0)), (f"{words.number(known[-1][1])} × alarm", "accent", at(values[-1]))]
    layers: list[Json] = [limit_rule(1.0, y), *_onset(incident, span, x, plot, 10), line, end]
    layers += _at_the_line(named, plot)
    subject = (
        words.cut(incident.columns[0].name, 28)
        if incident.columns and incident.kind == "drift"
        else _metric(status).lower()
    )
    headline, rest = _when_it_passed(known, incident)
    title = f"Evidence for a change in {subject}"
    return Chart("evidence", title, frame(plot, layers), f"{headline} {rest}.", headline)


def _log_y(low: int, high: int, marks: list[Json]) -> Spec:
    scale: Spec = {"type": "log", "domain": [10.0**low, 10.0**high], "nice": False}
    axis: Spec = {"values": marks, "labelExpr": "replace(format(datum.value, ',~f'), ',', '\u00a0')", "domain": False}
    return {"field": "v", "type": "quantitative", "scale": scale, "axis": axis}


def _heights(values: Sequence[float], plot: Plot) -> tuple[Spec, Callable[[float], float]]:
    low, high = min(values), max(values)
    if high - low < 0.02:  # noqa: PLR2004 - two points of accuracy: closer than that, noise would fill the chart
        low, high = low - 0.01, high + 0.01
    marks = ticks(low, high)
    bottom, top = min(low, marks[0]), max(high, marks[-1])

    def at(value: float) -> float:
        return plot.height * (top - value) / (top - bottom)

    axis_values: list[Json] = list(marks)
    decimals = max(1, -math.floor(math.log10(marks[1] - marks[0] + 1e-12))) if len(marks) > 1 else 2
    axis: Spec = {"values": axis_values, "format": f".{min(decimals, 3)}f", "domain": False}
    scale: Spec = {"domain": [bottom, top], "zero": False, "nice": False}
    return {"field": "v", "type": "quantitative", "scale": scale, "axis": axis}, at


def _at_the_line(named: Sequence[tuple[str, str, float]], plot: Plot) -> list[Json]:
    heights = spread([height for *_, height in named], 6.0, plot.height - 6.0)
    return [label(text, (plot.width + 8, height), hue) for (text, hue, _), height in zip(named, heights, strict=True)]


def _onset(incident: Incident, span: Span, x: Spec, plot: Plot, height: float) -> list[Json]:
    if not span.holds(incident.onset):
        return []
    share = (incident.onset - span.first) / (span.days * _DAY)
    at, align = (share * plot.width - 5, "right") if share > 0.25 else (share * plot.width + 5, "left")  # noqa: PLR2004 - a label's width
    named = label(f"{incident.onset:%-d %b}", (at, height), "bad", align=align)
    return [onset_rule(incident.onset, x, 0, plot.height), named]


def _days_around(incident: Incident, points: Sequence[Point]) -> Span | None:
    times = [point.time for point in points if not math.isnan(point.estimate.value)]
    return _span_of(times, incident.onset) if times else None


def _span_of(times: Sequence[datetime], onset: datetime) -> Span:
    """Give the days from a month before the onset, or the first known, to the last known."""
    first, last = min(times), max(times)
    if first < onset - _BEFORE <= last:
        first = next(when for when in sorted(times) if when >= onset - _BEFORE)
    return Span(first, (last - first).days + 1)


def _within(points: Sequence[Point], span: Span) -> list[Point]:
    return [point for point in points if span.holds(point.time)]


def _metric(status: ModelStatus | None) -> str:
    return words.cut(status.metric.capitalize(), 24) if status else "Performance"


def _what_fell(incident: Incident, chosen: SliceEvidence | None, metric: str) -> tuple[str, str]:
    """Say what the chart of performance shows: the headline, and what it says of the other rows."""
    if chosen is not None:
        before, after, named = chosen.before, chosen.after, words.slice_words(chosen.slice)
    elif incident.before is not None and incident.after is not None:
        before, after, named = incident.before, incident.after, "all rows"
    else:
        return f"{metric} by day around {words.date(incident.onset)}", ""
    since = [p.estimate for p in incident.charts.other_performance if p.time >= incident.onset and p.estimate.rows]
    headline = f"{metric} of {named} went from {words.number(before.value)} to {words.number(after.value)}"
    if not since:
        return headline, ""
    mean = sum(estimate.value * estimate.rows for estimate in since) / sum(estimate.rows for estimate in since)
    return headline, f"The other rows are at {words.number(mean)} since {words.date(incident.onset)}."


def _when_it_passed(known: Sequence[tuple[datetime, float]], incident: Incident) -> tuple[str, str]:
    """Say what the chart of evidence shows: when it passed the alarm level, and where it ends."""
    ends = f"and ends at {words.times_alarm(known[-1][1])} on {words.date(known[-1][0])}"
    passed = next((when for when, value in known if value >= 1), None)
    if passed is None:
        return "It stays below the alarm level", ends
    days = (passed - incident.onset) // _DAY
    later = f", {words.counted(days, 'day')} after the onset" if days > 0 else ""
    return f"It passed the alarm level on {words.date(passed)}{later}", ends
