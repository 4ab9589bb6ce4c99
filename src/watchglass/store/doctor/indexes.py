"""The indexes of ids beside the files → findings: one that is missing, of another size, or that does not say what its file says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import duckdb

from watchglass.store.compact import engine_room
from watchglass.store.doctor.files import listed
from watchglass.store.doctor.visit import Finding
from watchglass.store.folder import sync_folder
from watchglass.store.parquet import ENTRY, entries, index_path, write_index

if TYPE_CHECKING:
    from watchglass.store.doctor.files import Listed
    from watchglass.store.doctor.visit import Visit


def check_indexes(visit: Visit) -> None:
    """Hold each index against its file; a file that is broken itself was told of before."""
    chosen = [row for row in listed(visit) if row.indexed and row.removed is None and row.path.exists()]
    with engine_room(visit.folder) as connection:
        for row in chosen:
            try:
                fault = _fault(visit, connection, row)
            except duckdb.Error:
                continue
            if fault is not None:
                means = f"{fault}: looking a prediction up by its id is wrong or fails"
                finding = Finding(
                    "error", "spoilt index", visit.shown(index_path(row.path)), means, "make it anew (--mend)"
                )
                visit.found(finding, partial(_anew, connection, row))


def _fault(visit: Visit, connection: duckdb.DuckDBPyConnection, row: Listed) -> str | None:
    path = index_path(row.path)
    if not path.exists():
        return "it is not there"
    size = path.stat().st_size
    if size % ENTRY or size > ENTRY * row.rows:
        return f"it has {size} bytes, up to {ENTRY * row.rows} for {row.rows} rows would do"
    if visit.quick:
        return None
    hashes, places = entries(connection, row.path)
    return (
        None
        if path.read_bytes() == hashes.tobytes() + places.tobytes()
        else "it does not say where the ids of its file are"
    )


def _anew(connection: duckdb.DuckDBPyConnection, row: Listed) -> None:
    write_index(connection, row.path)
    sync_folder(row.path.parent)
