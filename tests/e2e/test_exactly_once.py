"""Two processes log, a compactor is killed twice, a third process reads all the while: every event is seen exactly once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import watchglass as wg

HERE = Path(__file__).parent
EVENTS = 100_000 if os.environ.get("WATCHGLASS_TORTURE") else 20_000


def start(script, *arguments, told=None, **environment):
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    with Path(told or os.devnull).open("w") as output:
        return subprocess.Popen(command, stdout=output, env={**os.environ, **environment})


def acknowledged(told):
    """Count what a writer says it has logged, by its own word."""
    lines = told.read_text().splitlines()
    return EVENTS if lines[-1:] == ["done"] else int(lines[-1]) if lines else 0


@pytest.mark.slow
def test_every_event_is_seen_exactly_once_while_segments_roll_and_compactors_die(tmp_path):
    folder = tmp_path / "store"
    wg.init(folder)
    wg.log_model("torture", version="1")
    wg.flush()
    chance = random.Random(7)
    rolling = {"WATCHGLASS_ROLL_BYTES": "400000", "WATCHGLASS_ROLL_SECONDS": "0.5"}
    told = [tmp_path / name for name in ("a", "b")]
    writers = [start("writer.py", folder, EVENTS, path.name, told=path, **rolling) for path in told]
    compactor, killed, answers = start("compactor.py", folder), 0, []
    with wg.open(folder) as store:
        begun = time.monotonic()
        while len(answers) < 100 or any(writer.poll() is None for writer in writers):
            assert time.monotonic() - begun < 300, "the writers do not end"
            known = sum(acknowledged(path) for path in told)
            row = store.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions").rows()[0]
            answers.append(row["n"])
            assert row["n"] == row["ids"], "an event was seen twice"
            assert row["n"] >= known, "an acknowledged event was not seen"
            assert row["n"] >= max(answers[:-1], default=0), "an event was seen and then was not"
            if killed < 2 and chance.random() < 0.1:
                compactor.kill()
                compactor.wait()
                killed += 1
                compactor = start("compactor.py", folder)
        compactor.kill()
        compactor.wait()
        assert killed == 2
        assert [writer.wait() for writer in writers] == [0, 0]
        store.compact()
        total = store.sql(
            "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum((features->>'x')::DOUBLE) AS x FROM predictions"
        ).rows()[0]
        assert total == {"n": 2 * EVENTS, "ids": 2 * EVENTS, "x": float(EVENTS * (EVENTS - 1))}
        assert not [p for p in (folder / "log" / "rows").iterdir() if p.suffix == ".jsonl"], (
            "sealed segments are all compacted"
        )
        assert store.status().predictions == 2 * EVENTS
    assert len(answers) >= 100
