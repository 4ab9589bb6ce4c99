"""A rate and a length of time → that many predictions of 25 features, recorded one by one as a service would.

The features come from 20,000 rows made beforehand, more than a row group holds: making them is not what is measured.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import watchglass as wg
from bench.load.counts import Counts
from bench.load.told import tell
from watchglass.capture.recorder import close, dropped

if TYPE_CHECKING:
    from collections.abc import Mapping

POOL = 20_000
BURST = 100
FEATURES = tuple(f"feature_{number:02}" for number in range(25))


def pool(seed: int, rows: int = POOL) -> list[dict[str, float]]:
    """Make rows of 25 numbers."""
    chance = random.Random(seed)
    return [{name: chance.gauss() for name in FEATURES} for _ in range(rows)]


def write(root: Path, writer: int, seconds: float, rate: float) -> Mapping[str, object]:
    """Record at a rate, in bursts; late bursts are not skipped but caught up."""
    counts = Counts(root / "counts")
    rows = pool(writer)
    wg.init(store=root / "store")
    wg.log_prediction("load", version="1", features=rows[0], prediction=1, score=0.5, tags={"site": "a"})
    done = 1
    counts.started(writer, done)
    counts.acknowledged(writer, done)
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds and not counts.stopped:
        if done > passed * rate:
            time.sleep(min(0.01, (done - passed * rate) / rate))
            continue
        for _ in range(BURST):
            counts.started(writer, done + 1)
            features = rows[done % POOL]
            wg.log_prediction("load", version="1", features=features, prediction=1, score=0.25, tags={"site": "a"})
            done += 1
            counts.acknowledged(writer, done)
    passed = time.monotonic() - began
    close()
    return {"events": done, "seconds": passed, "dropped": sum(dropped().values())}


def main() -> None:
    """Run one writer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("writer", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("rate", type=float)
    parser.add_argument("--profile", type=Path)
    said = parser.parse_args()
    tell(f"writer-{said.writer}", lambda: write(said.root, said.writer, said.seconds, said.rate), said.profile)


if __name__ == "__main__":
    main()
