"""Two tables from Parquet, compared column by column → against DuckDB's bare histograms of the same columns, and in how much memory.

A table has 20 columns: a time, twelve numbers of four shapes, three whole numbers, four texts of 5 to 5,000 values. The
limit is what an engine must do at least: least and greatest of each number, then `histogram` with 32 equal bins of each,
and of each text its values. Both run in processes of their own, by turns; each figure is the middle of the runs.

`python -m bench.comparison [--rows 1000000] [--also 10000000] [--runs 3]`
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

import duckdb

from bench.record import Row, note, say

DAYS: Final = 60
MEGABYTES: Final = {1_000_000: 500, 10_000_000: 1000}
TIMES: Final = 2.0
NUMBERS: Final = tuple(f"n{i:02d}" for i in range(12))
WHOLE: Final = ("w0", "w1", "w2")
TEXTS: Final = {"t0": 5, "t1": 40, "t2": 500, "t3": 5000}
BINS: Final = 32
_HEAD: Final = """
import json, os, sys, time
from pathlib import Path
def cpu():
    now = os.times()
    return now.user + now.system
"""
_TAIL: Final = """
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([took_cpu, took, int(peak.split()[1]) / 1024, said]))
"""
_OURS: Final = (
    _HEAD
    + """
import watchglass as wg
wg.compare({"x": [1.0] * 100}, {"x": [1.0] * 100})
began_cpu, began = cpu(), time.perf_counter()
found = wg.compare(sys.argv[1], sys.argv[2])
took_cpu, took = cpu() - began_cpu, time.perf_counter() - began
said = [found.sentence, len(found.columns)]
"""
    + _TAIL
)
_BARE: Final = (
    _HEAD
    + """
import duckdb
numbers, texts, bins = json.loads(sys.argv[3])
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
connection.execute("SELECT 1").fetchall()
began_cpu, began = cpu(), time.perf_counter()
for path in sys.argv[1:3]:
    ends = connection.execute("SELECT " + ", ".join(f"min({n}), max({n})" for n in numbers) + f" FROM '{path}'").fetchone()
    asked = []
    for i, name in enumerate(numbers):
        low, high = float(ends[2 * i]), float(ends[2 * i + 1])
        asked.append(f"histogram({name}, {[low + (high - low) * (j + 1) / bins for j in range(bins)]})")
    asked += [f"histogram({name})" for name in texts]
    connection.execute("SELECT " + ", ".join(asked) + f" FROM '{path}'").fetchall()
took_cpu, took = cpu() - began_cpu, time.perf_counter() - began
said = []
"""
    + _TAIL
)


def table(path: Path, rows: int, seed: int) -> None:
    """Write a table; with another seed a few columns have moved."""
    shift = 0.1 if seed else 0.0
    columns = [
        f"TIMESTAMP '2026-01-01' + to_microseconds((i::DOUBLE / {rows} * {DAYS * 86_400_000_000})::BIGINT) AS at"
    ]
    for place, name in enumerate(NUMBERS):
        one, other = (
            f"((hash(i * {k} + {place * 1009 + seed * 7919}) >> 11)::DOUBLE / 9007199254740992.0)" for k in (31, 37)
        )
        normal = f"(sqrt(-2 * ln({one} + 1e-12)) * cos(6.283185307179586 * {other}) + {shift if place < 3 else 0.0})"
        made = (normal, f"exp({normal})", f"(1013 + 10 * {normal})", f"(100 * {one})")[place % 4]
        columns.append(f"{made} AS {name}")
    columns += [f"(hash(i * 41 + {place + seed * 13}) % {10 ** (place + 1)})::INTEGER AS {name}" for place, name in enumerate(WHOLE)]  # fmt: skip
    columns += [f"'value ' || (hash(i * 43 + {place * 77 + seed * 17}) % {many}) AS {name}" for place, (name, many) in enumerate(TEXTS.items())]  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '600MB'")
        connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        )


def run(program: str, *words: str) -> tuple[float, float, float, list[object]]:
    """Run a program and read what it measured: seconds of CPU, seconds, megabytes, what it found."""
    done = subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True, text=True)
    cpu, took, peak, said = json.loads(done.stdout)
    return float(cpu), float(took), float(peak), said


def measured(rows: int, runs: int) -> list[Row]:
    """Measure one size."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{name}.parquet") for name in ("reference", "current")]
        for seed, path in enumerate(paths):
            note(f"writing {rows:,} rows")
            table(Path(path), rows, seed)
        about = json.dumps([[*NUMBERS, *WHOLE], [*TEXTS], BINS])
        ours, bare = [], []
        for turn in range(runs):
            bare.append(run(_BARE, *paths, about))
            ours.append(run(_OURS, *paths))
            note(
                f"run {turn + 1}: {ours[-1][0]:.2f} s CPU against {bare[-1][0]:.2f}, {ours[-1][1]:.2f} s against {bare[-1][1]:.2f}"
            )
    note(str(ours[0][3]))
    cpu, bare_cpu = (median(each[0] for each in side) for side in (ours, bare))
    took, bare_took = (median(each[1] for each in side) for side in (ours, bare))
    peak = max(each[2] for each in ours)
    many = f"{rows // 1_000_000} M × 20, two tables"
    most = MEGABYTES.get(rows, 1000)
    bar, against = f"≤ {TIMES:g} ×", "DuckDB's bare histograms"
    return [
        Row(f"{many}: CPU", "s", cpu, bar, bare_cpu, against, cpu <= TIMES * bare_cpu),
        Row(f"{many}: on the clock", "s", took, bar, bare_took, against, took <= TIMES * bare_took),
        Row(f"{many}: peak of the process", "MB", peak, f"≤ {most} MB", ok=peak <= most, detail="interpreter and libraries in it"),
    ]  # fmt: skip


def main() -> None:
    """Measure every size that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.comparison", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--also", type=int, default=10_000_000, help="0 for none")
    parser.add_argument("--runs", type=int, default=3)
    said = parser.parse_args()
    say("comparison", [row for rows in (said.rows, said.also) if rows for row in measured(rows, said.runs)])


if __name__ == "__main__":
    main()
