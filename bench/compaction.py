"""A log of a million events → the CPU and wall time of compacting it, beside DuckDB's bare COPY of the same lines in the same run.

Ours parses, writes Parquet, sums and indexes it, syncs and publishes; the peer only parses and writes, in whatever order
the lines come. Ours sorts lines that lie more than some minutes apart; these do not.

`python -m bench.compaction [--events 1000000] [--repeats 2]`
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from bench.record import Row, note, say
from bench.traffic import FEATURES, Traffic, record
from watchglass.store.compact import compact
from watchglass.store.folder import prepare
from watchglass.store.transactions import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COPY = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
BAR = 1.5


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took, in seconds."""

    wall: float
    cpu: float

    def best(self, other: Cost) -> Cost:
        """Take the smaller of each: what other programs on the machine added is left out."""
        return Cost(min(self.wall, other.wall), min(self.cpu, other.cpu))


def timed(work: Callable[[], object]) -> Cost:
    """Do it and say what it took; CPU of all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def linked(store: Path, target: Path) -> Path:
    """Give a copy of a store whose files are hard links: compaction deletes its segments, the bytes stay."""
    shutil.copytree(store, target, copy_function=os.link)
    return target


def bare_copy(store: Path, out: Path, kinds: Sequence[tuple[str, str]] = (("prediction", "model_0"),)) -> None:
    """Turn a log's lines into Parquet with DuckDB alone, a file for each kind and model."""
    paths = ", ".join(f"'{path}'" for path in sorted((store / "log" / "rows").glob("*.jsonl")))
    struct = f"STRUCT({', '.join(f'{name} DOUBLE' for name in FEATURES)})"
    outer = (
        "kind: 'VARCHAR', model: 'VARCHAR', id: 'VARCHAR', time: 'BIGINT', version: 'VARCHAR', environment: 'VARCHAR'"
    )
    rest = "prediction: 'VARCHAR', score: 'DOUBLE', label: 'VARCHAR', tags: 'STRUCT(site VARCHAR)'"
    reading = f"read_json([{paths}], columns={{{outer}, {rest}, features: '{struct}'}}, format='newline_delimited')"
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        source = reading
        if len(kinds) > 1:
            connection.execute(f"CREATE TEMP TABLE lines AS SELECT * FROM {reading}")
            source = "lines"
        for kind, model in kinds:
            chosen = "* EXCLUDE (kind, label)" if kind == "prediction" else "id, time, model, environment, label"
            where = f"WHERE kind = '{kind}' AND model = '{model}'" if len(kinds) > 1 else ""
            select = f"SELECT {chosen} REPLACE (make_timestamp(time) AS time) FROM {source} {where}"
            if kind == "label":
                select = select.replace("REPLACE (make_timestamp(time) AS time)", "").replace("id, time,", "id, make_timestamp(time) AS time,")  # fmt: skip
            connection.execute(f"COPY ({select}) TO '{out / f'{kind}-{model}.parquet'}' {COPY}")


def ours(store: Path, lines: int) -> Cost:
    """Compact a store; raises when not every line went into the tables."""
    folder = prepare(store)
    engine = connect(folder)
    done = []
    cost = timed(lambda: done.append(compact(folder, engine)))
    engine.dispose()
    if done[0].rows + done[0].rejected != lines:
        message = f"{lines} lines were written, {done[0].rows} rows and {done[0].rejected} rejects came of them"
        raise RuntimeError(message)
    return cost


def against_bare(root: Path, traffic: Traffic, repeats: int) -> tuple[Cost, Cost, int]:
    """Measure ours and the peer in turn; gives the best of each and the lines."""
    lines = record(root / "made", traffic)
    kinds = [("prediction", f"model_{number}") for number in range(traffic.models)]
    kinds += [("label", model) for _, model in kinds] if traffic.labelled else []
    endless = Cost(float("inf"), float("inf"))
    mine, peer = endless, endless
    for turn in range(repeats):
        out = root / f"bare-{turn}"
        out.mkdir()
        peer = peer.best(timed(lambda out=out: bare_copy(root / "made", out, kinds)))  # type: ignore[misc]
        shutil.rmtree(out)
        store = linked(root / "made", root / f"store-{turn}")
        mine = mine.best(ours(store, lines))
        shutil.rmtree(store)
        note(
            f"{lines:,} lines: ours {mine.cpu:.1f} s CPU, {mine.wall:.1f} s; bare {peer.cpu:.1f} s CPU, {peer.wall:.1f} s"
        )
    shutil.rmtree(root / "made")
    return mine, peer, lines


def careful(root: Path, events: int) -> tuple[Cost, int]:
    """Measure the way that takes a segment line by line, because one line in it cannot be read."""
    lines = record(root / "made", Traffic(events))
    for path in (root / "made" / "log" / "rows").glob("*.jsonl"):
        path.write_bytes(path.read_bytes() + b'{"kind":"prediction"\n')
        lines += 1
    return ours(root / "made", lines), lines


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=2)
    said = parser.parse_args(words)
    against = "bare COPY of the same lines"
    rows = []
    with tempfile.TemporaryDirectory(prefix="watchglass-compaction-") as temporary:
        root = Path(temporary)
        mine, peer, lines = against_bare(root, Traffic(said.events), said.repeats)
        for what, ours_took, bare_took in (("CPU", mine.cpu, peer.cpu), ("wall", mine.wall, peer.wall)):
            measured, limit = 1e6 * ours_took / lines, 1e6 * bare_took / lines
            about = f"{lines:,} events of 25 numbers in 4 segments, best of {said.repeats}"
            rows.append(Row(f"compaction, {what} by event", "µs", measured, f"≤ {BAR} × the limit", limit, against, measured <= BAR * limit, about))  # fmt: skip
        mine, peer, lines = against_bare(root, Traffic(said.events // 4, models=3, labelled=5, tags=True), 1)
        about = f"{lines:,} lines: 3 models, a tag, a label for each fifth prediction"
        rows.append(Row("compaction of mixed lines, CPU by line", "µs", 1e6 * mine.cpu / lines, "", 1e6 * peer.cpu / lines, against, None, about))  # fmt: skip
        cost, lines = careful(root, said.events // 10)
        rows.append(Row("compaction line by line, CPU by line", "µs", 1e6 * cost.cpu / lines, detail=f"{lines:,} lines, one in each of 4 segments cannot be read"))  # fmt: skip
    say("compaction", rows)


if __name__ == "__main__":
    main()
