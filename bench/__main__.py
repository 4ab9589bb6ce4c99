"""The names of benchmarks, or none for all → each run in a process of its own, its result kept and shown as a table.

`python -m bench [NAME …]` exits 1 only when a benchmark crashed: a bar that is missed is a figure, not a fault.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.record import Result, keep, note, read
from bench.shown import number

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = (
    "recorder",
    "runs",
    "frames",
    "sender",
    "artifacts",
    "compaction",
    "disk",
    "cells",
    "questions",
    "filled",
    "comparison",
    "labels",
    "lookup",
    "looking",
    "lineage",
    "on_postgres",
    "exchange",
    "forget",
    "life",
    "http",
    "sustained",
)
HERE = Path(__file__).parent


def there() -> tuple[str, ...]:
    """List the benchmarks, the short ones first."""
    return tuple(name for name in NAMES if (HERE / f"{name}.py").exists())


def run(name: str) -> Result | None:
    """Run one and keep what it says; None when it crashed."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=False
    )
    if done.returncode:
        note(f"bench.{name} ended with {done.returncode}")
        return None
    try:
        result = read(done.stdout)
    except ValueError as error:
        note(f"bench.{name}: {error}")
        return None
    keep(result)
    return result


def show(result: Result, console: Console) -> None:
    """Print a result."""
    table = Table("what", "measured", "limit", "ratio", "bar", "", title=result.bench, title_justify="left")
    for row in result.rows:
        limit = "–" if row.limit is None else f"{number(row.limit)} {row.unit}"
        ratio = "–" if row.ratio is None else f"{number(row.ratio)} ×"
        verdict = {True: "held", False: "MISSED", None: ""}[row.ok]
        table.add_row(row.what, f"{number(row.measured)} {row.unit}", limit, ratio, row.bar, verdict)
    console.print(table)


def main(words: Sequence[str] | None = None) -> None:
    """Run what was named."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*there(), []], help="all when none is named")
    said = parser.parse_args(words)
    console = Console()
    crashed = 0
    for name in said.names or there():
        note(f"bench.{name} …")
        result = run(name)
        crashed += result is None
        if result is not None:
            show(result, console)
    sys.exit(1 if crashed else 0)


if __name__ == "__main__":
    main()
