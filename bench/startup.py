"""A bare interpreter → what the client adds to it: milliseconds to import and to record the first event, megabytes held.

Each way is started anew, in turn, so that a busy moment of the machine meets all of them; the best of each counts.

`python -m bench.startup [--turns 15]`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from bench.record import Row, say

if TYPE_CHECKING:
    from collections.abc import Sequence

BARE = "pass"
IMPORT = "import watchglass"
FIRST = """
import sys, time
began = time.perf_counter()
import watchglass as wg
wg.init(store=sys.argv[1])
wg.log_prediction("first", version="1", features={f"f{n}": n / 7 for n in range(25)}, prediction=1, score=0.5)
sys.stdout.write(str(time.perf_counter() - began))
"""
MEMORY = """
import sys
def held():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024
before = held()
import watchglass as wg
wg.init(store=sys.argv[1])
for turn in range(20_000):
    wg.log_prediction("held", version="1", features={f"f{n}": n / 7 for n in range(25)}, prediction=1, score=0.5)
sys.stdout.write(str(held() - before))
"""


def took(script: str, *words: str) -> tuple[float, str]:
    """Run a script in a new interpreter; gives the seconds it took and what it said."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args(words).turns
    bare, imported, first, held = [], [], [], []
    for _ in range(turns):
        bare.append(took(BARE)[0])
        imported.append(took(IMPORT)[0])
        with tempfile.TemporaryDirectory() as store:
            first.append(1000 * float(took(FIRST, store)[1]))
    for _ in range(3):
        with tempfile.TemporaryDirectory() as store:
            held.append(float(took(MEMORY, store)[1]))
    least, more, event = 1000 * min(bare), 1000 * min(imported), min(first)
    about = f"best of {turns}, in turn"
    say(
        "startup",
        [
            Row("import watchglass, over bare Python", "ms", more - least, "≤ 60", least, "bare Python itself", more - least <= 60, about),
            Row("import and first event", "ms", event, "≤ 30", ok=event <= 30, detail=about),
            Row("memory of the client, over the host", "MB", max(held), "≤ 20", ok=max(held) <= 20, detail="after 20,000 events; the most of 3"),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
