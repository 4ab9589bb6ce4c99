"""Rows of an id that came more than once → the one that counts: the earliest, in an order that no order of arrival changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.store.labels.indexes import Wanted, hashes_in, locate, rows_of
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from watchglass.store.labels.indexes import Indexed


def key_rows(connection: duckdb.DuckDBPyConnection, files: Sequence[Indexed], places: str, table: str) -> None:
    """Make the table of located rows with what they are told apart by: filename, file_row_number, position, environment, id, place.

    Their order, `place`, is the time, then version, prediction, and the digest of all else that is counted. A column that is
    registered later is NULL in older rows and changes no digest.
    """
    source = rows_of(files)
    structs = {
        name: [child for child, _ in kind.children]
        for relation in (connection.sql(f"FROM {source}"),)
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if kind.id == "struct"
    }
    columns = {column for column, *_ in connection.execute(f"DESCRIBE FROM {source}").fetchall()}
    weight = "coalesce(weight, 1)::VARCHAR" if "weight" in columns else "'1'"
    told = [(name, child) for name in ("tags", "features") for child in sorted(structs.get(name, ()))]
    parts = [weight, *(f"{literal(f'{name} {child}=')} || {name}.{identifier(child)}::VARCHAR" for name, child in told)]
    digest = f"md5(concat_ws(chr(31), {', '.join(parts)}))"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT filename, file_row_number, position, environment, id,"
        f" {{t: time, v: version, p: prediction, d: {digest}}} AS place"
        f" FROM {source} JOIN {places} USING (filename, file_row_number) WHERE time IS NOT NULL"
    )


def first_of(table: str) -> str:
    """Write the SELECT of the rows that count, of a table of keyed rows."""
    return (
        f"SELECT * FROM {table} QUALIFY row_number() OVER"
        " (PARTITION BY environment, id ORDER BY place, position, filename, file_row_number) = 1"
    )


def losers(connection: duckdb.DuckDBPyConnection, files: Sequence[Indexed], repeated: str) -> str | None:
    """Make the table (filename, file_row_number) of the rows of files that do not count, and give its name; None: all count.

    `repeated` names a table (environment, id) that has every id with more than one row in these files.
    """
    wanted = Wanted.of(hashes_in(connection, repeated))
    if not len(wanted.hashes) or not (hit := locate(connection, files, wanted, "repeated_places")):
        return None
    key_rows(connection, hit, "repeated_places", "keyed")
    counting = first_of(f"(SELECT * FROM keyed SEMI JOIN {repeated} USING (environment, id))")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE lost AS SELECT filename, file_row_number FROM keyed SEMI JOIN {repeated} USING (environment, id)"
        f" ANTI JOIN ({counting}) USING (filename, file_row_number)"
    )
    return "lost" if connection.execute("SELECT 1 FROM lost LIMIT 1").fetchall() else None
