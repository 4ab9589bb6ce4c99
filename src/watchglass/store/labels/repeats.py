"""New files of predictions → their rows whose id came before: which of an id's rows counts, and which one that counted no longer does.

A repeated (model, environment, id) stays in the tables and is counted once: its earliest row. A filter says which ids may
have come before; that they did is looked up by the indexes, and by the ids themselves, as equal hashes are not equal ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.labels.earliest import key_rows
from watchglass.store.labels.filters import filter_of
from watchglass.store.labels.indexes import Wanted, file_hashes, index_of, locate, twice
from watchglass.store.quoting import literal
from watchglass.store.tallies import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.labels.indexes import Hashes, Indexed

_ORDER = "PARTITION BY environment, id ORDER BY place, position, filename, file_row_number"


class Repeats(NamedTuple):
    """What new files repeat: how many rows each such id has now, which old files have a row that counts no longer.

    The rows are in the tables `passed` (new ones that do not count) and `withdrawn` (old ones that did).
    """

    ids: tuple[tuple[str, str, int], ...] = ()
    passed: frozenset[str] = frozenset()
    withdrawn: tuple[Indexed, ...] = ()

    def source(self, path: str) -> str:
        """Write the relation of the rows of a new file that count."""
        if path not in self.passed:
            return whole(path)
        gone = f"(SELECT file_row_number FROM passed WHERE filename = {literal(path)})"
        return f"(SELECT * FROM {whole(path)} ANTI JOIN {gone} USING (file_row_number))"


def repeats_in(
    folder: Folder, connection: duckdb.DuckDBPyConnection, model: str, old: Sequence[Indexed], new: Sequence[Indexed]
) -> Repeats:
    """Find what new files repeat, of themselves and of those that are counted, and remember their ids."""
    hashes = file_hashes(new)
    hashes.sort()
    known = filter_of(folder, model, old, len(hashes))
    maybe = np.concatenate([hashes[known.may_have(hashes)], twice(hashes)])
    found = _found(connection, old, new, maybe) if len(maybe) else Repeats()
    known.add(hashes, max(file.position for file in new))
    return found


def _found(
    connection: duckdb.DuckDBPyConnection, old: Sequence[Indexed], new: Sequence[Indexed], maybe: Hashes
) -> Repeats:
    """Look up what may be repeated."""
    wanted, files = Wanted.of(maybe), [*old, *new]
    met = np.concatenate([hashes[wanted.at(hashes)] for hashes, _ in map(index_of, files)])
    met.sort()
    several = twice(met)
    if not len(several):
        return Repeats()
    hit = locate(connection, files, Wanted.of(several), "repeated_places")
    key_rows(connection, hit, "repeated_places", "keyed")
    before = f"position < {min(file.position for file in new)}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE ranked AS SELECT filename, file_row_number, environment, id, {before} AS counted,"
        f" count(*) OVER (PARTITION BY environment, id) AS rows, row_number() OVER ({_ORDER}) = 1 AS first,"
        f" {before} AND row_number() OVER (PARTITION BY environment, id, {before} ORDER BY place, position, filename, file_row_number) = 1 AS first_before"
        " FROM keyed QUALIFY rows > 1"
    )
    passed = _table(connection, "passed", "NOT counted AND NOT first")
    withdrawn = _table(connection, "withdrawn", "first_before AND NOT first")
    ids = connection.execute("SELECT DISTINCT environment, id, rows FROM ranked ORDER BY ALL").fetchall()
    return Repeats(tuple(ids), passed, tuple(file for file in hit if str(file.path) in withdrawn))


def _table(connection: duckdb.DuckDBPyConnection, name: str, condition: str) -> frozenset[str]:
    """Make the table of some of the ranked rows, and give the files that they are in."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT filename, file_row_number FROM ranked WHERE {condition}"
    )
    return frozenset(row[0] for row in connection.execute(f"SELECT DISTINCT filename FROM {name}").fetchall())


def keep(transaction: Connection, model: str, repeats: Repeats) -> None:
    """Write how many rows each repeated id has into the catalog."""
    rows = [{"model": model, "environment": place, "id": name, "rows": count} for place, name, count in repeats.ids]
    if rows:
        statement = insert(c.repeats)
        key = ["model", "environment", "id"]
        transaction.execute(
            statement.on_conflict_do_update(index_elements=key, set_={"rows": statement.excluded.rows}), rows
        )


def all_repeated(connection: duckdb.DuckDBPyConnection, engine: Engine, model: str, now: Repeats) -> str:
    """Make the table (environment, id) of every id of a model that has several rows, those of `now` among them; gives its name."""
    with engine.connect() as catalog:
        query = sa.select(c.repeats.c.environment, c.repeats.c.id).where(c.repeats.c.model == model)
        found = {(row.environment, row.id) for row in catalog.execute(query)} | {
            (place, name) for place, name, _ in now.ids
        }
    listed = sorted(found)
    texts = {
        "environment": np.asarray([place for place, _ in listed], dtype=object),
        "id": np.asarray([name for _, name in listed], dtype=object),
    }
    connection.register("listed", texts)
    shown = "environment::VARCHAR AS environment, id::VARCHAR AS id"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE repeated AS SELECT {shown} FROM listed")
    connection.unregister("listed")
    return "repeated"
