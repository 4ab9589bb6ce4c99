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
Look = Literal["", "self", "bad", "warm", "stale"]
LETTERS = 19
_SMALL_LETTERS = 24
_LOOKS = """
text{font:12px "Noto Sans","Liberation Sans",Arial,sans-serif;fill:#566169}.nn{font-size:13px;font-weight:600;fill:#1b2225}
.nr,.nm{fill:#fff;stroke:#c3cbd0}.na{fill:#f1f3f2;stroke:#c3cbd0}.nm{stroke-dasharray:3 3}.edge,.ah{fill:none;stroke:#7f8c95;stroke-width:1.5}
.edge.by{stroke-dasharray:4 4}.edge.hot,.ah.hot{stroke:#ad3a0c}rect.self,rect.asked{stroke:#1b2225;stroke-width:2}
rect.warm{stroke:#ad3a0c}rect.bad{stroke:#ad3a0c;stroke-width:2}.nd.bad .nk{fill:#ad3a0c}.nd.stale .nk:first-of-type{fill:#94610a}
""".replace("\n", "")


@dataclass(frozen=True, slots=True)
class Box:
    """A node as it is drawn: three lines, an address, and how it looks.

    `look` is self for what was asked for, bad for what is wrong, warm for what came of that, stale for a run of stale inputs.
    """

    key: str
    shape: Literal["run", "artifact", "more"]
    kind: str
    name: str
    detail: str
    link: str
    title: str
    look: Look = ""
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
    below = 18 if any(_leads_back(line, plan) for line in lines) else 0
    width, height = _n(max(plan.width, ACROSS) + 2), _n(plan.height + below + 2)
    return (
        f'<svg viewBox="-1 0 {width} {height}" width="{width}" height="{height}" '
        f'role="group" aria-label="{escape(label)}" class="lin">{arrows}{nodes}{heads}</svg>'
    )


def as_file(svg: str) -> str:
    """Make a file of a drawing, which has its colours and a ground of its own: in a page the stylesheet has them."""
    ground = '<rect x="-1" width="100%" height="100%" fill="#fafaf8"/>'
    head, _, rest = svg.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{_LOOKS}</style>{ground}{rest}\n'


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
    low = max((y + (HEIGHT / 2 if key in boxes else 1) for key, (_, y) in at.items()), default=_HEAD + HEIGHT)
    return _Plan(tuple(step * number for number in range(len(placed))), at, wide, low + 2)


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


def _leads_back(line: Line, plan: _Plan) -> bool:
    return line.start in plan.at and line.end in plan.at and plan.at[line.end][0] <= plan.at[line.start][0]


def _arrow(line: Line, plan: _Plan) -> str:
    if line.start not in plan.at or line.end not in plan.at or line.start == line.end:
        return ""
    (first, y), (last, end) = plan.at[line.start], plan.at[line.end]
    x, tip = plan.lefts[first] + WIDTH, plan.lefts[last] - 1
    if _leads_back(line, plan):  # an arrow of a circle leads back, below
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
