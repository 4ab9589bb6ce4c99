"""Nodes and arrows → the column of each, sources left, and its place in the column, so that few arrows cross.

Columns go by the longest way from a source; what has no source of its own stands right before what reads it. Arrows that
would close a circle are left out of the count. The order in a column follows the mean place of the neighbours, over and
back a few times (the barycentre rule of K. Sugiyama et al., "Methods for visual understanding of hierarchical system
structures", 1981).
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Links = Mapping[str, Sequence[str]]

_SWEEPS = 4


def columns(nodes: Sequence[str], arrows: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Place each node once; arrows to nodes that are not there are passed by.

    An arrow over several columns goes by places that are kept free for it: `way(start, column)`, one for all from a start.

    >>> columns(["b", "a", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c"), ("c", "b")])
    [['a'], ['b', 'late'], ['c']]
    >>> columns(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])[1] == ["b", way("a", 1)]
    True
    """
    known = set(nodes)
    pairs = list(dict.fromkeys((a, b) for a, b in arrows if a in known and b in known and a != b))
    onward = _without_circles(nodes, pairs)
    level = _levels(nodes, onward)
    levels = sorted(set(level.values()))
    level = {node: levels.index(found) for node, found in level.items()}
    placed: list[list[str]] = [[] for _ in levels]
    for node in nodes:
        placed[level[node]].append(node)
    steps: list[tuple[str, str]] = []
    for start, end in pairs:
        stops = [start, *(way(start, one) for one in range(level[start] + 1, level[end])), end]
        for stop, column in zip(stops[1:-1], placed[level[start] + 1 : level[end]], strict=True):
            if stop not in column:
                column.append(stop)
        steps += pairwise(stops)
    return _ordered(placed, steps)


def way(start: str, column: int) -> str:
    """Name the place in a column by which arrows from a node pass."""
    return f"way {column} {start}"


def _without_circles(nodes: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Give where each node leads, without the arrows that lead back on the way that was come."""
    leads: dict[str, list[str]] = {node: [] for node in nodes}
    for start, end in pairs:
        leads[start].append(end)
    arrived = {end for ends in leads.values() for end in ends}
    kept: dict[str, list[str]] = {node: [] for node in nodes}
    done: set[str] = set()
    for first in sorted(nodes, key=lambda node: node in arrived):
        if first in done:
            continue
        way = {first}
        stack = [(first, iter(leads[first]))]
        while stack:
            node, left = stack[-1]
            end = next(left, "")
            if not end:
                stack.pop()
                way.discard(node)
                done.add(node)
            elif end not in way:
                kept[node].append(end)
                if end not in done:
                    way.add(end)
                    stack.append((end, iter(leads[end])))
    return kept


def _levels(nodes: Sequence[str], onward: Links) -> dict[str, int]:
    waiting = dict.fromkeys(nodes, 0)
    for ends in onward.values():
        for end in ends:
            waiting[end] += 1
    sources = [node for node in nodes if not waiting[node]]
    level = dict.fromkeys(nodes, 0)
    queue = deque(sources)
    while queue:
        node = queue.popleft()
        for end in onward[node]:
            level[end] = max(level[end], level[node] + 1)
            waiting[end] -= 1
            if not waiting[end]:
                queue.append(end)
    for node in sources:
        if onward[node]:
            level[node] = min(level[end] for end in onward[node]) - 1
    return level


def _ordered(placed: list[list[str]], pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for start, end in pairs:
        before.setdefault(end, []).append(start)
        after.setdefault(start, []).append(end)
    for sweep in range(_SWEEPS):
        over = sweep % 2 == 0
        for column in placed if over else reversed(placed):
            at = {node: place / max(len(one) - 1, 1) for one in placed for place, node in enumerate(one)}
            beside = before if over else after
            column.sort(key=lambda node: _mean([at[one] for one in beside.get(node, ())], at[node]))
    return placed


def _mean(places: Sequence[float], own: float) -> float:
    return sum(places) / len(places) if places else own
