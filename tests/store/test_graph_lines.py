"""Lines of the graph log read together → the same rows as each alone, and a line that does not fit costs only itself."""

from __future__ import annotations

import json

import pytest

from watchglass.store import catalog as c
from watchglass.store.graph_lines import named, names, rows_of
from watchglass.store.upserts import upsert, write

ODD = [
    {"version": 3, "host": "Zürich", "ended": None, "params": {"b": 1, "a": [2**70]}},
    {"reads": [{"name": "t", "version": "v", "artifact": {"rows": 5, "columns": ["x"]}}, {"name": "u", "time": 7}]},
    {"status": None, "error": "", "upstream": ["r0", 12], "writes": [{"name": 4.5}]},
    {},
]
UNFIT = [
    {"host": "a\0b"},
    {"host": "\ud800"},
    {"host": True},
    {"pid": 2**63},
    {"pid": 1.0},
    {"pid": False},
    {"reads": [{"name": "fine"}, {"version": "no name"}]},
    {"reads": [7]},
]


def line(number, more):
    return json.dumps({"kind": "run", "id": f"r{number}", "component": "c", "started": 1 + number, **more}).encode()


def test_lines_read_together_are_the_rows_of_each():
    lines = [line(number, more) for number, more in enumerate(ODD)]
    together, refused = rows_of(lines)
    apart = [rows_of([raw]) for raw in lines]
    assert refused == []
    for table in (c.runs, c.reads, c.writes, c.artifacts, c.run_links, c.components):
        assert together[table] == [row for batch, _ in apart for row in batch.get(table, [])], table.name
    first, second = named(c.runs, together[c.runs])[:2]
    assert (first["version"], first["host"], first["status"]) == ("3", "Zürich", "running")
    assert first["params"] == json.dumps({"a": [2**70], "b": 1})
    assert second["params"] is None
    assert [row["name"] for row in named(c.writes, together[c.writes])] == ["4.5"]


@pytest.mark.parametrize("more", UNFIT, ids=str)
def test_a_line_that_does_not_fit_costs_only_itself(more):
    lines = [line(0, ODD[1]), line(1, more), b"{", line(2, ODD[2])]
    found, refused = rows_of(lines)
    assert [raw for raw, _ in refused] == lines[1:3]
    assert found == rows_of([lines[0], lines[3]])[0]


@pytest.mark.parametrize("table", [c.runs, c.artifacts, c.reads, c.models], ids=str)
def test_rows_by_place_are_written_as_rows_by_name(bench, table):
    kinds = {column.name: 7 if isinstance(column.type, c.Integer) else 0.5 if isinstance(column.type, c.Float) else column.name for column in table.columns}  # fmt: skip
    row = {name: kinds[name] for name in names(table)}
    numbered = {**row, "changed": 9} if "changed" in table.c else row
    with bench.engine.begin() as transaction:
        transaction.execute(upsert(table), [numbered])
        wanted = transaction.execute(table.select()).all()
        transaction.execute(table.delete())
        write(transaction, table, [tuple(row.values())], 9)
        assert transaction.execute(table.select()).all() == wanted
