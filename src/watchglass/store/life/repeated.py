"""What is to go of a model's predictions → those of its rows that stay, as another row of their id does: the earliest is the one that counts.

An id that came again goes whole, once the last of its rows is past. Else a later row would count in the place of one that
the cells have counted, and a correction of its label would move the counts of another day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from watchglass.store.labels.indexes import Wanted, files_of, hashes_in, locate, rows_of
from watchglass.store.labels.marks import marks_of
from watchglass.store.labels.repeats import Repeats, all_repeated
from watchglass.store.life.going import Past, worth_writing
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.going import File, Plan


def hold_repeated(folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Leave in their files the rows of ids that came again and have a row that stays."""
    for model in {file.model for file, _, _ in plan.spans()}:
        while True:  # a file that is not worth writing without them stays, and so do other rows of its ids
            going = {file.path: (file, past) for file, past, _ in plan.spans() if file.model == model}
            edges = {path: past.last + 1 for path, (_, past) in going.items()}
            rows = _held(folder, engine, connection, model, edges)
            parts = [_part(folder, connection, *going[path], places) for path, places in rows.items()]
            stay = {file.path for file, past, _ in parts if not worth_writing(past, file, past.last + 1)}
            if not stay:
                _replace(plan, parts)
                break
            _drop(plan, stay)


def _part(
    folder: Folder, connection: duckdb.DuckDBPyConnection, file: File, past: Past, rows: Sequence[int]
) -> tuple[File, Past, str]:
    """Say what goes of a file that keeps some rows of those that were to go."""
    source = f"read_parquet({literal(str(folder.tables / file.path))}, file_row_number = true)"
    kept = f"list_contains([{', '.join(map(str, rows))}], file_row_number)"
    going = f"time < make_timestamp({past.last + 1}) AND NOT {kept}"
    query = f"SELECT count(*), coalesce(epoch_us(min(time)), 0), coalesce(epoch_us(max(time)), 0) FROM {source} WHERE {going}"
    found = Past(*connection.execute(query).fetchall()[0])
    return file, found, f"SELECT * EXCLUDE file_row_number FROM {source} WHERE ({going}) IS NOT TRUE"


def _replace(plan: Plan, parts: Sequence[tuple[File, Past, str]]) -> None:
    _drop(plan, {file.path for file, _, _ in parts})
    plan.parts += parts


def _drop(plan: Plan, paths: AbstractSet[str]) -> None:
    plan.whole = [file for file in plan.whole if file.path not in paths]
    plan.parts = [part for part in plan.parts if part[0].path not in paths]


def _held(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    model: str,
    going: Mapping[str, int],
) -> dict[str, tuple[int, ...]]:
    """Give the rows that must stay, by file; `going` says of each file that is to go before which time, in µs, its rows do."""
    repeated = all_repeated(connection, engine, model, Repeats())
    files = files_of(folder, engine, connection, model, "predictions")
    with engine.connect() as catalog:
        marks = marks_of(catalog)
    if uncounted := [file for file in files if file.position > marks.rows]:  # theirs may have come before
        connection.execute(f"INSERT INTO {repeated} SELECT DISTINCT environment, id FROM {rows_of(uncounted)}")
    wanted = Wanted.of(hashes_in(connection, repeated))
    if not going or not len(wanted.hashes):
        return {}
    hit = locate(connection, files, wanted, "repeat_places")
    if not hit:
        return {}
    edges = {
        "filename": np.asarray([str(folder.tables / path) for path in going], dtype=object),
        "edge": np.asarray(list(going.values()), dtype=np.int64),
    }
    connection.register("going_files", edges)
    try:
        found = connection.execute(
            "WITH of_repeated AS (SELECT filename, file_row_number, environment, id, time IS NOT NULL AND epoch_us(time) < edge AS goes"
            f" FROM {rows_of(hit)} SEMI JOIN repeat_places USING (filename, file_row_number) SEMI JOIN {repeated} USING (environment, id)"
            " LEFT JOIN (SELECT filename::VARCHAR AS filename, edge FROM going_files) USING (filename))"
            " SELECT filename, list(file_row_number) FROM of_repeated WHERE goes"
            " AND (environment, id) IN (SELECT (environment, id) FROM of_repeated WHERE goes IS NOT TRUE) GROUP BY filename"
        ).fetchall()
    finally:
        connection.unregister("going_files")
    places = {str(folder.tables / path): path for path in going}
    return {places[name]: tuple(sorted(rows)) for name, rows in found}
