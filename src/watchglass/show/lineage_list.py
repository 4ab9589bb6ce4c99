"""A trace, an impact → the same in words: lines under lines, each run once, under the nearest run it is tied to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from watchglass.show.run_words import listed, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watchglass.records import Run
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.trace import Trace

MOST: Final = 400
ALIKE: Final = 4
"""Runs that one line tells of together, at least."""
DEEPEST: Final = 8
"""Levels that are set in; what lies deeper stands at this one, with its distance in words."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the list: `via` are the artifacts between it and the run above, `others` what it read that nobody is known to have written.

    `count` says how many runs of the component stand in this line, the run being the first of them. `opens` lists begin before it and `closes` end after it.
    """

    run: Run
    hops: int
    level: int
    via: str
    others: str
    count: int = 1
    opens: int = 0
    closes: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """The lines that are shown, and how many runs are not."""

    entries: tuple[Entry, ...]
    more: int


def upstream(trace: Trace) -> Listing:
    """List the runs behind something, from the run that made it on."""
    ties: dict[tuple[str, str], list[str]] = {}
    others: dict[str, list[str]] = {}
    for edge in trace.edges:
        if edge.producer is None:
            others.setdefault(edge.run, []).append(named(edge.name, edge.version, 28))
        else:
            ties.setdefault((edge.run, edge.producer), []).append(
                named(edge.name, edge.version, 28) if edge.name else ""
            )
    return _nested(trace.steps, ties, others)


def downstream(impact: Impact) -> Listing:
    """List the runs that came of something."""
    ties: dict[tuple[str, str], list[str]] = {}
    for edge in impact.edges:
        ties.setdefault((edge.producer or "", edge.run), []).append(
            named(edge.name, edge.version, 28) if edge.name else ""
        )
    return _nested(impact.steps, ties, {})


def _nested(
    steps: Iterable[tuple[int, Run]],
    ties: Mapping[tuple[str, str], list[str]],
    others: Mapping[str, list[str]],
) -> Listing:
    found: dict[str, tuple[int, Run]] = {run.id: (hops, run) for hops, run in steps}
    above: dict[str, str] = {}
    for start, end in ties:
        if end in found and start in found and found[start][0] + 1 == found[end][0]:
            above.setdefault(end, start)
    below: dict[str, list[str]] = {}
    for end, start in above.items():
        below.setdefault(start, []).append(end)
    stack = [ident for ident in reversed(found) if ident not in above]
    entries: list[Entry] = []
    levels: dict[str, int] = {}
    told = 0
    together = _together(found, above, below, ties)
    while stack and len(entries) < MOST:
        ident = stack.pop()
        if ident not in together:
            continue
        hops, run = found[ident]
        between = [name for name in ties.get((above.get(ident, ""), ident), []) if name]
        level = levels[ident] = min(levels[above[ident]] + 1, DEEPEST) if ident in above else 0
        entries.append(Entry(run, hops, level, listed(between), listed(others.get(ident, [])), together[ident]))
        told += together[ident]
        stack += reversed(below.get(ident, ()))
    return Listing(_with_brackets(entries), len(found) - told)


def _together(
    found: Mapping[str, tuple[int, Run]],
    above: Mapping[str, str],
    below: Mapping[str, list[str]],
    ties: Mapping[tuple[str, str], list[str]],
) -> dict[str, int]:
    """Count, by the first of them, runs of one component under one run, tied by the same, that went well and have none below."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for ident, (hops, run) in found.items():
        over = above.get(ident, "")
        ends = ident not in below and run.status == "ok" and hops > 0
        key = (run.component, run.version, over, hops, *sorted(ties.get((over, ident), []))) if ends else (ident,)
        alike.setdefault(key, []).append(ident)
    counted: dict[str, int] = {}
    for several in alike.values():
        counted |= {several[0]: len(several)} if len(several) >= ALIKE else dict.fromkeys(several, 1)
    return counted


def _with_brackets(entries: list[Entry]) -> tuple[Entry, ...]:
    levels = [-1, *(entry.level for entry in entries), -1]
    made, open_lists = [], 0
    for place, entry in enumerate(entries):
        opens = 1 if entry.level > levels[place] else 0
        open_lists += opens
        after = levels[place + 2]
        closes = open_lists if after < 0 else max(0, min(entry.level - after, open_lists - 1))
        open_lists -= closes
        made.append(replace(entry, opens=opens, closes=closes))
    return tuple(made)
