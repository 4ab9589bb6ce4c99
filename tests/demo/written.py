"""A store's folder → the events in its segments, parsed here without any help of the reader's."""

from __future__ import annotations

import json


def events(store, log, torn_by=()):
    """Parse a log; a segment may end in a torn line only if a process in `torn_by` wrote it."""
    found = []
    for segment in sorted((store / "log" / log).glob("*.jsonl")):
        data = segment.read_bytes()
        *lines, rest = data.split(b"\n")
        if rest:
            assert int(segment.stem.rpartition("-")[2]) in torn_by, f"{segment.name} ends in a torn line"
        found += [json.loads(line) for line in lines]
    return found


def of(kind, found):
    return [event for event in found if event["kind"] == kind]


def runs(store, component=None):
    return [run for run in of("run", events(store, "graph")) if component in (None, run["component"])]
