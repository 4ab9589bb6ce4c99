"""The ids of a model's files against the catalog's list of repeats → findings: rows of one id that are all counted, as an older version did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.doctor.visit import Finding
from watchglass.store.labels.indexes import Wanted, twice
from watchglass.store.labels.marks import marks_of
from watchglass.store.manifest import POSITION
from watchglass.store.parquet import entries, hashed
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watchglass.store.doctor.visit import Visit


def check_twice(visit: Visit) -> None:
    """Find ids that are counted once for each of their rows; counting all anew counts the earliest alone."""
    if visit.quick:
        return
    for model, paths in _counted(visit).items():
        with engine_room(visit.folder) as connection:
            try:
                ids = _several(connection, paths)
            except (duckdb.Error, OSError):
                continue  # a file that is broken was told of before
        with visit.engine.connect() as catalog:
            query = sa.select(c.repeats.c.environment, c.repeats.c.id).where(c.repeats.c.model == model)
            known = {(row.environment, row.id) for row in catalog.execute(query)}
        if rows := sum(count - 1 for environment, name, count in ids if (environment, name) not in known):
            means = f"{rows} rows of model {model!r} repeat the id of another and are counted beside it, as an older version did"
            mend = "count every cell anew from the rows (--mend): the earliest row of an id counts"
            finding = Finding("error", "rows counted twice", visit.folder.catalog.name, means, mend)
            visit.found(finding, lambda: setattr(visit, "recount", True))


def _counted(visit: Visit) -> dict[str, list[Path]]:
    """List the files of predictions whose rows are in the cells, by model."""
    with visit.engine.connect() as catalog:
        query = sa.select(c.files.c.model, c.files.c.path).where(
            c.files.c.kind == "predictions", c.files.c.removed.is_(None), marks_of(catalog).rows >= POSITION
        )
        found: dict[str, list[Path]] = {}
        for model, path in catalog.execute(query.order_by(c.files.c.model, POSITION)):
            found.setdefault(model, []).append(visit.folder.tables / path)
    return found


def _several(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> list[tuple[str, str, int]]:
    """Give (environment, id, rows) of the ids that have several rows in these files."""
    hashes = np.concatenate([np.empty(0, dtype=np.uint64), *(entries(connection, path)[0] for path in paths)])
    hashes.sort()
    maybe = Wanted.of(twice(hashes)).hashes
    if not len(maybe):
        return []
    connection.register("maybe", {"h": maybe})
    listed = ", ".join(literal(str(path)) for path in paths)
    return connection.execute(
        f"SELECT environment, id, count(*) FROM read_parquet([{listed}], union_by_name = true)"
        f" WHERE time IS NOT NULL AND {hashed('id')} IN (SELECT h FROM maybe) GROUP BY ALL HAVING count(*) > 1"
    ).fetchall()
