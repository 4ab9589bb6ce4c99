"""How many events, of how many models → a store whose sealed segments the recorder itself wrote, ready to be compacted."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import watchglass as wg
from watchglass import settings
from watchglass.capture.recorder import close, dropped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FEATURES = tuple(f"feature_{number:02}" for number in range(25))
SITES = ("harbour", "hill", "station", "market")
STEP = 60e-6  # seconds between two events of a segment


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is recorded: every `labelled`-th prediction gets a label, 0 for none."""

    events: int
    segments: int = 4
    models: int = 1
    labelled: int = 0
    tags: bool = False


def record(store: Path, traffic: Traffic) -> int:
    """Write a store's log, its segments overlapping in time as those of several processes do; gives the lines."""
    start = time.time() - 3600
    lines = 0
    for segment in range(traffic.segments):
        _one_segment(store)
        each = traffic.events // traffic.segments
        for number, features in enumerate(_rows(segment, each)):
            _one(f"{segment}-{number}", f"model_{number % traffic.models}", features, start + number * STEP, traffic)
            lines += 1
            if traffic.labelled and number % traffic.labelled == 0:
                wg.log_label(f"model_{number % traffic.models}", f"{segment}-{number}", 1, time=start + 60)
                lines += 1
        close()
    if dropped():
        message = f"the recorder dropped events: {dict(dropped())}"
        raise RuntimeError(message)
    return lines


def _one_segment(store: Path) -> None:
    """Begin a segment that holds whatever comes."""
    os.environ.update({settings.ROLL_SECONDS.env: "3600", settings.ROLL_BYTES.env: str(1 << 40)})
    wg.init(store=store)


def _rows(seed: int, count: int) -> Iterator[dict[str, float]]:
    gauss = random.Random(seed).gauss
    for _ in range(count):
        yield {name: gauss(0.0, 1.0) for name in FEATURES}


def _one(ident: str, model: str, features: dict[str, float], moment: float, traffic: Traffic) -> None:
    wg.log_prediction(
        model,
        version="3",
        features=features,
        prediction=int(features["feature_00"] > 0),
        score=abs(features["feature_01"]) % 1,
        id=ident if traffic.labelled else None,
        time=moment,
        tags={"site": SITES[int(features["feature_02"] * 100) % 4]} if traffic.tags else None,
    )
