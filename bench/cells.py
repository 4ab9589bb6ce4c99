"""One published file of a model's predictions → what its cells cost in the processor, a row, column and slice dimension.

`python -m bench.cells [--rows 200000] [--columns 25]`. The limit beside it is a bare read of the same columns and one
`np.bincount` a column and dimension over codes that are there already.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from bench.record import Row, note, say
from watchglass.store import catalog as c
from watchglass.store.cells import follow
from watchglass.store.folder import prepare
from watchglass.store.parquet import write
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

BAR = 0.15  # µs of the processor a row, column and dimension
REPEATS = 3
BEGIN = 1_780_272_000_000_000  # 2026-06-01T00:00Z
TAGS = ("channel", "site")


def _rows(rows: int, columns: int) -> str:
    """Write the SELECT of a model's rows: numbers of several shapes, two tags, four hours of one day."""
    shapes = (
        "sqrt(-2 * ln(random() + 1e-300)) * cos(6.283185 * random()) * {n} + 100",
        "-ln(random() + 1e-300) * {n}",
        "random()",
    )
    packed = ", ".join(f"f{i:02d} := {shapes[i % 3].format(n=i + 1)}" for i in range(columns))
    return (
        f"SELECT 'p' || i AS id, make_timestamp({BEGIN} + i * {14_400_000_000 // rows}) AS time, 'm' AS model, '1' AS version,"
        " 'live' AS environment, 'yes' AS prediction, NULL::DOUBLE AS prediction_number, 0.5 AS score, NULL::VARCHAR AS scores,"
        " NULL::DOUBLE AS latency, NULL::VARCHAR AS run, NULL::VARCHAR AS trace, NULL::BIGINT AS weight,"
        f" struct_pack({packed}) AS features, struct_pack(channel := ['web', 'app', 'post'][1 + (random() * 2.99)::INT],"
        f" site := 'site ' || (random() * 11.99)::INT) AS tags FROM range({rows}) t(i)"
    )


def _published(root: Path, rows: int, columns: int, slices: Sequence[str]) -> tuple[Folder, Engine]:
    """Make a store with one published file of one model."""
    folder = prepare(root, create=True)
    engine = connect(folder)
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.5); SET threads = 1")
        file = write(folder, connection, "predictions", "m", _rows(rows, columns), "time")
    with writing(engine) as transaction:
        transaction.execute(
            c.models.insert(), [{"name": "m", "slices": str(list(slices)).replace("'", '"'), "time": BEGIN}]
        )
        names = [("feature", f"f{i:02d}", "number") for i in range(columns)] + [("tag", tag, "text") for tag in TAGS]
        transaction.execute(
            c.columns.insert(), [{"model": "m", "role": role, "name": name, "type": kind} for role, name, kind in names]
        )
        transaction.execute(c.files.insert(), [file] if file else [])
    return folder, engine


def _cells(rows: int, columns: int, slices: Sequence[str]) -> tuple[float, int]:
    """Give the seconds of the processor that following one file takes, the least of some, and how many cells it gave."""
    best, size = float("inf"), 0
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as root:
            folder, engine = _published(Path(root), rows, columns, slices)
            begun = time.process_time()
            follow(folder, engine)
            best = min(best, time.process_time() - begun)
            size = sum(
                row[0]
                for row in duckdb.execute(
                    "SELECT count(*) FROM read_parquet(?)", [f"{folder.tables}/cells/*.parquet"]
                ).fetchall()
            )
            engine.dispose()
    return best, size


def _bare(rows: int, columns: int, dimensions: int) -> float:
    """Give the seconds of the processor that a read of the columns and a bare count of codes take."""
    best = float("inf")
    with tempfile.TemporaryDirectory() as root:
        folder, engine = _published(Path(root), rows, columns, ())
        engine.dispose()
        path = next((folder.tables / "predictions").glob("*.parquet"))
        names = ", ".join(f"features.f{i:02d} AS f{i:02d}" for i in range(columns))
        codes = np.random.default_rng(0).integers(0, 2000, rows)
        for _ in range(REPEATS):
            with duckdb.connect() as connection:
                begun = time.process_time()
                read = connection.execute(f"SELECT {names} FROM read_parquet('{path}')").fetchnumpy()
                for _ in range(len(read) * dimensions):
                    np.bincount(codes)
                best = min(best, time.process_time() - begun)
    return best


def main() -> None:
    """Measure with no declared slice, and with two."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--columns", type=int, default=25)
    given = arguments.parse_args()
    found = []
    for slices in ((), TAGS):
        dimensions = 1 + len(slices)
        each = given.rows * given.columns * dimensions / 1e6
        seconds, size = _cells(given.rows, given.columns, slices)
        cost, limit = seconds / each, _bare(given.rows, given.columns, dimensions) / each
        note(f"{len(slices)} slices: {cost:.4f} µs, bare {limit:.4f} µs, {size} cells")
        found.append(
            Row(
                what=f"cells of {given.rows} rows × {given.columns} numbers, {len(slices)} declared slices",
                unit="µs of CPU a row, column and dimension",
                measured=cost,
                bar=f"≤ {BAR} µs",
                limit=limit,
                against="bare read of the columns and np.bincount of ready codes",
                ok=cost <= BAR,
                detail=f"{size} cells; reading, counting, writing and publishing",
            )
        )
    say("cells", found)


if __name__ == "__main__":
    main()
