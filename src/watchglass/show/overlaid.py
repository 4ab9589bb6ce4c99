"""A histogram record → a small drawing as SVG text: the reference filled in grey, the current table a line in the accent over it.

Drawn here and not by the charts' renderer, so that a page of a thousand columns is there at once. Colours are names of
the page's tokens.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from watchglass.monitor.overlaid import BINS, OTHERS
from watchglass.show import words
from watchglass.show.comparison_words import value_of
from watchglass.show.drawing import spread
from watchglass.show.histogram import densities, drawn_edges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.records import Histogram

WIDTH: Final = 264
HEIGHT: Final = 72
SPIKE: Final = 3.0
FEW: Final = BINS
"""Fewer bins than that hold a value each: their middles are named, not their edges."""
TWO: Final = 2
_AXIS: Final = 16
_ROW: Final = 15
_NAMES: Final = 92
_SHARES: Final = 46
_LETTERS: Final = 14


def overlaid(found: Histogram, kind: str | None) -> str:
    """Draw a column's histograms over each other, with the sentence that says the same."""
    body, height = _values(found) if found.values else _numbers(found, kind)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
        f' aria-label="{escape(said(found, kind))}">{body}</svg>'
    )


def said(found: Histogram, kind: str | None) -> str:
    """Say what the drawing shows: the fullest bin of each table, or the shares.

    >>> from watchglass.records import Histogram
    >>> said(Histogram("a", (), ("x", "y"), (0.5, 0.5), (0.9, 0.1)), "category").replace(words.NBSP, " ")
    'a, reference and current: x 50.0 % and 90.0 %, y 50.0 % and 10.0 %.'
    """
    if found.values:
        each = ", ".join(
            f"{words.cut(value, 40)} {words.percent(before)} and {words.percent(after)}"
            for value, before, after in zip(found.values, found.reference, found.current, strict=True)
        )
        return f"{found.column}, reference and current: {each}."
    tops = []
    for name, shares in (("reference", found.reference), ("current", found.current)):
        place = max(range(len(shares)), key=lambda i: shares[i])
        ends = [value_of(edge, kind) for edge in found.edges[place : place + 2]]
        tops.append(
            f"{words.percent(shares[place])} of the {name} lies between {ends[0]} and {ends[1]}, its fullest bin"
        )
    return f"{found.column}: {'; '.join(tops)}."


def _numbers(found: Histogram, kind: str | None) -> tuple[str, int]:
    edges = drawn_edges(found.edges)
    few = len(found.reference) < FEW
    width = edges[-1] - edges[0] or 1.0
    before, after = densities(edges, found.reference), densities(edges, found.current)
    top = _top(before, after)
    across = [(edge - edges[0]) / width * (WIDTH - 2) + 1 for edge in edges]
    floor = HEIGHT - _AXIS
    filled = _steps(across, [_height(value / top, floor) for value in before], floor)
    line = _steps(across, [_height(value / top, floor) for value in after], floor)
    marks = "".join(
        f'<text x="{x}" y="{HEIGHT - 3}" text-anchor="{anchor}">{escape(value_of(edge, kind))}</text>'
        for x, anchor, edge in (
            (1, "start", (edges[0] + edges[1]) / 2 if few else edges[0]),
            *([(WIDTH - 1, "end", (edges[-2] + edges[-1]) / 2 if few else edges[-1])] if len(edges) > TWO else []),
        )
    )
    base = f'<path class="base" d="M0 {floor + 0.5}H{WIDTH}"/>'
    return f'<path class="ref" d="{filled}Z"/>{base}<path class="cur" d="{line}"/>{marks}', HEIGHT


def _top(before: Sequence[float], after: Sequence[float]) -> float:
    """Choose the height that the drawing holds: a spike on one side is cut, so that the other side can still be seen.

    >>> _top([1.0, 2.0], [50.0, 0.0]), _top([1.0], [2.0])
    (6.0, 2.0)
    """
    one, other = max(before), max(after)
    return min(max(one, other), SPIKE * min(one, other)) or max(one, other) or 1.0


def _height(part: float, floor: float) -> float:
    return floor - min(part, 1.0) * (floor - 3)


def _steps(across: Sequence[float], down: Sequence[float], floor: float) -> str:
    """Write the path that goes up to each bin's height in turn and back to the floor."""
    parts = [f"M{across[0]:.1f} {floor}"]
    for right, y in zip(across[1:], down, strict=True):
        parts.append(f"V{y:.1f}H{right:.1f}")
    return "".join([*parts, f"V{floor}"])


def _values(found: Histogram) -> tuple[str, int]:
    named = (
        [*found.reference, *found.current]
        if found.values[-1] != OTHERS
        else [*found.reference[:-1], *found.current[:-1]]
    )
    top = max(named, default=1.0) or 1.0
    room = WIDTH - _NAMES - _SHARES
    rows = []
    places = spread([_ROW * (i + 0.5) for i in range(len(found.values))], 0, _ROW * len(found.values))
    for value, before, after, middle in zip(found.values, found.reference, found.current, places, strict=True):
        shown = escape(words.cut(value, _LETTERS))
        rows.append(
            f'<g><title>{escape(value)}</title><text x="{_NAMES - 8}" y="{middle + 4:.1f}" text-anchor="end">{shown}</text>'
            f'<rect class="ref" x="{_NAMES}" y="{middle - 5:.1f}" width="{min(before / top, 1) * room:.1f}" height="5"/>'
            f'<rect class="now" x="{_NAMES}" y="{middle + 0.5:.1f}" width="{min(after / top, 1) * room:.1f}" height="5"/>'
            f'<text x="{WIDTH}" y="{middle + 4:.1f}" text-anchor="end">{words.percent(after)}</text></g>'
        )
    return "".join(rows), _ROW * len(found.values)
