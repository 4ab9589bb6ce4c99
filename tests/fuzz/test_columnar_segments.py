"""Columnar segments and sidecars cut short or scribbled in: one bad file hides nothing else, and its bytes are kept."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import watchglass as wg
from tests.fuzz.ground import good, new_ground
from tests.fuzz.limits import fuzz
from watchglass.capture import recorder

polars = pytest.importorskip("polars")
ROWS = 40


def frame(first):
    """Forty rows whose ids begin with their frame's number."""
    return polars.DataFrame(
        {
            "id": [f"frame-{first}-{n}" for n in range(ROWS)],
            "at": [datetime(2026, 6, 1) + timedelta(seconds=n) for n in range(ROWS)],
            "ink": [n / 8 for n in range(ROWS)],
            "said": [n % 10 for n in range(ROWS)],
        }
    )


def record(ground, first=0):
    """Log a frame as a user would; gives the segment and its sidecar."""
    before = set(ground.folder.row_log.glob("*.parquet"))
    wg.init(store=ground.folder.root)
    wg.log_predictions("digits", frame(first), version="1", prediction="said", id="id", time="at", features=["ink"])
    recorder.close()
    (path,) = set(ground.folder.row_log.glob("*.parquet")) - before
    return path, path.with_name(path.name + ".json")


def neighbours(ground):
    """A good frame and good lines, recorded long after the one that is broken: a young one may be in the making."""
    for path in ground.folder.row_log.glob("*.parquet*"):
        os.utime(path, (1, 1))
    record(ground, first=7)
    ground.segment(good(1) + good(2))


def holds(ground):
    """Neighbours are seen once, before and after compaction and counting; the broken one whole or not at all; nothing raises."""
    wanted = {"good-1": 1, "good-2": 1, **{f"frame-7-{n}": 1 for n in range(ROWS)}}
    seen = [ground.ids()]
    ground.compact()
    ground.follow()
    seen.append(ground.ids())
    again = ground.compact()
    assert (again.segments, again.rows, again.rejected) == (0, 0, 0)
    assert ground.ids() == seen[1]
    for found in seen:
        broken = {ident: n for ident, n in found.items() if ident not in wanted}
        assert {ident: found[ident] for ident in wanted} == wanted
        assert not broken or (len(broken) == ROWS and set(broken.values()) == {1})
    ground.features("digits")


def bytes_kept(ground, data):
    """Whether the bytes of a file still lie somewhere under the store."""
    return any(path.is_file() and path.read_bytes() == data for path in ground.folder.root.rglob("*"))


def told_of(ground, path):
    return [row for row in ground.rejected() if row["segment"] == path.name]


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_segment_cut_short_is_set_aside_whole_and_told(share):
    with new_ground() as ground:
        path, _ = record(ground)
        data = path.read_bytes()
        data = data[: int(len(data) * share)]
        path.write_bytes(data)
        neighbours(ground)
        holds(ground)
        assert not any(ident.startswith("frame-0") for ident in ground.ids())
        assert told_of(ground, path)
        assert bytes_kept(ground, data)


SIDECARS = {
    "nothing": b"",
    "half": b'{"kind": "pred',
    "no object": b"[1]",
    "null": b"null",
    "no UTF-8": b"\xff\xfe{}",
    "empty object": b"{}",
    "deep": b"[" * 100_000,
    "another kind": b'{"kind": "spans", "model": "digits"}',
    "no columns": b'{"kind": "predictions", "model": "digits"}',
    "model is a list": b'{"kind": "predictions", "model": [1], "columns": {"id": "id", "time": "at", "prediction": "said"}}',
    "a column that is not there": (
        b'{"kind": "predictions", "model": "digits", "columns": {"id": "no", "time": "at", "prediction": "said"}}'
    ),
    "columns of the wrong type": b'{"kind": "predictions", "model": "digits", "columns": [1, 2]}',
    "a time that is a number": (
        b'{"kind": "predictions", "model": "digits", "columns": {"id": "id", "time": "said", "prediction": "said"}}'
    ),
    "features not there": (
        b'{"kind": "predictions", "model": "digits", "columns": {"id": "id", "time": "at", "prediction": "said"},'
        b' "features": ["no", "\'; DROP TABLE x"]}'
    ),
    "features are a number": (
        b'{"kind": "predictions", "model": "digits", "columns": {"id": "id", "time": "at", "prediction": "said"}, "features": 3}'
    ),
}


@pytest.mark.parametrize("text", SIDECARS.values(), ids=SIDECARS)
def test_a_sidecar_that_says_nothing_of_use_costs_only_its_segment(text):
    with new_ground() as ground:
        path, sidecar = record(ground)
        data = path.read_bytes()
        sidecar.write_bytes(text)
        neighbours(ground)
        holds(ground)
        taken = any(ident.startswith("frame-0") for ident in ground.ids())
        assert taken or (told_of(ground, path) and bytes_kept(ground, data))


def test_a_segment_without_its_sidecar_is_not_read_and_not_lost():
    with new_ground() as ground:
        path, sidecar = record(ground)
        data = path.read_bytes()
        sidecar.unlink()
        neighbours(ground)
        holds(ground)
        assert bytes_kept(ground, data)


@fuzz(8)
@example(place=0.6015625, put=b"\x80")
@example(place=0.10546875, put=b"\x00")
@given(place=st.floats(0, 1), put=st.binary(min_size=1, max_size=40))
def test_a_segment_scribbled_in_is_read_or_set_aside(place, put):
    with new_ground() as ground:
        path, _ = record(ground)
        data = bytearray(path.read_bytes())
        at = int(place * (len(data) - 1))
        data[at : at + len(put)] = put
        path.write_bytes(data)
        neighbours(ground)
        holds(ground)
        # a byte of the ids themselves may be another now, which nothing can tell
        taken = any(not ident.startswith(("frame-7", "good-")) for ident in ground.ids())
        assert taken or (told_of(ground, path) and bytes_kept(ground, bytes(data)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@fuzz(8)
@given(data=st.data())
def test_a_sidecar_with_any_value_in_any_place_costs_only_its_segment(data):
    with new_ground() as ground:
        path, sidecar = record(ground)
        about = json.loads(sidecar.read_text())
        about[data.draw(st.sampled_from(sorted(about)))] = data.draw(JSON)
        sidecar.write_text(json.dumps(about))
        kept = path.read_bytes()
        neighbours(ground)
        holds(ground)
        taken = any(ident.startswith("frame-0") for ident in ground.ids())
        assert taken or (told_of(ground, path) and bytes_kept(ground, kept))
