"""Boxes and arrows → a drawing in layers: runs are boxes, artifact versions pills, what came first stands left.

The drawing is SVG whose classes the stylesheet colours; all text in it is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal

from watchglass.show import words
from watchglass.show.lineage_layout import columns, way

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 176, 62
ACROSS = 1230
_LEAST_GAP, _MOST_GAP = 34, 120
_ROW = 88
_PASS = 20
_HEAD = 24
_ROUND, _CORNER = HEIGHT / 2, 6
_LINES = (17, 34, 51)
LETTERS = 19
_SMALL_LETTERS = 24


@dataclass(frozen=True, slots=True)
class Box:
    """A node as it is drawn: three lines, an address, and how it looks.

    `look` is self for what was asked for, bad for what is wrong, warm for what came of that.
    """

    key: str
    shape: Literal["run", "artifact", "more"]
    kind: str
    name: str
    detail: str
    link: str
    title: str
    look: Literal["", "self", "bad", "warm"] = ""
    head: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow as it is drawn: `hot` on the red path, `dashed` where only a name or a time tells."""

    start: str
    end: str
    hot: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where things stand: the left edge of each column, of each place its column and the middle of its height."""

    lefts: tuple[float, ...]
    at: dict[str, tuple[int, float]]
    width: float
    height: float


def drawn(boxes: Sequence[Box], lines: Sequence[Line], label: str) -> str:
    """Draw a graph; a head over the first box of a column is that box's `head`."""
    by_key = {box.key: box for box in boxes}
    placed = columns([box.key for box in boxes], [(line.start, line.end) for line in lines])
    plan = _plan(placed, by_key)
    arrows = "".join(_arrow(line, plan) for line in sorted(lines, key=lambda line: line.hot))
    nodes = "".join(_node(by_key[key], plan) for column in placed for key in column if key in by_key)
    heads = "".join(_head(column, by_key, plan) for column in placed)
    width, height = _n(max(plan.width, ACROSS) + 2), _n(plan.height + 2)
    return (
        f'<svg viewBox="-1 0 {width} {height}" width="{width}" height="{height}" '
        f'role="group" aria-label="{escape(label)}" class="lin">{arrows}{nodes}{heads}</svg>'
    )


def _plan(placed: Sequence[Sequence[str]], boxes: Mapping[str, Box]) -> _Plan:
    step = _step(len(placed))
    high = [sum(_ROW if key in boxes else _PASS for key in column) for column in placed]
    most = max(high, default=_ROW)
    at: dict[str, tuple[int, float]] = {}
    for number, column in enumerate(placed):
        top = _HEAD + (most - high[number]) / 2
        for key in column:
            room = _ROW if key in boxes else _PASS
            at[key] = (number, top + (HEIGHT / 2 if key in boxes else room / 2))
            top += room
    wide = step * (len(placed) - 1) + WIDTH if placed else WIDTH
    return _Plan(tuple(step * number for number in range(len(placed))), at, wide, _HEAD + most - (_ROW - HEIGHT) + 2)


def _head(column: Sequence[str], boxes: Mapping[str, Box], plan: _Plan) -> str:
    first = next((key for key in column if key in boxes and boxes[key].head), None)
    if first is None:
        return ""
    number, _ = plan.at[first]
    top = min(plan.at[key][1] for key in column if key in boxes) - HEIGHT / 2
    return _text(plan.lefts[number] + WIDTH / 2, top - 12, "", boxes[first].head)


def _step(count: int) -> float:
    """Give how far columns stand apart: as far as the width allows, within reason."""
    if count < 2:  # noqa: PLR2004 - a gap needs two
        return WIDTH
    free = (ACROSS - count * WIDTH) / (count - 1)
    return WIDTH + min(max(free, _LEAST_GAP), _MOST_GAP)


def _arrow(line: Line, plan: _Plan) -> str:
    if line.start not in plan.at or line.end not in plan.at or line.start == line.end:
        return ""
    (first, y), (last, end) = plan.at[line.start], plan.at[line.end]
    x, tip = plan.lefts[first] + WIDTH, plan.lefts[last] - 1
    if last <= first:  # an arrow of a circle leads back, below
        low = max(y, end) + HEIGHT / 2 + 16
        x, tip = x - WIDTH / 2, tip - 4
        path = f"M{_n(x)} {_n(y + HEIGHT / 2)}C{_n(x)} {_n(low)} {_n(tip - 24)} {_n(low)} {_n(tip - 4)} {_n(end)}"
    else:
        path = f"M{_n(x)} {_n(y)}"
        for number in range(first + 1, last):
            _, through = plan.at[way(line.start, number)]
            path += _bend(x, y, plan.lefts[number], through) + f"H{_n(plan.lefts[number] + WIDTH)}"
            x, y = plan.lefts[number] + WIDTH, through
        path += _bend(x, y, tip - 4, end)
    look = f"{' hot' if line.hot else ''}{' by' if line.dashed else ''}"
    head = f"M{_n(tip - 7)} {_n(end - 4)}L{_n(tip)} {_n(end)}L{_n(tip - 7)} {_n(end + 4)}"
    return f'<path class="edge{look}" d="{path}"/><path class="ah{" hot" if line.hot else ""}" d="{head}"/>'


def _bend(x: float, y: float, to: float, end: float) -> str:
    middle = (x + to) / 2
    return f"C{_n(middle)} {_n(y)} {_n(middle)} {_n(end)} {_n(to)} {_n(end)}"


def _node(box: Box, plan: _Plan) -> str:
    number, middle = plan.at[box.key]
    x, y = plan.lefts[number], middle - HEIGHT / 2
    corner = _ROUND if box.shape == "artifact" else _CORNER
    shape = {"run": "nr", "artifact": "na", "more": "nm"}[box.shape]
    look = f" {box.look}" if box.look else ""
    look += " asked" if box.asked and box.look != "self" else ""
    rect = f'<rect x="{_n(x)}" y="{_n(y)}" width="{WIDTH}" height="{HEIGHT}" rx="{_n(corner)}" class="{shape}{look}"/>'
    told = (("nk", words.cut(box.kind, _SMALL_LETTERS)), ("nn", words.cut(box.name, LETTERS)), ("nk", words.cut(box.detail, _SMALL_LETTERS)))  # fmt: skip
    texts = "".join(
        _text(x + WIDTH / 2, y + down, look_, said) for down, (look_, said) in zip(_LINES, told, strict=True)
    )
    inside = f"<title>{escape(box.title)}</title>{rect}{texts}"
    return (
        f'<a href="{escape(box.link)}" class="nd{look}">{inside}</a>'
        if box.link
        else f'<g class="nd{look}">{inside}</g>'
    )


def _text(x: float, y: float, look: str, said: str) -> str:
    kind = f' class="{look}"' if look else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{kind} text-anchor="middle">{escape(said)}</text>' if said else ""


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
