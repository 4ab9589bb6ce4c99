"""New files of the manifest → cells: counts by day, column and declared slice that merge by addition.

Cells follow the manifest by sequence number in a transaction of their own with a watermark, so live rows, late
labels and history are one path. A cell file holds deltas; the truth is their sum. A label changes the cells of
its prediction's day, and carries the day on which it became known.
"""

from __future__ import annotations

import json
import uuid
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.profile.columns import frame_of
from watchglass.profile.grid import coarse_bins, keys_of
from watchglass.store import catalog as c
from watchglass.store.catalog import writing
from watchglass.store.compact import described, engine_room
from watchglass.store.leases import hold
from watchglass.store.models import Feature, features_of, model_named
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

OTHER = "\x1fother"  # a control character, so that no real value is taken for it
CATEGORIES = 1000
FRAME_ROWS = 20_000
_CELLS = "(version VARCHAR, environment VARCHAR, day DATE, slice VARCHAR, name VARCHAR, kind VARCHAR, bucket BIGINT, value VARCHAR, known DATE, n BIGINT)"
_SAME = "(p.prediction = l.label OR TRY_CAST(p.prediction AS DOUBLE) = TRY_CAST(l.label AS DOUBLE))"


def follow(folder: Folder, engine: Engine) -> int:
    """Count every file of the manifest that is not in the cells yet; gives how many files."""
    with hold(engine, "cells") as lease:
        if lease is None:
            return 0
        done = 0
        for seq, kind, model, path in _pending(engine):
            with engine_room() as connection:
                connection.execute(f"CREATE TEMP TABLE cells {_CELLS}")
                with engine.connect() as catalog:
                    slices = model_named(catalog, model).slices
                    present = _tags(catalog, model)
                    tags = tuple(sorted(tag for tag in slices if tag in present))
                if kind == "predictions":
                    frames = _count_predictions(folder, engine, connection, (seq, model, path), tags)
                else:
                    frames = {}
                _count_labels(folder, engine, connection, (seq, kind, model, path), tags)
                published = _copy(folder, connection, model)
            with writing(engine) as transaction:
                lease.check(transaction)
                _keep_frames(transaction, model, frames)
                transaction.execute(c.files.insert(), [published] if published else []) if published else None
                mark = insert(c.watermarks).values(name="cells", seq=seq)
                transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"seq": seq}))
            done += 1
        return done


def _pending(engine: Engine) -> Sequence[sa.Row[int, str, str, str]]:
    with engine.connect() as connection:
        mark = connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == "cells")).scalar() or 0
        query = sa.select(c.files.c.seq, c.files.c.kind, c.files.c.model, c.files.c.path).where(
            c.files.c.seq > mark, c.files.c.kind != "cells"
        )
        return connection.execute(query.order_by(c.files.c.seq)).all()


def _tags(connection: Connection, model: str) -> set[str]:
    return set(
        connection.execute(
            sa.select(c.columns.c.name).where(c.columns.c.model == model, c.columns.c.role == "tag")
        ).scalars()
    )


def slice_sets(tags: Sequence[str], largest: int) -> list[tuple[str, ...]]:
    """List the sets of tags that get cells of their own: none, each, and up to `largest` together.

    >>> slice_sets(["channel", "site"], 2)
    [(), ('channel',), ('site',), ('channel', 'site')]
    """
    return [chosen for size in range(largest + 1) for chosen in combinations(tags, size)]


def _slice(chosen: Sequence[str], source: str = "tags") -> tuple[str, str]:
    """Write the expression of a slice's name, canonical JSON or empty, and the condition that its tags are there."""
    if not chosen:
        return "''", "true"
    parts = ", ".join(f"{literal(tag)}, {source}.{identifier(tag)}" for tag in chosen)
    return f"json_object({parts})::VARCHAR", " AND ".join(f"{source}.{identifier(tag)} IS NOT NULL" for tag in chosen)


