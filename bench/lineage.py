"""Four workloads that grow, a chain, a ladder and a model that all read → what it costs to log one unit more, take it in, and trace it.

`python -m bench.lineage [--runs 100000] [--rate 1000000]`: up to how many runs the workloads grow; how many the catalog
has at which the rate of taking in is measured. A pipeline is days of five stages with names of their own; in inference every run reads one model; in overwrite
every run writes one name; in a chain each run reads what the one before it wrote. Inputs are declared names.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import watchglass as wg
from bench import many_runs
from bench.record import Row, note, say
from watchglass.capture import recorder
from watchglass.capture.encode import line
from watchglass.capture.segment import new_file, prepare
from watchglass.reading import Store
from watchglass.receive.committer import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Told = tuple[str, list[str], list[str]]
SIZES: Final = (200, 1_000, 10_000, 100_000, 1_000_000)
HARD: Final = 100_000
"""Runs of the stores that are asked what is hard."""
UNITS: Final = 50
STAGES: Final = 5
AT_ONCE: Final = 5_000
PARTS: Final = 3
PART: Final = 100_000
BEGIN: Final = 1_780_000_000.0
NAMED: Final = ("pipeline", "inference", "overwrite", "chain")
_TRACED: Final = {"pipeline": 5, "inference": 2, "overwrite": 1, "chain": 6}
"""Runs that a trace to depth 5 has."""


def told(workload: str, number: int) -> Told:
    """Give a run's component, and the names that it reads and writes."""
    if workload == "pipeline":
        day, stage = divmod(number, STAGES)
        return f"stage{stage}", [f"d{day}s{stage - 1}" if stage else f"raw{day}"], [f"d{day}s{stage}"]
    if workload == "inference":
        return ("train", ["rows"], ["model"]) if number == 0 else ("infer", ["model"], [f"out{number}"])
    if workload == "overwrite":
        return "refresh", [f"in{number}"], ["table"]
    return "step", [f"link{number}"], [f"link{number + 1}"]


def started(number: int) -> float:
    """Give when a run began, in seconds since the epoch."""
    return BEGIN + number * 0.01


def events(workload: str, first: int) -> Iterator[dict[str, object]]:
    """Write runs as a recorder does, from a number on."""
    number = first
    while True:
        component, reads, writes = told(workload, number)
        begun, over = round(started(number) * 1e6), round(started(number) * 1e6) + 5_000
        yield {
            "kind": "run",
            "id": f"{number:012d}-{workload}",
            "component": component,
            "version": "1",
            "trace": f"{number:032x}",
            "started": begun,
            "ended": over,
            "status": "ok",
            "host": "bench",
            "pid": 1,
            "reads": [{"name": name, "version": None, "rule": "declared", "time": begun} for name in reads],
            "writes": [{"name": name, "version": None, "rule": "declared", "time": over} for name in writes],
        }
        number += 1


def fill(root: Path, workload: str, first: int, until: int) -> None:
    """Write the log of runs from one number up to another."""
    rest = islice(events(workload, first), until - first)
    while part := list(islice(rest, AT_ONCE)):
        publish(prepare(str(root), "graph"), new_file("graph"), [line(event) for event in part])


def taken_in(store: Store) -> float:
    """Take the log in; gives the seconds."""
    begun = time.perf_counter()
    store.runs(limit=1)
    return time.perf_counter() - begun


def unit(store: Store, workload: str, number: int) -> tuple[float, float, int]:
    """Log one unit, take it in and trace its last output; gives the seconds of the log, those of all, and the runs told."""
    runs = STAGES if workload == "pipeline" else 1
    made = [told(workload, number + place) for place in range(runs)]
    begun = time.perf_counter()
    for place, (component, reads, writes) in enumerate(made):
        when = started(number + place)
        wg.log_run(component, started=when, ended=when + 0.005, inputs=reads, outputs=writes, version="1")
    logged = time.perf_counter() - begun
    found = store.trace(made[-1][2][0], depth=5)
    whole = time.perf_counter() - begun
    if len(found.steps) != _TRACED[workload]:
        message = f"{workload}: a trace has {len(found.steps)} runs"
        raise AssertionError(message)
    return logged, whole, runs


def grown(workload: str, sizes: tuple[int, ...], home: Path) -> Iterator[Row]:
    """Let a store grow, and measure units at each size."""
    root = home / workload
    wg.init(store=str(root))
    wholes, number = {}, 0
    with Store(root, create=True) as store:
        for size in sizes:
            fill(root, workload, number, size)
            number = size - size % STAGES
            taken_in(store)
            store.compact()
            logs, all_of_it = [], []
            for _ in range(UNITS):
                logged, whole, runs = unit(store, workload, number)
                number += runs
                logs.append(logged / runs)
                all_of_it.append(whole)
            wholes[size] = median(all_of_it) * 1e3
            log_us = median(logs) * 1e6
            note(f"lineage: {workload} at {size:,}: log {log_us:.0f} µs a run, all {wholes[size]:.2f} ms")
            yield Row(
                f"{workload} at {size:,} runs: log, take in, trace",
                "ms",
                wholes[size],
                detail=f"median of {UNITS}, at most {max(all_of_it) * 1e3:.1f} ms",
            )
            yield Row(
                f"{workload} at {size:,} runs: log a run, in the caller", "µs", log_us, "≤ 100 µs", ok=log_us <= 100
            )
    recorder.close()
    flat = max(wholes.values()) / min(wholes.values())
    yield Row(f"{workload}: the largest of these over the smallest", "×", flat, "≤ 1.5", ok=flat <= 1.5)
    shutil.rmtree(root)


