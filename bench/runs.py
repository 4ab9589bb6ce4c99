"""Recording one run in each way there is → what it costs its caller, with code and environment captured once a process.

`python -m bench.runs [--runs 3000]`
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import watchglass as wg
from bench.record import Row, say

if TYPE_CHECKING:
    from collections.abc import Callable

BAR_US = 100.0


@wg.component("bare")
def bare() -> None:
    """Do nothing."""


@wg.component("declared", inputs=["rows", "model"], outputs=["out"])
def declared() -> None:
    """Read and write by name."""


@wg.component("tested", before=[lambda number: number >= 0], after=[lambda made: made > 0])
def tested(number: int) -> int:
    """Be tested on an argument and on a local variable."""
    made = number + 1
    return made  # noqa: RET504 - the variable is what is tested


def block() -> None:
    """Enter and leave a run."""
    with wg.run("block", params={"depth": 3}):
        pass


def block_with_data() -> None:
    """Enter and leave a run that reads two names and writes one."""
    with wg.run("block with data", params={"depth": 3}) as run:
        run.read("rows")
        run.read("model")
        run.write("out")


def plain() -> None:
    """Tell of a run that is over."""
    wg.log_run("plain", started=1.0, ended=2.0, inputs=["rows", "model"], outputs=["out"])


def microseconds(verb: Callable[[], object], runs: int) -> tuple[float, float]:
    """Give the median and the 99th percentile of a call."""
    for _ in range(100):
        verb()
    took = []
    for _ in range(runs):
        begun = time.perf_counter_ns()
        verb()
        took.append((time.perf_counter_ns() - begun) / 1000)
    took.sort()
    return took[runs // 2], took[runs * 99 // 100]


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3000)
    runs = parser.parse_args().runs
    ways: dict[str, Callable[[], object]] = {
        "with wg.run": block,
        "with wg.run, two names read, one written": block_with_data,
        "wg.log_run, two names read, one written": plain,
        "a component": bare,
        "a component, two names read, one written": declared,
        "a component with a test before and after": lambda: tested(1),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        wg.init(Path(folder) / "store")
        for name, verb in ways.items():
            middle, tail = microseconds(verb, runs)
            told = f"99 %: {tail:.0f} µs"
            rows.append(Row(name, "µs", round(middle, 1), f"≤ {BAR_US:.0f} µs", ok=middle <= BAR_US, detail=told))
        wg.flush()
    say("runs", rows)


if __name__ == "__main__":
    main()