def _count_predictions(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    file: tuple[int, str, str],
    tags: Sequence[str],
) -> dict[str, dict[str, object]]:
    """Count rows and every feature of one file of predictions; gives what was newly frozen of its columns."""
    _, model, path = file
    source = literal(str(folder.tables / path))
    connection.execute(
        f"CREATE TEMP TABLE rows_ AS SELECT *, time::DATE AS day FROM read_parquet({source}) ORDER BY time"
    )
    for chosen in slice_sets(tags, 2):
        name, there = _slice(chosen)
        connection.execute(
            f"INSERT INTO cells SELECT version, environment, day, {name}, '', 'rows', 0, NULL, NULL, count(*) FROM rows_ WHERE {there} GROUP BY ALL"
        )
    with engine.connect() as catalog:
        columns = features_of(catalog, model)
        days = model_named(catalog, model).reference
    counted = connection.execute(
        "SELECT count(*) FROM rows_ WHERE day < (SELECT min(day) FROM rows_) + CAST(? AS INTEGER)", [days]
    ).fetchone()
    early = counted[0] if counted else 0
    frozen: dict[str, dict[str, object]] = {}
    for column in columns:
        if column.type == "number":
            frozen[column.name] = _count_number(connection, column, tags, early)
        elif column.type in ("text", "boolean"):
            frozen[column.name] = _count_category(connection, column, tags)
    return {name: values for name, values in frozen.items() if values}


def _count_number(
    connection: duckdb.DuckDBPyConnection, column: Feature, tags: Sequence[str], early: int
) -> dict[str, object]:
    """Count one numeric column on its grid, fine for all rows, in 32 coarse bins for each slice.

    The grid's frame comes from the `early` rows, those of the windows that alarms learn from, never from later ones.
    """
    field = f"features.{identifier(column.name)}"
    values = np.ma.filled(connection.execute(f"SELECT {field}::DOUBLE AS x FROM rows_").fetchnumpy()["x"], np.nan)
    frozen: dict[str, object] = {}
    centre, edges = column.centre, column.edges
    if centre is None:
        first = values[: min(early, FRAME_ROWS)]
        if not np.isfinite(first).any():
            centre, edges = 0.0, ()  # nothing seen yet: count on the plain grid until something is
        else:
            frame = frame_of(first)
            centre, edges = frame.centre, tuple(int(key) for key in frame.edges)
            frozen = {"centre": centre, "scale": frame.scale, "edges": json.dumps(edges)}
    keys, missing = keys_of(values, centre)
    bins = coarse_bins(keys, np.asarray(edges, dtype=np.int64))
    connection.execute("DROP TABLE IF EXISTS keyed")
    arrays = {"key": keys, "bin": bins.astype(np.int64), "missing": missing}
    connection.register("arrays", arrays)
    connection.execute("CREATE TEMP TABLE keyed AS SELECT * FROM arrays")
    connection.unregister("arrays")
    for chosen in slice_sets(tags, 1):
        slice_name, there = _slice(chosen)
        kind, bucket = ("number", "key") if not chosen else ("coarse", "bin")
        connection.execute(
            f"INSERT INTO cells SELECT version, environment, day, {slice_name}, ?, CASE WHEN missing THEN 'missing' ELSE {literal(kind)} END,"
            f" CASE WHEN missing THEN 0 ELSE {bucket} END, NULL, NULL, count(*) FROM rows_ POSITIONAL JOIN keyed WHERE {there} GROUP BY ALL",
            [column.name],
        )
    return frozen


