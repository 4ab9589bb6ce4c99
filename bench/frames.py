"""Recording a frame of 100,000 rows and 30 columns at once → its speed, beside the frame library's own Parquet write of the same columns.

`python -m bench.frames [--rows 100000]`
Ours is on the disk (fsync of file, sidecar and folder) when the call returns; the library's own write is measured as
it is, which ends in the page cache, and again with one fsync of its file.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import watchglass as wg
from bench.record import Row, note, say
from watchglass.capture import recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NUMBERS = 25
ROUNDS = 9
ROWS_A_SECOND = 100_000
FACTOR = 2.0
LINES = 10_000


@dataclass(frozen=True, slots=True)
class Library:
    """A frame, and how its own library writes it as Parquet."""

    name: str
    frame: object
    write: Callable[[str], object]


def table(rows: int) -> pa.Table:
    """Make 25 numbers, a tag, a prediction, a score, an id and a time."""
    chance = np.random.default_rng(1)
    columns: dict[str, object] = {f"feature_{number:02}": chance.normal(size=rows) for number in range(NUMBERS)}
    columns |= {
        "country": chance.choice(["IT", "DE", "FR"], rows),
        "prediction": chance.integers(0, 2, rows),
        "score": chance.random(rows),
        "id": [f"order-{number}" for number in range(rows)],
        "time": np.datetime64("2026-01-01", "us") + np.arange(rows) * np.timedelta64(1, "s"),
    }
    return pa.table(columns)


def libraries(rows: int) -> list[Library]:
    """Hold the same table in each library."""
    arrow = table(rows)
    polars, pandas = pl.from_arrow(arrow), arrow.to_pandas()
    assert isinstance(polars, pl.DataFrame)
    return [
        Library("polars", polars, polars.write_parquet),
        Library("pyarrow", arrow, lambda path: pq.write_table(arrow, path)),
        Library("pandas", pandas, lambda path: pandas.to_parquet(path, engine="pyarrow", index=False)),
    ]


def record(frame: object) -> int:
    """Log a frame."""
    return wg.log_predictions(
        "m", frame, version="1", prediction="prediction", score="score", id="id", time="time", tags=["country"]
    )


def synced(path: Path) -> None:
    """Bring a file to the disk."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def seconds(verb: Callable[[], object]) -> float:
    """Time a call."""
    began = time.perf_counter()
    verb()
    return time.perf_counter() - began


def measure(library: Library, rows: int, folder: Path) -> list[Row]:
    """Record and write in turn; the figures are medians."""
    own = folder / "own.parquet"

    def write_and_sync() -> None:
        library.write(str(own))
        synced(own)

    record(library.frame)
    library.write(str(own))
    took = [
        (seconds(lambda: record(library.frame)), seconds(lambda: library.write(str(own))), seconds(write_and_sync))
        for _ in range(ROUNDS)
    ]
    ours, bare, bare_synced = (median(one[place] for one in took) for place in range(3))
    note(f"{library.name}: {ours:.3f} s, its own write {bare:.3f} s, with fsync {bare_synced:.3f} s")
    speed, detail = rows / ours, f"{rows} rows × {NUMBERS + 5} columns, median of {ROUNDS}"
    return [
        Row(f"log_predictions, {library.name}", "rows/s", speed, "≥ 100,000", ok=speed >= ROWS_A_SECOND, detail=detail),
        Row(f"log_predictions, {library.name}, until it is on the disk", "s", ours, "≤ 2 × the limit", bare, "the library's own Parquet write, into the page cache", ours <= FACTOR * bare, detail),
        Row(f"log_predictions, {library.name}, both until on the disk", "s", ours, limit=bare_synced, against="the library's own Parquet write and fsync", detail=detail),
    ]  # fmt: skip


def lines(folder: Path) -> list[Row]:
    """Measure what has no Parquet engine: a list of dicts, as one segment of lines."""
    found = table(LINES).to_pylist()
    record(found)
    ours = median(seconds(lambda: record(found)) for _ in range(3))
    detail = f"{LINES} rows × {NUMBERS + 5} columns, median of 3; {folder.name} holds one segment a call"
    return [Row("log_predictions, a list of dicts", "rows/s", LINES / ours, detail=detail)]


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    said = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="watchglass-frames-") as name:
        folder = Path(name)
        wg.init(folder / "store")
        rows = [row for library in libraries(said.rows) for row in measure(library, said.rows, folder)]
        rows += lines(folder)
        if recorder.dropped():
            message = f"events were dropped, the figures mean nothing: {recorder.dropped()}"
            raise RuntimeError(message)
        recorder.close()
        say("frames", rows)


if __name__ == "__main__":
    main()
