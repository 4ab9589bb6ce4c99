"""A store that others write to → one question four times a second, each answer held against what was acknowledged before it."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import watchglass as wg
from bench.load.counts import Counts
from bench.load.told import tell

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY = 0.25
QUERY = (
    "SELECT date_trunc('minute', time) AS minute, count(*) AS n, avg(score) AS score FROM predictions"
    " WHERE time >= TIMESTAMP '{since}' GROUP BY 1"
)


def ask(root: Path) -> Mapping[str, object]:
    """Ask until all shall end; gives how long each answer took, and what was missing or too much in any."""
    counts = Counts(root / "counts")
    took: list[float] = []
    wrong: list[str] = []
    with wg.open(root / "store") as store:
        while not counts.stopped:
            since = datetime.now(UTC) - timedelta(hours=1)
            before = counts.all_acknowledged()
            began = time.monotonic()
            rows = store.sql(QUERY.format(since=since.strftime("%Y-%m-%d %H:%M:%S.%f"))).rows()
            took.append(time.monotonic() - began)
            after = counts.all_started()
            seen = sum(int(str(row["n"])) for row in rows)
            if not before <= seen <= after:
                wrong.append(f"{before} were acknowledged, {after} begun, the answer holds {seen}")
            time.sleep(max(0.0, EVERY - took[-1]))
    return {"took": took, "wrong": wrong}


def main() -> None:
    """Run the reader."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--profile", type=Path)
    said = parser.parse_args()
    tell("reader", lambda: ask(said.root), said.profile)


if __name__ == "__main__":
    main()