def _count_category(connection: duckdb.DuckDBPyConnection, column: Feature, tags: Sequence[str]) -> dict[str, object]:
    """Count one text column by value; past a thousand values the rest is "other"."""
    field = f"features.{identifier(column.name)}::VARCHAR"
    known = list(column.categories)
    seen = connection.execute(
        f"SELECT {field} AS v, count(*) AS n FROM rows_ WHERE v IS NOT NULL GROUP BY v ORDER BY n DESC, v"
    ).fetchall()
    grown = list(dict.fromkeys([*known, *(value for value, _ in seen)]))[:CATEGORIES]
    connection.register(
        "arrays", {"value": np.asarray(grown, dtype=object)} if grown else {"value": np.asarray([""], dtype=object)}
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE dictionary AS SELECT value FROM arrays")
    connection.unregister("arrays")
    for chosen in slice_sets(tags, 1):
        slice_name, there = _slice(chosen)
        connection.execute(
            f"INSERT INTO cells SELECT version, environment, day, {slice_name}, ?, CASE WHEN {field} IS NULL THEN 'missing' ELSE 'category' END, 0,"
            f" CASE WHEN {field} IS NULL OR {field} IN (SELECT value FROM dictionary) THEN {field} ELSE {literal(OTHER)} END, NULL, count(*)"
            f" FROM rows_ WHERE {there} GROUP BY ALL",
            [column.name],
        )
    return {"categories": json.dumps(grown)} if grown != known else {}


def _files(engine: Engine, folder: Folder, model: str, kind: str, below: int) -> str:
    """Write the list of a model's files of a kind with a sequence number under `below`; empty when there are none."""
    query = (
        sa.select(c.files.c.path)
        .where(c.files.c.model == model, c.files.c.kind == kind, c.files.c.seq < below)
        .order_by(c.files.c.seq)
    )
    with engine.connect() as connection:
        paths = connection.execute(query).scalars().all()
    return f"[{', '.join(literal(str(folder.tables / path)) for path in paths)}]" if paths else ""


def _count_labels(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    file: tuple[int, str, str, str],
    tags: Sequence[str],
) -> None:
    """Add what this file changes in the counts of labelled and correct predictions, after minus before."""
    seq, kind, model, path = file
    here = f"[{literal(str(folder.tables / path))}]"
    earlier = _files(engine, folder, model, "labels", seq)
    served = here if kind == "predictions" else _files(engine, folder, model, "predictions", seq)
    if not served or (kind == "predictions" and not earlier):
        return  # labels before their predictions wait in their file; predictions without labels add nothing
    connection.execute(f"CREATE TEMP TABLE touched AS SELECT DISTINCT environment, id FROM read_parquet({here})")
    shown = "id, environment, version, time, prediction" + (", tags" if tags else "")
    connection.execute(
        f"CREATE TEMP TABLE served AS SELECT {shown} FROM read_parquet({served}, union_by_name = true) SEMI JOIN touched USING (environment, id)"
    )
    history = "SELECT id, environment, label, time FROM read_parquet({}) SEMI JOIN touched USING (environment, id)"
    old = (
        history.format(earlier)
        if earlier
        else "SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS environment, NULL::VARCHAR AS label, NULL::TIMESTAMP AS time WHERE false"
    )
    connection.execute(f"CREATE TEMP TABLE old_labels AS {old}")
    if kind == "predictions":
        _contribute(connection, "old_labels", 1, tags)
        return
    connection.execute(f"CREATE TEMP TABLE new_labels AS SELECT * FROM old_labels UNION ALL {history.format(here)}")
    _contribute(connection, "old_labels", -1, tags)
    _contribute(connection, "new_labels", 1, tags)


def _contribute(connection: duckdb.DuckDBPyConnection, labels: str, sign: int, tags: Sequence[str]) -> None:
    """Add or take away what a history of labels says of the served rows, day by day as it became known.

    The truth at t is the label with the latest time up to t, so each label adds what it changes of the one before.
    """
    order = "OVER (PARTITION BY p.environment, p.id ORDER BY l.time, l.label)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE told AS SELECT p.*, l.time::DATE AS known, (row_number() {order} = 1)::INT AS labelled,"
        f" {_SAME}::INT - coalesce(lag({_SAME}::INT) {order}, 0) AS correct"
        f" FROM served p JOIN {labels} l USING (environment, id)"
    )
    for chosen in slice_sets(tags, 2):
        name, there = _slice(chosen)
        for kind in ("labelled", "correct"):
            connection.execute(
                f"INSERT INTO cells SELECT version, environment, time::DATE, {name}, '', {literal(kind)}, 0, NULL, known, {sign} * sum({kind})"
                f" FROM told WHERE {there} GROUP BY ALL HAVING sum({kind}) != 0"
            )


def _copy(folder: Folder, connection: duckdb.DuckDBPyConnection, model: str) -> dict[str, object] | None:
    """Write the deltas of one file as a file of cells."""
    merged = "SELECT * EXCLUDE n, sum(n)::BIGINT AS n FROM cells GROUP BY ALL HAVING sum(n) != 0"
    if not (connection.execute(f"SELECT count(*) FROM ({merged})").fetchone() or (0,))[0]:
        return None
    home = folder.tables / "cells"
    home.mkdir(exist_ok=True)
    path = home / f"{uuid.uuid4().hex}.parquet"
    connection.execute(
        f"COPY ({merged} ORDER BY name, slice, day) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
    )
    return described(connection, path, folder, "cells", model)


def _keep_frames(transaction: Connection, model: str, frames: dict[str, dict[str, object]]) -> None:
    for name, values in frames.items():
        chosen = (c.columns.c.model == model) & (c.columns.c.role == "feature") & (c.columns.c.name == name)
        transaction.execute(c.columns.update().where(chosen).values(**values))
