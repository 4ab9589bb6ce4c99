"""A protocol of alarms → how often they are false and what they see, on real streams beside the checkout.

`python -m bench.alarms {undrifted,planted,batches} [--seeds 8] [--draws 36] [--streams hotel,acs] [--keep]`; two
processes work side by side. The streams and the prototypes are no part of this project: where the streams do not lie
there, it says so and ends; without the prototypes nothing stands beside our figures.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from bench import alarms_batches, alarms_planted, alarms_undrifted
from bench.alarms_streams import DATA, SOURCES
from bench.record import Result, Row, keep, note, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Found = TypeVar("Found")
PROTOCOLS = ("undrifted", "planted", "batches")


def side_by_side(work: Callable[[str, int], Found], tasks: Sequence[tuple[str, int]], processes: int) -> list[Found]:
    """Do all tasks, some at a time, each on one core, and tell how far it is."""
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})  # read when a worker first loads numpy
    found = []
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(work, *task) for task in tasks]
        for count, (task, future) in enumerate(zip(tasks, waiting, strict=True), start=1):
            found.append(future.result())
            note(f"{count} of {len(tasks)}: {task[0]} {task[1]}")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    note(f"{spent.ru_utime + spent.ru_stime:.0f} s of CPU")
    return found


def measured(protocol: str, streams: Sequence[str], seeds: int, draws: int, processes: int) -> list[Row]:
    """Run one protocol over the streams."""
    if protocol == "planted":
        tasks = [(name, draw) for name in streams for draw in range(draws)]
        planted = side_by_side(alarms_planted.run, tasks, processes)
        return alarms_planted.rows([item for item in planted if item is not None])
    tasks = [(name, seed) for name in streams for seed in range(seeds)]
    if protocol == "undrifted":
        return alarms_undrifted.rows(side_by_side(alarms_undrifted.run, tasks, processes))
    return alarms_batches.rows(side_by_side(alarms_batches.run, tasks, processes))


def main() -> None:
    """Measure one protocol."""
    arguments = argparse.ArgumentParser(prog="python -m bench.alarms", description=__doc__)
    arguments.add_argument("protocol", choices=PROTOCOLS)
    arguments.add_argument("--seeds", type=int, default=8, help="draws of each stream, undrifted and batches")
    arguments.add_argument("--draws", type=int, default=36, help="planted shifts of each stream")
    arguments.add_argument("--streams", default=",".join(SOURCES), help="names, with commas")
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument(
        "--keep", action="store_true", help="write the result where the tables of the docs are made from"
    )
    given = arguments.parse_args()
    if not DATA.exists():
        note(f"no streams at {DATA}: set WATCHGLASS_BENCH_DATA to the folder that holds them")
        sys.exit(2)
    found = measured(given.protocol, given.streams.split(","), given.seeds, given.draws, given.processes)
    if given.keep:
        note(f"kept in {keep(Result(f'alarms_{given.protocol}', tuple(found)))}")
    say(f"alarms_{given.protocol}", found)


if __name__ == "__main__":
    main()
