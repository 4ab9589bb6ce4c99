"""Ids → a file of cells that holds minus all that the cells count of them, so that their rows can go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.store.deltas import Deltas
from watchglass.store.labels.earliest import first_of, key_rows
from watchglass.store.labels.indexes import Wanted, files_of, hashes_in, locate, rows_of
from watchglass.store.labels.marks import marks_of
from watchglass.store.labels.told import contribute, in_turn, served
from watchglass.store.outputs import can_have
from watchglass.store.tallies import Tally, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.store.eras import Era
    from watchglass.store.folder import Folder
    from watchglass.store.labels.indexes import Indexed


def uncount(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, model: str, ids: str = "ids"
) -> dict[str, object] | None:
    """Write minus what the cells count of some ids of a model as a file of cells, and give its row of the manifest; None: nothing.

    `ids` names a table (environment VARCHAR, id VARCHAR) in the connection. Rows and labels are read from the live
    files as far as they are counted. The caller holds the lease "cells" from before until it has published this row
    together with the files that no longer have the rows. What is frozen of the columns stays as it is.
    """
    tally = Tally.of(folder, engine, model, Deltas(connection))
    wanted = Wanted.of(hashes_in(connection, ids))
    with engine.connect() as catalog:
        marks = marks_of(catalog)
    predictions = [f for f in files_of(folder, engine, connection, model, "predictions") if f.position <= marks.rows]
    if not (hit := counted_rows(connection, predictions, wanted, ids)):
        return None
    count_rows(tally, hit, "chosen")
    labels = [f for f in files_of(folder, engine, connection, model, "labels") if f.position <= marks.cells]
    joined = [file for file in hit if file.position <= marks.cells]
    if len(joined) != len(hit):  # rows that are counted while their labels are not joined yet
        joined = counted_rows(connection, joined, wanted, ids)
    told = locate(connection, labels, wanted, "told_rows")
    if joined and told:
        places = "(SELECT filename, file_row_number, position FROM chosen)"
        chosen = f"(FROM {rows_of(joined)} JOIN {places} USING (filename, file_row_number))"
        said = f"SELECT environment, id, label, time, 1 AS sign FROM {rows_of(told)} SEMI JOIN told_rows USING (filename, file_row_number)"
        contribute(connection, served(connection, chosen, tally.eras), in_turn(said), -1, tally.eras.tags)
    return tally.deltas.write(folder, model)


def counted_rows(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Indexed], wanted: Wanted, ids: str
) -> list[Indexed]:
    """Make the table `chosen` of the rows that count of some ids, and give the files that have them."""
    hit = locate(connection, files, wanted, "places")
    if not hit:
        return []
    key_rows(connection, hit, "places", "keyed")
    of = f"(SELECT * FROM keyed SEMI JOIN {ids} USING (environment, id))"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE chosen AS {first_of(of)}")
    kept = {name for (name,) in connection.execute("SELECT DISTINCT filename FROM chosen").fetchall()}
    return [file for file in hit if str(file.path) in kept]


def count_rows(tally: Tally, files: Sequence[Indexed], chosen: str) -> None:
    """Take the chosen rows (filename, file_row_number) of some files away, as they were counted.

    Files of the same columns and of one era go together: where a file lacks a column, its rows were not counted as missing
    there, and before a slice was declared not under it.
    """
    connection = tally.deltas.connection
    alike: dict[tuple[frozenset[str], Era], list[Indexed]] = {}
    for file in files:
        alike.setdefault((_counted_of(connection, file), tally.eras.at(file.position)), []).append(file)
    for group in alike.values():
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE taken AS SELECT * EXCLUDE (filename, file_row_number),"
            f" (row_number() OVER () - 1)::BIGINT AS file_row_number FROM {rows_of(group)}"
            f" SEMI JOIN {chosen} USING (filename, file_row_number)"
        )
        count(tally.away(group[0].position), "taken")
    connection.execute("DROP TABLE IF EXISTS taken")


def _counted_of(connection: duckdb.DuckDBPyConnection, file: Indexed) -> frozenset[str]:
    relation = connection.sql(f"FROM {rows_of([file])}")
    kinds = dict(zip(relation.columns, relation.types, strict=True))
    kind = kinds.get("features")
    features = () if kind is None or kind.id != "struct" else (child for child, _ in kind.children)
    return can_have(relation.columns).union(features)
