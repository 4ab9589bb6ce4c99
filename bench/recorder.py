"""Recording one prediction of 25 features → what it costs its caller, beside the bare encode and write of the same bytes.

`python -m bench.recorder [--events 200000]`
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import orjson

import watchglass as wg
from bench.record import Row, note, say
from watchglass.capture import recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FACTOR, EXTRA_US, TAIL_FACTOR = 1.5, 3.0, 3.0
IMPORT_MS, FIRST_MS, MEMORY_MB = 60.0, 30.0, 20.0
ROUNDS = 5
STARTS = 15

IMPORT = """
import time
began = time.perf_counter()
{what}
print((time.perf_counter() - began) * 1000)
"""
FIRST = """
import time, sys
began = time.perf_counter()
import watchglass as wg
imported = time.perf_counter()
wg.log_prediction("m", version="1", features={f"f{n:02}": n * 1.37 for n in range(25)}, prediction=1, score=0.5)
print((time.perf_counter() - imported) * 1000)
"""
MEMORY = """
import gc
def rss():
    gc.collect()
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024
features = {f"f{n:02}": n * 1.37 for n in range(25)}
before = rss()
import watchglass as wg
for _ in range(100_000):
    wg.log_prediction("m", version="1", features=features, prediction=1, score=0.5)
print(rss() - before)
"""


def features(seed: int) -> dict[str, float]:
    """Make 25 numbers with all their digits."""
    chance = random.Random(seed)
    return {f"feature_{number:02}": chance.gauss(0, 100) for number in range(25)}


def interleaved(store: Path, events: int, durability: str) -> tuple[list[int], list[int], list[int]]:
    """Record, then encode and write the same bytes bare, in turn; gives the nanoseconds of ours, of one bare, of three bare.

    An interrupt hits what lasts longer more often: three bare ones, about as long as ours, show its share in our tail.
    """
    wg.init(store, durability=durability)
    rows = [features(seed) for seed in range(256)]
    record = wg.log_prediction
    record("m", version="1", features=rows[0], prediction=1, score=0.5)
    wg.flush()
    handle = os.open(store / "log" / "rows" / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    clock = time.perf_counter_ns
    ours, bare, three = [0] * events, [0] * events, [0] * events
    for number in range(events):
        values = rows[number & 255]
        first = clock()
        record("m", version="1", features=values, prediction=1, score=0.5)
        second = clock()
        bare_write(handle, values)
        third = clock()
        bare_write(handle, values)
        bare_write(handle, values)
        bare_write(handle, values)
        ours[number], bare[number], three[number] = second - first, third - second, clock() - third
    os.close(handle)
    recorder.close()
    return ours, bare, three


def bare_write(
    handle: int,
    values: Mapping[str, float],
    encode: Callable[..., bytes] = orjson.dumps,
    write: Callable[[int, bytes], int] = os.write,
) -> None:
    """Do the least: make the event, encode it, write it."""
    event = {"kind": "prediction", "model": "m", "id": "0199e0a0-0000-7000-8000-000000000000", "time": 1_750_000_000_000_000, "version": "1", "environment": "live", "features": values, "prediction": 1, "score": 0.5, "tags": {}}  # fmt: skip
    write(handle, encode(event, option=orjson.OPT_APPEND_NEWLINE))


def quantile(values: Sequence[int], share: float) -> float:
    """Give a quantile in µs."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] / 1000


def caller(events: int, folder: Path) -> list[Row]:
    """Measure the calls in several rounds; each figure is the median of the rounds', each with its limit of the same round."""
    rows = []
    for durability in ("default", "fast"):
        rounds = []
        for number in range(ROUNDS):
            found = interleaved(folder / f"{durability}-{number}", events // ROUNDS, durability)
            rounds.append({share: tuple(quantile(values, share) for values in found) for share in (0.5, 0.99, 0.999)})
            note(f"{durability}, round {number + 1}: " + ", ".join(f"p{100 * share:g} {a:.2f} against {b:.2f} µs (three: {c:.2f})" for share, (a, b, c) in rounds[-1].items()))  # fmt: skip
        for share in (0.5, 0.99, 0.999):
            measured, limit, three = (median(one[share][place] for one in rounds) for place in range(3))
            bar, ok = "", None
            if share == 0.5:
                bar, ok = "≤ 1.5 × the limit + 3 µs", measured <= FACTOR * limit + EXTRA_US
            elif share == 0.999:
                bar, ok = "≤ 3 × the limit", measured <= TAIL_FACTOR * limit
            what = f"log_prediction, 25 features, {durability}, p{100 * share:g}"
            detail = f"three bare in a row: {three:.2f} µs; median of {ROUNDS} rounds of {events // ROUNDS} events, both in turn in one process"
            rows.append(Row(what, "µs", measured, bar, limit, "orjson.dumps + os.write of the same event", ok, detail))
    return rows


def started(script: str, folder: Path) -> float:
    """Give the figure that a process of its own prints; its bytecode is compiled, as that of an installed package is."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"WATCHGLASS_STORE": str(folder / "started"), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def best(measure: Callable[[], float]) -> float:
    """Give the median of several processes."""
    return median(measure() for _ in range(STARTS))


def starts(folder: Path) -> list[Row]:
    """Measure what a process pays once."""
    for script in (FIRST, MEMORY):
        started(script, folder)
    imported = best(lambda: started(IMPORT.format(what="import watchglass"), folder))
    peer = best(lambda: started(IMPORT.format(what="import orjson"), folder))
    first = best(lambda: started(FIRST, folder))
    memory = best(lambda: started(MEMORY, folder))
    many = f"median of {STARTS} processes"
    return [
        Row("import watchglass, over bare Python", "ms", imported, "≤ 60", ok=imported <= IMPORT_MS, detail=many),
        Row("first event, with all that is loaded and made for it", "ms", first, "≤ 30", peer, "import orjson, a part of it", first <= FIRST_MS, many),
        Row("memory over the host after 100,000 events", "MB", memory, "≤ 20", ok=memory <= MEMORY_MB, detail=many),
    ]  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    said = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="watchglass-recorder-", ignore_cleanup_errors=True) as folder:
        rows = [*starts(Path(folder)), *caller(said.events, Path(folder))]
        lost = recorder.dropped()
        if lost:
            message = f"events were dropped, the figures mean nothing: {json.dumps(lost)}"
            raise RuntimeError(message)
        say("recorder", rows)


if __name__ == "__main__":
    main()
