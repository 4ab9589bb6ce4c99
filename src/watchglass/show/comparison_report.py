"""A comparison of two tables → one HTML file that asks for nothing from anywhere: light and dark, narrow, printed."""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from watchglass.show import words
from watchglass.show.comparison_words import value_of
from watchglass.show.overlaid import overlaid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Template

    from watchglass.monitor.comparison import ColumnComparison, Part

STATES: Final = {
    "moved": ("warn", "Moved"),
    "steady": ("ok", "Steady"),
    "gone": ("bad", "Gone"),
    "retyped": ("bad", "Other type"),
    "new": ("new", "New"),
    "unknown": ("none", "Unknown"),
}
_LEAST: Final = 1e-4
_WHOLE: Final = 0.01


def report(columns: Sequence[ColumnComparison], told: Mapping[str, str | int]) -> str:
    """Write the page; `told` has its texts: sentence, parted, reference, current, rows_reference, rows_current, false, made."""
    rows = [_row(column) for column in columns]
    chosen = [(name, sum(row["found"] == name for row in rows), STATES[name][1]) for name in STATES]
    counts = [(name, count, title) for name, count, title in chosen if count]
    texts = {name: words.count(value) if isinstance(value, int) else value for name, value in told.items()}
    return _template().render(rows=rows, counts=counts, told=texts)


@cache
def _template() -> Template:
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return made.from_string((files("watchglass.show") / "comparison.html").read_text(encoding="utf-8"))


def _row(column: ColumnComparison) -> dict[str, object]:
    mark, state = STATES[column.found]
    drawing = None if column.histogram is None else Markup(overlaid(column.histogram, column.kind))  # noqa: S704 - texts in it are escaped
    return {
        "name": column.name,
        "short": words.cut(column.name, 26),
        "kind": column.kind or "",
        "found": column.found,
        "mark": mark,
        "state": state,
        "sentence": column.sentence[:1].upper() + column.sentence[1:],
        "drawing": drawing,
        "length": column.kind == "text",
        "cells": _cells(column),
        "details": _details(column),
    }


def _cells(column: ColumnComparison) -> list[tuple[str, str]]:
    """Give the figures of a row: each with its head."""
    return [
        ("Shift in sd", words.NONE if math.isnan(column.wasserstein) else distance(column.wasserstein)),
        ("JS", distance(column.js)),
        ("PSI", distance(column.psi)),
        ("Missing", _missing(column)),
        ("p", chance(column.p)),
    ]


def distance(value: float) -> str:
    """Write a distance: three decimals tell all that matters.

    >>> distance(0.31264), distance(0.0), distance(float("nan"))
    ('0.313', '0.000', '–')
    """
    return words.NONE if math.isnan(value) else f"{value:.3f}" if value < 10 else words.number(value)  # noqa: PLR2004 - digits


def chance(p: float) -> str:
    """Write a p-value.

    >>> chance(0.0234), chance(1e-20), chance(1.0)
    ('0.023', '< 0.0001', '1.00')
    """
    if math.isnan(p):
        return words.NONE
    return "< 0.0001" if p < _LEAST else f"{p:.4f}" if p < _WHOLE else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"  # noqa: PLR2004 - digits


def _missing(column: ColumnComparison) -> str:
    if column.reference is None or column.current is None:
        return words.NONE
    before, after = words.percent(column.reference.missing), words.percent(column.current.missing)
    return before if before == after else f"{before} → {after}"


def _details(column: ColumnComparison) -> list[tuple[str, str, str]]:
    """Give what lies behind a row: of each line its name, the reference's and the current value."""
    one, other = column.reference, column.current
    if one is None or other is None:
        return []
    lines = [("rows", words.count(one.rows), words.count(other.rows))]
    lines.append(("worth as many independent rows", words.count(one.effective), words.count(other.effective)))
    if not (math.isnan(one.mean) and math.isnan(other.mean)):
        lines += _spreads(one, other, column.kind)
    lines += [
        (f"share of {words.cut(m.value, 30)!r}", words.percent(m.before), words.percent(m.after)) for m in column.moved
    ]
    if not math.isnan(column.unseen) and column.unseen > 0:
        lines.append(("rows of values new to the reference", words.NONE, words.percent(column.unseen)))
    raw = [("KS", column.ks), ("PSI as it is", column.raw_psi), ("JS as it is", column.raw_js)]
    lines += [(name, words.NONE, distance(value)) for name, value in raw if not math.isnan(value)]
    if not math.isnan(column.design_effect):
        lines.append(("rows that count as one", words.NONE, words.number(column.design_effect)))
    if column.unit is not None:
        least = f"{words.number(column.smallest)} sd" if column.unit == "sd" else words.percent(column.smallest)
        lines.append(("smallest move that would have been seen", words.NONE, least))
    return lines


def _spreads(one: Part, other: Part, kind: str | None) -> list[tuple[str, str, str]]:
    lines = [("mean", value_of(one.mean, kind), value_of(other.mean, kind))]
    scale = 86_400.0 if kind == "time" else 1.0
    name = "standard deviation, days" if kind == "time" else "standard deviation"
    lines.append((name, words.number(one.deviation / scale), words.number(other.deviation / scale)))
    for place, level in enumerate(("5 %", "25 %", "median", "75 %", "95 %")):
        lines.append((level, value_of(one.quantiles[place], kind), value_of(other.quantiles[place], kind)))
    if one.infinite or other.infinite:
        lines.append(("infinite", words.count(one.infinite), words.count(other.infinite)))
    return lines
