"""Whoever counts is killed again and again: in the end every row is in the cells once."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from tests.store.published import declare, frozen_of, oracle, publish, summed
from tests.store.test_cells_oracle import labels_of, rows_of

KILLS = 40 if os.environ.get("WATCHGLASS_TORTURE") else 6
FEATURES = {"shape": "number", "colour": "text"}
FOLLOWING = """
import sys
from watchglass.store import cells
from watchglass.store.transactions import connect
from watchglass.store.folder import prepare
cells.BATCH_ROWS = 250
folder = prepare(sys.argv[1])
engine = connect(folder)
print("ready", flush=True)
cells.follow(folder, engine)
print("done", flush=True)
sys.stdin.read()
"""


def following(root):
    return subprocess.Popen(
        [sys.executable, "-c", FOLLOWING, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_rows_are_counted_once_however_often_the_counting_is_killed(bench):
    chance = random.Random(31)
    declare(bench, FEATURES, ("site",), ("site",))
    predictions, labels, killed = [], [], 0
    for _ in range(KILLS):
        for _ in range(3):
            rows = [
                {
                    **row,
                    "features": {name: row["features"][name] for name in FEATURES},
                    "tags": {"site": row["tags"]["site"]},
                }
                for row in rows_of(chance, 200, len(predictions), weights=(1, 4))
            ]
            publish(bench, "predictions", rows, FEATURES, ("site",))
            told = labels_of(chance, rows)
            publish(bench, "labels", told)
            publish(bench, "predictions", chance.sample(rows, 20), FEATURES, ("site",))  # counted once all the same
            predictions += rows
            labels += told
        with following(bench.folder.root) as process:
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(timeout=chance.uniform(0.02, 0.5))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=60)
    assert killed == KILLS
    with following(bench.folder.root) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "done\n"]
        process.stdin.close()
        process.wait(timeout=60)
    assert summed(bench) == oracle(predictions, labels, FEATURES, ("site",), frozen_of(bench))
