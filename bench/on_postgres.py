"""The same runs, the same questions, once with the catalog in a file and once in PostgreSQL → how many times longer that takes.

`python -m bench.on_postgres [--runs 100000]`: at 10,000 runs, and at so many. The server is Debian's as it comes, with fsync,
on loopback. Each question is asked in both places in turn, and the best of each counts: what else the machine does only makes slower.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.postgres import postgres

import watchglass as wg
from bench.lineage import BEGIN, NAMED, STAGES, fill, rungs, taken_in, told, unit
from bench.record import Row, note, say
from watchglass.capture import recorder
from watchglass.capture.encode import line
from watchglass.capture.segment import new_file, prepare
from watchglass.reading import Store
from watchglass.receive.committer import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FACTOR: Final = 5
SMALL: Final = 10_000
DEEP: Final = 10_000
UNITS: Final = 30
TIMES: Final = 21
FLAGGED: Final = 100
Pair = tuple[Store, Store]
"""One store with its catalog in a file, one with it in PostgreSQL."""
Question = tuple[str, "Callable[[Store], object]", int]


@contextmanager
def both(home: Path, server: str) -> Iterator[Pair]:
    """Give two new stores."""
    with ExitStack() as stack:
        in_file = stack.enter_context(Store(home / "file", create=True))
        os.environ["WATCHGLASS_CATALOG"] = server
        try:
            in_server = stack.enter_context(Store(home / "server", create=True))
        finally:
            del os.environ["WATCHGLASS_CATALOG"]
        yield in_file, in_server
    for store in ("file", "server"):
        shutil.rmtree(home / store)


def beside(what: str, unit_of: str, found: tuple[float, float], detail: str) -> Row:
    """Put the two figures side by side."""
    in_file, in_server = found
    note(f"on_postgres: {what}: {in_server:.2f} {unit_of}, in a file {in_file:.2f}: {in_server / in_file:.2f} ×")
    held = in_server <= FACTOR * in_file
    return Row(what, unit_of, in_server, f"≤ {FACTOR} × the limit", in_file, "the same in a file", held, detail)


def filled(stores: Pair, workload: str, until: int) -> tuple[float, float]:
    """Take the same runs into both, in parts and in turn; gives the seconds of each."""
    took = [0.0, 0.0]
    for first in range(0, until, SMALL):
        for place, store in enumerate(stores):
            fill(Path(store.path), workload, first, min(until, first + SMALL))
            took[place] += taken_in(store)
    for store in stores:
        store.compact()
    return took[0], took[1]


def in_turn(question: Question, stores: Pair, said: str) -> Row:
    """Ask one question often in both; gives the best of each."""
    what, ask, times = question
    took: tuple[list[float], list[float]] = [], []
    for store in stores:
        ask(store)
    for _ in range(times):
        for store, listed in zip(stores, took, strict=True):
            begun = time.perf_counter()
            ask(store)
            listed.append((time.perf_counter() - begun) * 1e3)
    return beside(f"{what}{said}", "ms", (min(took[0]), min(took[1])), spread(took))


def spread(took: tuple[list[float], list[float]]) -> str:
    """Say how the times lie beside the best."""
    in_file, in_server = (median(listed) for listed in took)
    return f"best of {len(took[0])}; median {in_server:.1f} ms, in a file {in_file:.1f}"


def units(stores: Pair, workload: str, number: int) -> Row:
    """Log one unit, take it in and trace its last output, in turn."""
    took: tuple[list[float], list[float]] = [], []
    for store, listed in zip(stores, took, strict=True):
        wg.init(store=store.path)
        for place in range(UNITS + 1):
            _, whole, _ = unit(store, workload, number + place * (STAGES if workload == "pipeline" else 1))
            listed.append(whole * 1e3)
        del listed[0]  # the recorder's own beginning
        recorder.close()
    what = f"{workload} at {number:,} runs: log, take in, trace"
    return beside(what, "ms", (min(took[0]), min(took[1])), spread(took))


def grown(home: Path, server: str, runs: int) -> Iterator[Row]:
    """Fill stores with each workload, and ask what is hard of each."""
    asked: dict[str, Callable[[int], list[Question]]] = {"pipeline": of_pipelines, "inference": of_a_model}
    for workload in NAMED:
        with both(home, server) as stores:
            took = filled(stores, workload, runs)
            if workload == "pipeline":
                rate = f"{runs / took[1]:,.0f} runs/s, in a file {runs / took[0]:,.0f}"
                yield beside(f"taking in {runs:,} runs", "s", took, rate)
            said = f", of {runs:,} runs"
            questions = asked[workload](runs) if workload in asked else []
            yield from (in_turn(one, stores, said) for one in questions)
            yield units(stores, workload, runs)
            if workload == "pipeline":
                yield reviewed(stores, runs)


def of_pipelines(runs: int) -> list[Question]:
    """Name the questions about a store of pipelines."""
    number = runs // 2
    ident, output = f"{number:012d}-pipeline", told("pipeline", runs - 1)[2][0]
    middle = BEGIN + number * 0.01
    return [
        ("trace, depth 5", lambda store: store.trace(output, depth=5), TIMES),
        ("runs, the newest 50", lambda store: store.runs(), TIMES),
        ("runs of a component between two times", lambda store: store.runs("stage2", since=middle, until=middle + 50), TIMES),
        ("runs of a status that none has", lambda store: store.runs(status="crashed"), TIMES),
        ("history, 10 runs with what was stale", lambda store: store.history("stage3"), TIMES),
        ("show a run", lambda store: store.run(ident), TIMES),
        ("compare two runs", lambda store: store.diff("stage3"), TIMES),
        ("stale, one output, to the sources", lambda store: store.stale(output), TIMES),
        ("stale, every component", lambda store: store.stale(), TIMES),
        ("state at a time, 100 names", lambda store: store.state(middle), TIMES),
        ("components", lambda store: store.components(), TIMES),
    ]  # fmt: skip


def of_a_model(runs: int) -> list[Question]:
    """Name the questions about a store in which all runs but the first read one model."""
    impact = partial(Store.impact, name_or_run="model", predictions=False)
    return [
        ("trace of an output of a model that all read", lambda store: store.trace(f"out{runs // 2}"), TIMES),
        ("impact of that model, first page and count", impact, TIMES),
        ("impact of that model, the page after", lambda store: impact(store, after=impact(store).next), TIMES),
        ("impact of that model, every run walked and counted", partial(impact, exact=True), 3),
    ]


def reviewed(stores: Pair, runs: int) -> Row:
    """Flag the first outputs of the last stage, and contrast them with the rest."""
    for store in stores:
        flags = [{"kind": "flag", "name": f"d{day}s{STAGES - 1}", "version": "", "time": round(BEGIN * 1e6)} for day in range(FLAGGED)]  # fmt: skip
        publish(prepare(str(Path(store.path)), "graph"), new_file("graph"), [line(flag) for flag in flags])
    return in_turn(
        (f"review, {FLAGGED} flagged outputs", lambda store: store.review(), 3), stores, f", of {runs:,} runs"
    )


def deep(home: Path, server: str) -> Iterator[Row]:
    """Trace a long chain, and a ladder."""
    with both(home, server) as stores:
        filled(stores, "chain", DEEP)
        chain: list[Question] = [
            (f"trace of a chain {DEEP:,} deep", lambda store: store.trace(f"link{DEEP}"), 3),
            ("impact of its first link, counted to the end", lambda store: store.impact("link1", exact=True, predictions=False), 3),
        ]  # fmt: skip
        yield from (in_turn(one, stores, "") for one in chain)
    with both(home, server) as stores:
        for store in stores:
            publish(prepare(str(Path(store.path)), "graph"), new_file("graph"), [line(event) for event in rungs()])
        yield in_turn(("trace of a ladder of 18 layers, 35 runs", lambda store: store.trace("o170"), TIMES), stores, "")


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100_000)
    sizes = sorted({SMALL, parser.parse_args().runs})
    with postgres({}) as server, tempfile.TemporaryDirectory(prefix="watchglass-on-postgres-") as made:
        home = Path(made)
        rows = [row for runs in sizes for row in grown(home, server, runs)]
        rows += deep(home, server)
    say("on_postgres", rows)


if __name__ == "__main__":
    main()
