"""Every hostile value in every position: no crash, no neighbour lost, each reject counted with its raw line."""

from __future__ import annotations

import json

import pytest

from tests.fuzz.ground import Ground, good, hold
from tests.fuzz.hostile import positions
from tests.fuzz.limits import LONG

CASES = dict(positions())
PARTS = 40
CHOSEN = range(PARTS) if LONG else range(0, PARTS, 20)
VIEWS = {"predictions": "trace", "label_history": "id", "metrics": "trace", "logs": "trace"}


@pytest.mark.parametrize("part", CHOSEN)
def test_each_in_a_segment_of_its_own_between_good_neighbours(ground, part):
    ground.announce()
    chosen = list(CASES.values())[part::PARTS]
    segments = [good(2 * n) + data + good(2 * n + 1) for n, data in enumerate(chosen)]
    hold(ground, segments, range(2 * len(chosen)))


def test_all_in_one_segment(ground):
    ground.announce()
    data = b"".join(CASES.values())
    hold(ground, [good(1) + data + good(2), good(3)], [1, 2, 3])


def fates(root, segments):
    """What became of each line that carries a mark: its row as far as it tells."""
    ground = Ground(root)
    ground.announce()
    for data in segments:
        ground.segment(data)
    ground.compact()
    found = {}
    for view, mark in VIEWS.items():
        for row in ground.store.sql(f"SELECT * FROM {view}").rows():
            if str(row[mark]).startswith("hostile-"):
                found[row[mark]] = json.dumps(
                    {**row, "features": told(row, "features"), "tags": told(row, "tags")}, default=str
                )
    ground.close()
    return found


def told(row, name):
    """Features or tags without those that have no value: a column may be known there or not."""
    found = row.get(name)
    if not isinstance(found, str):
        return None
    try:
        fields = json.loads(found)
    except RecursionError:  # deeper than Python reads: DuckDB gives it as it is
        return found
    return {key: value for key, value in fields.items() if value is not None} or None


@pytest.mark.parametrize("part", CHOSEN)
def test_what_becomes_of_a_line_does_not_depend_on_its_neighbours(tmp_path, part):
    chosen = dict(list(CASES.items())[part::PARTS])
    alone = fates(tmp_path / "alone", chosen.values())
    together = fates(tmp_path / "together", [b"".join(chosen.values()) + b"{\n"])
    differ = {
        name: (alone.get(mark), together.get(mark))
        for mark in alone.keys() | together.keys()
        if alone.get(mark) != together.get(mark)
        for name in [name for name, data in chosen.items() if f'"{mark}"'.encode() in data][:1]
    }
    assert differ == {}
