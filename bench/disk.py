"""A log of events, compacted in rounds and merged → the bytes that lie on the disk, beside one COPY of the same rows in the same order.

`python -m bench.disk [--events 400000] [--rounds 4]`
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa

from bench.compaction import COPY
from bench.record import Row, note, say
from bench.traffic import Traffic, record
from watchglass.store import catalog
from watchglass.store.cells import follow
from watchglass.store.compact import compact
from watchglass.store.folder import prepare
from watchglass.store.merge import merge
from watchglass.store.transactions import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.folder import Folder

PARQUET = 1.05
INDEX = 12.0


def stored(root: Path, traffic: Traffic, rounds: int) -> tuple[Folder, list[Path], int]:
    """Record, compact and count in rounds, then merge; gives the live files of predictions and the rows in them."""
    folder = prepare(root / "store", create=True)
    engine = connect(folder)
    for turn in range(rounds):
        record(folder.root, traffic)
        compact(folder, engine)
        follow(folder, engine)
        note(f"round {turn + 1} of {rounds}")
    merge(folder, engine)
    files = catalog.files.c
    query = sa.select(files.path, files.rows).where(files.kind == "predictions", files.removed.is_(None))
    with engine.connect() as connection:
        live = connection.execute(query.order_by(files.first, files.seq)).all()
    engine.dispose()
    return folder, [folder.tables / row.path for row in live], sum(row.rows for row in live)


def one_copy(files: Sequence[Path], out: Path) -> int:
    """Write the rows of files into one, in their order; gives its bytes."""
    listed = ", ".join(f"'{path}'" for path in files)
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM read_parquet([{listed}], union_by_name = true)) TO '{out}' {COPY}")
    return out.stat().st_size


def below(folder: Path) -> int:
    """Sum the bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=4)
    said = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="watchglass-disk-") as temporary:
        root = Path(temporary)
        folder, files, rows = stored(root, Traffic(said.events, tags=True), said.rounds)
        ours = sum(path.stat().st_size for path in files)
        peer = one_copy(files, root / "peer.parquet")
        home = folder.tables / "predictions"
        beside = sum(
            path.stat().st_size for path in home.rglob("*") if path.suffix != ".parquet" and _live(path, files)
        )
        about = f"{rows:,} rows of 25 numbers in {len(files)} files after {said.rounds} compactions and a merge"
        say(
            "disk",
            [
                Row("Parquet, by row", "B", ours / rows, f"≤ {PARQUET} × the limit", peer / rows, "one COPY of the same rows, same order, row groups and codec", ours <= PARQUET * peer, about),
                Row("index of ids, by row", "B", beside / rows, f"≤ {INDEX:.0f}", ok=beside <= INDEX * rows),
                Row("cells, by row", "B", below(folder.tables / "cells") / rows, detail="grows with days, columns and slices, not with rows"),
                Row("catalog", "kB", below_catalog(folder) / 1000),
            ],
        )  # fmt: skip


def _live(path: Path, files: Sequence[Path]) -> bool:
    return any(path.name.startswith(file.stem) for file in files)


def below_catalog(folder: Folder) -> int:
    """Give the bytes of the catalog with its write-ahead log."""
    return sum(path.stat().st_size for path in folder.root.glob(f"{folder.catalog.name}*"))


if __name__ == "__main__":
    main()
