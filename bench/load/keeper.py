"""A store that others write to → compacted, counted into cells and merged, over and over, as a server's maintenance does."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.load.counts import Counts
from bench.load.told import tell
from watchglass.store.cells import follow
from watchglass.store.compact import compact
from watchglass.store.folder import prepare
from watchglass.store.merge import merge
from watchglass.store.transactions import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

PAUSE = 0.5
GROUPS = 1  # as the server: what waits in the log does not wait for all


def steps() -> dict[str, Callable[[Folder, Engine], object]]:
    """List what is done in each round, in order."""
    return {"compact": compact, "cells": follow, "merge": lambda folder, engine: merge(folder, engine, GROUPS)}


def keep(root: Path) -> Mapping[str, object]:
    """Go round until all shall end, then once more; gives the wall and CPU seconds of each step."""
    counts = Counts(root / "counts")
    folder = prepare(root / "store")
    engine = connect(folder)
    wall = dict.fromkeys(steps(), 0.0)
    cpu = dict.fromkeys(steps(), 0.0)
    rounds, longest = 0, 0.0
    ending = False
    while True:
        began = time.monotonic()
        for name, step in steps().items():
            at, used = time.monotonic(), time.process_time()
            step(folder, engine)
            wall[name] += time.monotonic() - at
            cpu[name] += time.process_time() - used
        rounds += 1
        took = time.monotonic() - began
        longest = max(longest, took)
        if ending:
            break
        ending = counts.stopped
        if not ending:
            time.sleep(max(0.0, PAUSE - took))
    engine.dispose()
    return {"rounds": rounds, "longest_round": longest, "wall": wall, "step_cpu": cpu}


def main() -> None:
    """Run the keeper."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--profile", type=Path)
    said = parser.parse_args()
    os.nice(10)  # as the server's maintenance is: questions go first
    tell("keeper", lambda: keep(said.root), said.profile)


if __name__ == "__main__":
    main()
