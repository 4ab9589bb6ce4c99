"""Segments that hold nothing but good predictions of one model → their Parquet file in one go, which is how a busy log looks.

A line that is anything else makes the writing fail, and the batch is taken the general way (loading.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from watchglass.store import parquet
from watchglass.store.lines import HEADER, latest_time
from watchglass.store.quoting import literal
from watchglass.store.rows import Layout, odd, predictions, reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.folder import Folder
    from watchglass.store.loading import Sample
    from watchglass.store.models import Columns
    from watchglass.store.segments import Segment


def one_model(
    folder: Folder,
    connection: duckdb.DuckDBPyConnection,
    segments: Sequence[Segment],
    sample: Sample,
    columns: Columns,
) -> dict[str, object] | None:
    """Write the file of the one model that a sample showed, and give its row of the manifest; None: take the general way."""
    (model,) = sample.models
    layout = replace(Layout.joint({model: columns}, ("prediction",)), plain_scores=not sample.classes)
    if not layout.fields or any(segment.end_of_lines(0) != segment.size for segment in segments):
        return None
    good = f"kind = 'prediction' AND model = {literal(model)} AND {odd(layout, latest_time())} IS NOT TRUE"
    kept = f"CASE WHEN kind = {literal(HEADER)} THEN false WHEN {good} THEN true ELSE error('not this model''s') END"
    source = f"(SELECT * FROM {reader([segment.location for segment in segments], layout)} WHERE {kept})"
    order = "" if sample.last - sample.first <= parquet.CLOSE.total_seconds() * 1e6 else "time"
    select = predictions(columns, layout, model, table=source)
    with ThreadPoolExecutor(1) as beside:
        halves = beside.submit(lambda: any(segment.has_half_pairs() for segment in segments))
        try:
            written = parquet.write(folder, connection, "predictions", model, select, order)
        except duckdb.Error:
            return None
    if written is not None and halves.result():
        parquet.delete(folder.tables / str(written["path"]))
        return None
    return written
