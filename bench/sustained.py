"""Writers, a compactor, cells, a merger and a reader on one machine for a minute → whether all keep up, and every answer is whole.

`python -m bench.sustained [--seconds 60] [--rate 61000] [--writers 2] [--profile FOLDER] [--keep FOLDER]`
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

import watchglass as wg
from bench.load.counts import Counts
from bench.record import Row, note, say
from watchglass.store import catalog
from watchglass.store.folder import prepare
from watchglass.store.transactions import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_EVERY = 0.5
PATIENCE = 600.0  # seconds that the end may take
_sampling: list[subprocess.Popen[bytes]] = []


@dataclass(slots=True)
class Run:
    """What came of it: each process's own words, the age of the tail over time, the count at the end."""

    told: list[dict[str, Any]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    rows: int = 0
    ids: int = 0
    acknowledged: int = 0

    def of(self, role: str) -> list[dict[str, Any]]:
        """Give what the processes of a role told."""
        return [about for about in self.told if str(about["role"]).startswith(role)]


def _start(module: str, *words: object, profile: Path | None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"bench.load.{module}", *map(str, words)]
    sampler = shutil.which("py-spy")
    if profile is not None and sampler is None and module != "writer":  # cProfile would halve what a writer writes
        command += ["--profile", str(profile)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    if profile is not None and sampler is not None:
        out = profile / f"{module}-{process.pid}.txt"
        _sampling.append(
            subprocess.Popen(
                [
                    sampler,
                    "record",
                    "--pid",
                    str(process.pid),
                    "--format",
                    "raw",
                    "--output",
                    str(out),
                    "--nonblocking",
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
    return process


def _age(root: Path, engine: sa.Engine) -> float:
    """Give the age, in seconds, of the oldest row that is not in the tables: a segment's name says when it began."""
    names = sorted(path.name for path in (root / "store" / "log" / "rows").glob("*.jsonl"))
    with engine.connect() as connection:
        taken = set(connection.execute(sa.select(catalog.segments.c.name)).scalars())
    left = [name for name in names if name not in taken]
    return time.time() - int(left[0].replace("-", "")[:12], 16) / 1000 if left else 0.0


def sustain(root: Path, seconds: float, rate: float, writers: int, profile: Path | None = None) -> Run:
    """Run all for so many seconds and bring the store to rest."""
    run = Run()
    counts = Counts(root / "counts")
    engine = connect(prepare(root / "store", create=True))
    writing = [_start("writer", root, number, seconds, rate / writers, profile=profile) for number in range(writers)]
    others = [_start("reader", root, profile=profile), _start("keeper", root, profile=profile)]
    while any(process.poll() is None for process in writing):
        run.ages.append(_age(root, engine))
        if any(process.poll() is not None for process in others):
            counts.stop()  # one of them died: its own words on stderr say why
        time.sleep(LOOK_EVERY)
    counts.stop()
    for process in (*writing, *others):
        said, _ = process.communicate(timeout=PATIENCE)
        if process.returncode:
            message = f"{process.args!r} ended with {process.returncode}"
            raise RuntimeError(message)
        run.told.append(json.loads(said))
    for sampler in _sampling:
        sampler.wait(PATIENCE)
    engine.dispose()
    run.acknowledged = counts.all_acknowledged() - sum(about["dropped"] for about in run.of("writer"))
    with wg.open(root / "store") as store:
        row = store.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions").rows()[0]
    run.rows, run.ids = int(str(row["n"])), int(str(row["ids"]))
    return run


def rows_of(run: Run) -> list[Row]:
    """Hold what was measured against the bars."""
    writers, reader, keeper = run.of("writer"), run.of("reader")[0], run.of("keeper")[0]
    speed = sum(about["events"] / about["seconds"] for about in writers)
    took = [1000 * value for value in reader["took"]]
    p50, p95 = (median(took), quantiles(took, n=20)[18]) if len(took) > 1 else (took[0], took[0])
    cpu = sum(about["cpu"] for about in run.told)
    length = max(about["seconds"] for about in writers)
    share = ", ".join(f"{about['role']} {about['cpu']:.1f} s" for about in run.told)
    parts = ", ".join(f"{name} {used:.1f} s" for name, used in keeper["step_cpu"].items())
    exact = run.rows == run.ids == run.acknowledged
    return [
        Row("events recorded", "events/s", speed, "≥ 60,000", ok=speed >= 60_000, detail=f"{len(writers)} writers, {length:.0f} s, 25 features"),
        Row("oldest row not yet in the tables, at worst", "s", max(run.ages), "≤ 10", ok=max(run.ages) <= 10, detail=f"median {median(run.ages):.1f} s"),
        Row("count and mean score by minute of the last hour, p50", "ms", p50, "≤ 100", ok=p50 <= 100, detail=f"p95 {p95:.0f} ms, {len(took)} questions, one reader"),
        Row("answers that lack an acknowledged event or hold one too many", "answers", len(reader["wrong"]), "0", ok=not reader["wrong"], detail="; ".join(reader["wrong"][:3])),
        Row("events in the store at the end", "events", run.rows, "= acknowledged", run.acknowledged, "acknowledged", ok=exact, detail=f"{run.ids} distinct ids"),
        Row("CPU of all processes, by event", "µs", 1e6 * cpu / max(run.rows, 1), detail=f"{share}; keeper: {parts}"),
        Row("keeper's longest round", "s", keeper["longest_round"], detail=f"{keeper['rounds']} rounds"),
        Row("memory of the keeper, at most", "MB", keeper["memory_mb"]),
        Row("memory of the reader, at most", "MB", reader["memory_mb"]),
        Row("memory of a writer, at most", "MB", max(about["memory_mb"] for about in writers)),
    ]  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=61_000.0, help="events a second of all writers together")
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--profile", type=Path, help="a folder for what py-spy, else cProfile, saw in each process")
    parser.add_argument("--keep", type=Path, help="leave the store in this folder")
    said = parser.parse_args(words)
    root = said.keep or Path(tempfile.mkdtemp(prefix="watchglass-sustained-"))
    for folder in (root, said.profile):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    note(f"{said.writers} writers, {said.rate:,.0f} events/s, {said.seconds:.0f} s, in {root}")
    try:
        say("sustained", rows_of(sustain(root, said.seconds, said.rate, said.writers, said.profile)))
    finally:
        if said.keep is None:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
