"""Runs by the million in the catalog → what it takes to list them, to show one, to judge what is stale, to compare and to review.

Days of five stages, each reading what the one before wrote, every hundredth run failed; a hundred components would change
nothing, as each list is read off an index. The rows are written straight into the catalog, for this is about reading it.
The review is that of 100,000 runs in a hundred wide layers with 10,000 outputs, of which some are flagged: a planted run
is behind 95 % of the bad and 5 % of the good ones, the ingest behind all.

`python -m bench.looking [--runs 1000000] [--store FOLDER]`; a folder that is there already is asked as it is.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.many_runs import in_bulk
from bench.record import Row, note, say
from watchglass.reading import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STAGES: Final = ("ingest", "clean", "features", "train", "infer")
BEGIN: Final = 1_700_000_000
REPEATS: Final = 51
BAR: Final = 10.0
OUTPUTS: Final = 10_000
LAYERS: Final = 100
WIDTH: Final = 900
FLAGGED: Final = 1_000


def main() -> None:
    """Fill, ask, say."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=1_000_000)
    asked.add_argument("--store", type=Path)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchglass-looking-") as room:
        root = options.store or Path(room) / "runs"
        if not root.exists():
            _write(root, {"runs": _runs(options.runs), "reads": _reads(options.runs), "writes": _writes(options.runs)})
        rows = _looked(root, options.runs)
        rows += _reviewed(Path(room) / "review")
    say("looking", rows)


def _time(number: int) -> int:
    return (BEGIN + number) * 1_000_000


def _runs(runs: int) -> Iterator[tuple[object, ...]]:
    for number in range(runs):
        begun, status = _time(number), "error" if number % 100 == 99 else "ok"
        yield (
            f"r{number:09}",
            STAGES[number % 5],
            f"v{number // 5000}",
            begun,
            begun + 500_000,
            status,
            '{"lr": 0.1}',
            1,
        )


def _reads(runs: int) -> Iterator[tuple[object, ...]]:
    for number in range(runs):
        day, stage = divmod(number, 5)
        if stage:
            yield f"r{number:09}", f"{STAGES[stage - 1]}-{day}", f"c{number - 1}", "content", _time(number), 1


def _writes(runs: int) -> Iterator[tuple[object, ...]]:
    for number in range(runs):
        day, stage = divmod(number, 5)
        yield f"r{number:09}", f"{STAGES[stage]}-{day}", f"c{number}", "content", _time(number) + 500_000, 1


_COLUMNS: Final = {
    "runs": "id, component, version, started, ended, status, params, changed",
    "reads": "run, name, version, rule, time, changed",
    "writes": "run, name, version, rule, time, changed",
    "components": "name, time",
    "flags": "name, version, time",
}


def _write(root: Path, tables: dict[str, Iterator[tuple[object, ...]]]) -> None:
    """Write rows into a new store's catalog, its indexes after them."""
    with in_bulk(root) as catalog:
        for table, rows in tables.items():
            note(f"{table} of {root.name}")
            values = ", ".join("?" * (_COLUMNS[table].count(",") + 1))
            catalog.executemany(f"INSERT INTO {table} ({_COLUMNS[table]}) VALUES ({values})", rows)
        catalog.execute("INSERT OR IGNORE INTO components (name, time) SELECT DISTINCT component, 1 FROM runs")


def _timed(ask: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Give the median and the largest of some times in ms, the first left out."""
    ask()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        ask()
        found.append((time.perf_counter() - start) * 1e3)
    return statistics.median(found), max(found)


def _looked(root: Path, runs: int) -> list[Row]:
    middle = BEGIN + runs // 2
    with Store(root) as store:
        page = store.runs()
        questions: Sequence[tuple[str, Callable[[], object], bool]] = (
            ("runs, the newest 50", store.runs, True),
            ("runs, the 50 after them", lambda: store.runs(after=page.next), True),
            ("runs of a component that failed", lambda: store.runs("infer", status="error"), True),
            ("runs of a status that none has", lambda: store.runs(status="crashed"), True),
            ("runs between two times", lambda: store.runs(since=middle, until=middle + 100), True),
            ("history, 10 runs with what was stale", lambda: store.history("train"), True),
            ("history, 50 runs", lambda: store.history("train", 50), True),
            ("show a run", lambda: store.run(f"r{runs // 2:09}"), True),
            ("components", store.components, False),
            ("stale, one output, to the sources", lambda: store.stale(f"infer-{runs // 10}"), False),
            ("diff of two runs", lambda: store.diff("train"), False),
            ("state at a time, 100 names", lambda: store.state(middle), False),
        )
        found = []
        for what, ask, promised in questions:
            median, largest = _timed(ask)
            bar, ok = (f"≤ {BAR:.0f} ms", median <= BAR) if promised else ("", None)
            detail = f"of {runs:,} runs; median of {REPEATS}, at most {largest:.1f} ms"
            found.append(Row(what, "ms", median, bar=bar, ok=ok, detail=detail))
        return found


def _reviewed(root: Path) -> list[Row]:
    runs, reads, writes = _layers(random.Random(1))
    flags = [(f"out{number}", "v", 2 * BEGIN * 1_000_000) for number in range(FLAGGED)]
    _write(root, {"runs": iter(runs), "reads": iter(reads), "writes": iter(writes), "flags": iter(flags)})
    with Store(root) as store:
        median, _ = _timed(store.review, 3)
        found = store.review(limit=1000)
    place = next(place for place, one in enumerate(found.runs, start=1) if one.run == "ingest")
    detail = f"{found.flagged:,} flagged against {found.good:,} good; the ingest has place {place}"
    ok = found.runs[0].run == "faulty" and place > 1
    what = f"review, {OUTPUTS:,} outputs, {len(runs):,} runs in {LAYERS} layers"
    return [Row(what, "s", median / 1e3, bar="the planted run first, the ingest not", ok=ok, detail=detail)]


Rows = list[tuple[object, ...]]


def _layers(dice: random.Random) -> tuple[Rows, Rows, Rows]:
    runs: Rows = []
    reads: Rows = []
    writes: Rows = []

    def ran(ident: str, component: str, at: int, read: Sequence[str], wrote: str) -> None:
        begun = BEGIN * 1_000_000 + at
        runs.append((ident, component, None, begun, begun + 10, "ok", None, 1))
        reads.extend((ident, name, "v", "content", begun, 1) for name in read)
        writes.append((ident, wrote, "v", "content", begun + 10, 1))

    ran("ingest", "ingest", 0, (), "raw")
    ran("faulty", "features", 50, ("raw",), "bad features")
    ran("sound", "features", 60, ("raw",), "good features")
    for layer in range(LAYERS):
        for place in range(WIDTH):
            above = {f"x{layer - 1}_{near}" for near in (place, (place * 7 + 3) % WIDTH)} if layer else {"raw"}
            ran(f"x{layer}_{place}", f"stage {layer}", 1000 + layer * 1000 + place, sorted(above), f"x{layer}_{place}")
    for number in range(OUTPUTS):
        through = dice.random() < (0.95 if number < FLAGGED else 0.05)
        read = ("bad features" if through else "good features", f"x{LAYERS - 1}_{number % WIDTH}")
        ran(f"out{number}", "score", 1_000_000 + number * 100, read, f"out{number}")
    return runs, reads, writes


if __name__ == "__main__":
    main()
