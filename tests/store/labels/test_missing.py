"""A frame of labels that another writer made: a row without a label says nothing, and takes nothing back."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.store.bench import BEGIN, DAY, label, prediction
from watchglass.capture.batches import write_parquet

LABELS = {
    "numbers": (pa.array([1.0, None, float("nan")]), ["1.0"]),
    "texts": (pa.array(["1", None, "nan"]), ["1", "nan"]),
    "whole numbers": (pa.array([1, None, None]), ["1"]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_a_row_without_a_label_is_left_out_of_the_tail_and_of_the_tables(bench, kind):
    column, kept = LABELS[kind]
    bench.model()
    bench.write("rows", [*map(prediction, range(3)), *(label(n, 7, time=BEGIN) for n in range(3))])
    times = pa.array([BEGIN + DAY] * 3, pa.timestamp("us"))
    table = pa.table({"i": ["p0", "p1", "p2"], "y": column, "t": times})
    about = {"kind": "labels", "model": "digits", "columns": {"id": "i", "label": "y", "time": "t"}}
    done = write_parquet(
        str(bench.folder.root), lambda path: pq.write_table(table, path), {**about, "time_type": "datetime"}
    )
    assert done == "written"
    for _ in range(2):
        told = bench.ask("SELECT label FROM label_history WHERE label != '7' OR label IS NULL ORDER BY label")
        assert [row["label"] for row in told] == kept
        assert len(bench.ask("SELECT id FROM labels")) == 3
        bench.compact()