def timed(what: str, ask: Callable[[], object], bar_ms: float | None, times: int = UNITS) -> Row:
    """Ask often; give the median."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begun) * 1e3)
    middle = median(took)
    note(f"lineage: {what}: {middle:.2f} ms")
    detail = f"median of {times}, at most {max(took):.1f} ms"
    bar, ok = ("", None) if bar_ms is None else (f"≤ {bar_ms:g} ms", middle <= bar_ms)
    return Row(what, "ms", middle, bar, ok=ok, detail=detail)


@contextmanager
def filled(home: Path, workload: str, size: int) -> Iterator[Store]:
    """Give a store with so many runs of a workload."""
    root = home / workload
    fill(root, workload, 0, size)
    with Store(root, create=True) as store:
        taken_in(store)
        store.compact()  # as upkeep does: a log that lies there whole is looked through at each question
        yield store
    shutil.rmtree(root)


def asked(home: Path, runs: int) -> Iterator[Row]:
    """Trace and tell impact where it is hard."""
    with filled(home, "pipeline", runs) as store:
        last = told("pipeline", runs - 1)[2][0]
        yield timed(f"trace, depth 5, among {runs:,} runs", partial(store.trace, last, depth=5), 10)
    with filled(home, "inference", runs) as store:
        output = f"out{runs // 2}"
        yield timed(f"trace of an output of a model that {runs:,} runs read", partial(store.trace, output), 20)
        impact = partial(store.impact, "model", predictions=False)
        yield timed("impact of that model, first page and count", impact, 20)
        yield timed("impact of that model, the page after", partial(impact, after=impact().next), 20)
        yield timed("impact of that model, every run walked and counted", partial(impact, exact=True), None, 3)
    deep = min(runs, 10_000)
    with filled(home, "chain", deep) as store:
        yield timed(f"trace of a chain {deep:,} deep", partial(store.trace, f"link{deep}"), 1_000, 5)
        whole = partial(store.impact, "link1", exact=True, predictions=False)
        yield timed("impact of its first link, counted to the end", whole, 1_000, 5)


def rungs() -> Iterator[dict[str, object]]:
    """Write 18 layers of two runs that each read both of the layer before."""
    for layer in range(18):
        for side in range(2):
            begun = round(started(layer * 2 + side) * 1e6)
            reads = [{"name": f"o{layer - 1}{other}", "time": begun} for other in range(2)] if layer else []
            writes = [{"name": f"o{layer}{side}", "time": begun + 1}]
            yield {"kind": "run", "id": f"r{layer}{side}", "component": "rung", "started": begun, "ended": begun + 1, "status": "ok", "reads": reads, "writes": writes}  # fmt: skip


def ladder(home: Path) -> Row:
    """Trace such a ladder."""
    root = home / "ladder"
    publish(prepare(str(root), "graph"), new_file("graph"), [line(event) for event in rungs()])
    with Store(root, create=True) as store:
        found = store.trace("o170")
        if len(found.steps) != 35:
            message = f"the ladder has {len(found.steps)} runs"
            raise AssertionError(message)
        return timed("trace of a ladder of 18 layers, 35 runs", lambda: store.trace("o170"), 50)


def rate(home: Path, runs: int) -> Iterator[Row]:
    """Take runs into a catalog that has many; gives the rate and what it costs the processor."""
    read, written = home / "taken in", home / "written"
    fill(read, "pipeline", 0, 3 * AT_ONCE)
    with Store(read, create=True) as store:
        taken_in(store)
    many_runs.pipeline(written, 3 * AT_ONCE, AT_ONCE)
    many_runs.alike(read, written)
    root = home / "rate"
    many_runs.pipeline(root, runs, AT_ONCE)
    seconds, spent = [], []
    with Store(root) as store:
        for first in range(runs, runs + PARTS * PART, PART):
            fill(root, "pipeline", first, first + PART)
            begun = time.process_time()
            seconds.append(taken_in(store))
            spent.append(time.process_time() - begun)
            note(f"lineage: {first + PART:,} runs in the catalog: {PART / seconds[-1]:,.0f} taken in a second")
    each, cpu = PART / median(seconds), median(spent) / PART * 1e6
    detail = f"median of {PARTS} times {PART:,}; {cpu:.1f} µs of the processor a run"
    yield Row(
        f"taking in, {runs:,} runs in the catalog", "runs/s", each, "≥ 15,000 runs/s", ok=each >= 15_000, detail=detail
    )
    shutil.rmtree(root)


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=1_000_000)
    said = parser.parse_args()
    sizes = tuple(size for size in SIZES if size <= said.runs)
    with tempfile.TemporaryDirectory(prefix="watchglass-lineage-") as made:
        home = Path(made)
        rows = [row for workload in NAMED for row in grown(workload, sizes, home)]
        rows += [*asked(home, min(sizes[-1], HARD)), ladder(home), *rate(home, said.rate)]
    say("lineage", rows)


if __name__ == "__main__":
    main()
