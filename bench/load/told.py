"""What a process of the benchmark did → one line of JSON on stdout, its CPU time and memory with it."""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def most_memory() -> float:
    """Give the most memory, in MB, that this program held; `ru_maxrss` would count what its parent held before."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def tell(role: str, work: Callable[[], Mapping[str, object]], profile: Path | None) -> None:
    """Do the work and tell; with a folder, leave there what cProfile saw."""
    began = time.process_time()
    if profile is None:
        found = work()
    else:
        profiler = cProfile.Profile(time.process_time)
        found = profiler.runcall(work)
        with (profile / f"{role}.txt").open("w") as out:
            pstats.Stats(profiler, stream=out).sort_stats("cumulative").print_stats(60)
    about = {"role": role, "cpu": time.process_time() - began, "memory_mb": most_memory()}
    json.dump({**about, **found}, sys.stdout)
    sys.stdout.write("\n")
