"""Writers and keepers of a store are killed at random moments while a reader counts: nothing acknowledged is lost, nothing is seen twice."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

import pytest

import watchglass as wg
from tests.e2e.torture import LONG, QUICK_ROLL, SEED, Writers, check, check_end, declare, kill, start, stop
from watchglass.store.doctor.examine import diagnose

KILLS = 100 if LONG else 7
COUNT = 1_000_000  # more than a life is long: each writer is killed


@pytest.mark.slow
@pytest.mark.timeout(2400 if LONG else 600)
def test_in_a_folder_nothing_acknowledged_is_lost_and_nothing_is_seen_twice(tmp_path):
    folder = tmp_path / "store"
    declare(folder)
    chance = random.Random(SEED)
    writers = Writers(folder, tmp_path, 2, COUNT, **QUICK_ROLL)
    keeper, killed, answers = start("keeper.py", folder), {"writer": 0, "keeper": 0}, 0
    begun = time.monotonic()
    try:
        with wg.open(folder) as store:
            while sum(killed.values()) < KILLS:
                assert time.monotonic() - begun < 30 * KILLS, f"too slow (WATCHGLASS_SEED={SEED}): {killed}"
                until = time.monotonic() + chance.uniform(0.3, 2.0)
                while time.monotonic() < until:
                    check(store, writers.acknowledged())
                    answers += 1
                if chance.random() < 0.5:
                    killed["keeper"] += kill(keeper)
                    keeper = start("keeper.py", folder)
                else:
                    killed["writer"] += writers.kill(chance.randrange(2))
            for place in range(2):
                writers.kill(place, again=False)
            kill(keeper)
            rows = check_end(store, writers)
            assert not [path for path in (folder / "log" / "rows").iterdir() if path.suffix == ".jsonl"]
    finally:
        stop([keeper, *writers.processes])
    report = diagnose(folder, now=datetime.now(UTC))
    assert report.sound, report.findings
    assert rows > 0
    assert answers >= KILLS
    print(f"folder: {killed} killed, {rows} predictions, {answers} answers, WATCHGLASS_SEED={SEED}")
