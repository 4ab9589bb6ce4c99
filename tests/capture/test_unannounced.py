"""Rows whose columns the graph log would not take: they are looked through line by line, and nothing of them is lost."""

from __future__ import annotations

import json

import pytest

import watchglass as wg
from watchglass.capture import recorder
from watchglass.capture.held import HeldLog
from watchglass.capture.segment import ANNOUNCED, Limits


@pytest.fixture
def store(tmp_path):
    """A store whose graph log cannot be written: a file lies where its folder should be."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "graph").write_text("in the way")
    wg.init(store=tmp_path)
    yield tmp_path
    recorder.close()


def mended(store):
    """The rows in the tables, after the way was cleared."""
    recorder.close()
    (store / "log" / "graph").unlink()
    with wg.open(store) as opened:
        opened.compact()
        rows = opened.sql("SELECT id, features, tags FROM predictions ORDER BY id").rows()
        return {row["id"]: (json.loads(row["features"]), json.loads(row["tags"] or "{}")) for row in rows}


def names(store):
    return [path.name for path in (store / "log" / "rows").iterdir()]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_row_whose_columns_cannot_be_announced_lies_in_a_segment_that_promises_nothing(store):
    wg.log_prediction("fraud", id="a", features={"amount": 2.5}, tags={"site": "harbour"})
    assert names(store)
    assert not [name for name in names(store) if name.endswith(ANNOUNCED)]
    assert mended(store) == {"a": ({"amount": 2.5}, {"site": "harbour"})}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_list_of_rows_too(store):
    wg.log_predictions("fraud", [{"p": 1, "id": "a", "amount": 2.5}], prediction="p", id="id", time=None)
    assert mended(store) == {"a": ({"amount": 2.5}, {})}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_frame_too(store):
    polars = pytest.importorskip("polars")
    wg.log_predictions(
        "fraud", polars.DataFrame({"p": [1], "id": ["a"], "amount": [2.5]}), prediction="p", id="id", time=None
    )
    assert mended(store) == {"a": ({"amount": 2.5}, {})}


def test_an_announced_row_lies_in_a_segment_whose_name_says_so(tmp_path):
    wg.init(store=tmp_path)
    wg.log_prediction("fraud", id="a", features={"amount": 2.5})
    recorder.close()
    (name,) = names(tmp_path)
    assert name.endswith(ANNOUNCED)


def test_lines_held_in_memory_reach_the_row_log_after_the_columns_they_need(tmp_path):
    limits = Limits(60, 1 << 26, sync=False, held=1 << 20)
    graph = HeldLog(str(tmp_path), "graph", limits, lambda: None)
    rows = HeldLog(str(tmp_path), "rows", limits, lambda: None, graph)
    graph.append(b"columns\n")
    rows.append(b"row\n")
    rows.drain()
    assert [path.read_bytes() for path in (tmp_path / "log" / "graph").iterdir()] == [b"columns\n"]
    for log in (rows, graph):
        log.close()
        log.sync()
