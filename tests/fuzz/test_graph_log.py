"""Arbitrary bytes and hostile values in the graph log: every good line is taken in, every other one told with its raw line, once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.ground import BEGIN, good, line, new_ground
from tests.fuzz.hostile import NAMES, RAW, VALUES, encoded
from tests.fuzz.limits import LONG, fuzz

GRAPH = {
    "component": {"kind": "component", "name": "clean", "description": "d", "owner": "ana", "tags": ["a"], "time": BEGIN},
    "run": {
        "kind": "run", "id": "r", "component": "clean", "started": BEGIN, "ended": BEGIN + 1, "status": "ok",
        "version": "1", "parent": "p", "trace": "t", "error": "e", "host": "h", "pid": 1, "params": {"a": 1},
        "metrics": {"m": 1}, "code": {"commit": "c"}, "notes": ["n"], "reads": [{"name": "rows", "version": "v"}],
        "writes": [{"name": "model", "version": "v", "artifact": {"kind": "file"}}],
    },
    "read": {"kind": "read", "run": "r", "name": "rows", "version": "v", "rule": "content", "time": BEGIN, "artifact": {"rows": 3}},
    "write": {"kind": "write", "run": "r", "name": "model", "version": "v", "rule": "content", "time": BEGIN, "artifact": {"columns": ["a"]}},
    "model": {
        "kind": "model", "name": "other", "version": "1", "slices": ["site"], "window": "1d", "label_delay": "3d", "task": "t",
        "reference": 60, "false_alerts_per_year": 1, "artifact": {"name": "model", "version": "v"}, "run": "r", "time": BEGIN,
    },
    "schema": {"kind": "schema", "model": "other", "columns": [["feature", "x", "number"]], "time": BEGIN},
    "deployment": {"kind": "deployment", "model": "other", "version": "1", "environment": "live", "time": BEGIN, "run": "r"},
    "drops": {"kind": "drops", "writer": "host:1:a", "reasons": {"ENOSPC": 12}, "time": BEGIN},
    "batch": {"kind": "batch", "keys": [["key", 1, 0]]},
}  # fmt: skip

VIEWS = ("runs", "artifacts", "reads", "writes", "components", "models", "model_versions", "deployments", "rejected")


def witness(number):
    """A good line by which to see that its neighbours cost it nothing."""
    return line({"kind": "run", "id": f"good-{number}", "component": "seen", "started": BEGIN + number, "status": "ok"})


def state(ground):
    """All that the catalog shows, but when and under which number a reject was told."""
    found = {}
    for view in VIEWS:
        rows = ground.store.sql(f"SELECT * FROM {view}").rows()
        found[view] = sorted(json.dumps({k: v for k, v in row.items() if k != "id"}, default=str) for row in rows)
    return found


def taken_in(ground, segments, witnesses):
    """Take the log in, compact and sweep: no crash, every witness there, a second time changes nothing, rows are still answered."""
    for data in segments:
        ground.segment(data, "graph")
    ground.segment(good(1))
    runs = {row["id"] for row in ground.store.sql("SELECT id FROM runs").rows()}
    assert {f"good-{number}" for number in witnesses} <= runs
    before = state(ground)
    assert ground.ids() == {"good-1": 1}
    ground.compact()
    ground.follow()
    assert state(ground) == before
    assert ground.ids() == {"good-1": 1}
    assert ground.compact().segments == 0
    assert state(ground) == before
    ground.store.models()
    ground.store.status()


def with_field(kind, field, value):
    fields = {name: json.dumps(found).encode() for name, found in GRAPH[kind].items()}
    fields[field] = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return encoded(fields)


def positions():
    for kind, fields in GRAPH.items():
        for field in fields:
            for name, value in {**VALUES, **RAW}.items():
                yield f"{kind}.{field} = {name}", with_field(kind, field, value)
            for name, key in NAMES.items():
                yield f"{kind}.{field}: {name}", with_field(kind, field, json.dumps(key))
    for name, value in {**VALUES, **RAW}.items():
        text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        yield f"schema.columns[] = {name}", with_field("schema", "columns", b"[" + text + b"]")
        yield f"schema.columns[][0] = {name}", with_field("schema", "columns", b"[[" + text + b',"x","number"]]')
        yield f"schema.columns[][1] = {name}", with_field("schema", "columns", b'[["feature",' + text + b',"number"]]')
        yield f"schema.columns[][2] = {name}", with_field("schema", "columns", b'[["feature","x",' + text + b"]]")
        yield f"run.reads[] = {name}", with_field("run", "reads", b"[" + text + b"]")
        yield f"run.writes[].version = {name}", with_field("run", "writes", b'[{"name":"a","version":' + text + b"}]")
        yield f"drops.reasons.x = {name}", with_field("drops", "reasons", b'{"x":' + text + b"}")
        yield f"batch.keys[] = {name}", with_field("batch", "keys", b"[" + text + b"]")
        yield f"batch.keys[][1] = {name}", with_field("batch", "keys", b'[["k",' + text + b",0]]")
    for name, key in NAMES.items():
        columns = json.dumps([["feature", key, "number"], ["tag", key, "text"]]).encode()
        yield f"schema: {name}", with_field("schema", "columns", columns)
        mine = columns.replace(b'"x"', json.dumps(key).encode())
        yield (
            f"schema of digits: {name}",
            encoded({"kind": b'"schema"', "model": b'"digits"', "columns": mine, "time": b"1"}),
        )


CASES = dict(positions())
PARTS = 40
CHOSEN = range(PARTS) if LONG else range(0, PARTS, 20)


@pytest.mark.parametrize("part", CHOSEN)
def test_hostile_values_between_good_lines_cost_only_their_line(part):
    with new_ground() as ground:
        chosen = list(CASES.values())[part::PARTS]
        taken_in(ground, [witness(n) + data + witness(1000 + n) for n, data in enumerate(chosen)], range(len(chosen)))


def test_all_hostile_lines_in_one_segment():
    with new_ground() as ground:
        taken_in(ground, [witness(1) + b"".join(CASES.values()) + witness(2)], [1, 2])


@fuzz(8)
@given(segments=st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_arbitrary_bytes_cost_only_themselves(segments):
    with new_ground() as ground:
        taken_in(ground, [witness(1), *segments, witness(2)], [1, 2])
        told = sum(row["rows"] for row in ground.rejected())
        lines = [raw for data in segments for raw in data.split(b"\n")[:-1] if raw.strip()]
        assert told >= len(lines), "a line that is no event is told"


@fuzz(8)
@given(
    kinds=st.lists(st.sampled_from(sorted(GRAPH)), min_size=1, max_size=6),
    place=st.integers(0, 1 << 16),
    put=st.binary(min_size=1, max_size=4),
)
def test_a_line_that_was_scribbled_in_is_taken_or_told(kinds, place, put):
    with new_ground() as ground:
        data = b"".join(line(GRAPH[kind]) for kind in kinds)
        at = place % len(data)
        taken_in(ground, [witness(1) + b"\n" + data[:at] + put + data[at + len(put) :] + b"\n" + witness(2)], [1, 2])
