"""A server, the process that keeps its store and its clients are killed at random moments: every event arrives, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

import watchglass as wg
from tests.e2e.torture import LONG, QUICK_ROLL, SEED, Writers, bound, check_end, declare, kill, seen, stop
from tests.ports import free_port
from watchglass.store.doctor.examine import diagnose

KILLS = 60 if LONG else 4
COUNT = 1_000_000


def serve(folder, port):
    """Start a server on a port that it had before, and wait until it answers there."""
    server = bound("from watchglass.cli.main import main; main()", "serve", "--store", folder, "--port", port)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health", timeout=5) as answer:
            if answer.status == 200:
                return server
        time.sleep(0.05)
    kill(server)
    pytest.fail(f"the server does not answer on its port (WATCHGLASS_SEED={SEED})")


def children(process):
    """List the processes that a server's threads started: the one that keeps its store, while events come."""
    found = []
    for task in Path(f"/proc/{process.pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found


def empty(spool):
    """Say whether everything in the spool was acknowledged."""
    return not [path for path in spool.rglob("*") if path.suffix in (".jsonl", ".parquet") and path.stat().st_size]


@pytest.mark.slow
@pytest.mark.timeout(2400 if LONG else 600)
def test_at_a_server_every_event_arrives_once_whoever_is_killed(tmp_path):
    folder, spool, port = tmp_path / "store", tmp_path / "spool", free_port()
    declare(folder)
    chance = random.Random(SEED)
    environment = {"WATCHGLASS_SPOOL": str(spool), **QUICK_ROLL}
    server = serve(folder, port)
    writers = Writers(f"http://127.0.0.1:{port}", tmp_path, 2, COUNT, **environment)
    killed, seen_so_far, begun = {"server": 0, "keeper": 0, "client": 0}, {}, time.monotonic()
    try:
        with wg.open(folder) as store:
            while sum(killed.values()) < KILLS:
                assert time.monotonic() - begun < 40 * KILLS, f"too slow (WATCHGLASS_SEED={SEED}): {killed}"
                until = time.monotonic() + chance.uniform(0.5, 2.5)
                while time.monotonic() < until:
                    found = seen(store)
                    for life, (rows, ids, _) in found.items():
                        assert rows == ids, f"{life}: {rows - ids} are seen twice (WATCHGLASS_SEED={SEED})"
                        assert rows >= seen_so_far.get(life, 0), f"{life}: rows vanished (WATCHGLASS_SEED={SEED})"
                        seen_so_far[life] = rows
                victim = chance.choice(["server", "server", "keeper", "client", "client"])
                if victim == "server":
                    killed["server"] += kill(server)
                    server = serve(folder, port)
                elif victim == "client":
                    killed["client"] += writers.kill(chance.randrange(2))
                else:
                    for child in children(server):
                        with suppress(ProcessLookupError):
                            os.kill(child, signal.SIGKILL)
                            killed["keeper"] += 1
            for place in range(2):
                writers.kill(place, again=False)
            deliver(f"http://127.0.0.1:{port}", spool)
            server.terminate()
            server.wait(60)
            rows = check_end(store, writers)
    finally:
        stop([server, *writers.processes])
    report = diagnose(folder, now=datetime.now(UTC))
    assert report.sound, report.findings
    assert rows > 0
    print(f"server: {killed} killed, {rows} predictions, WATCHGLASS_SEED={SEED}")


def deliver(url, spool):
    """Let one more client ship what the killed ones left."""
    last = "wg.log_prediction('other', features={}, prediction=1, id='last')"
    code = f"import sys, watchglass as wg; wg.init(sys.argv[1]); {last}; sys.exit(not wg.flush(100))"
    environment = {**os.environ, "WATCHGLASS_SPOOL": str(spool)}
    until = time.monotonic() + 120
    while time.monotonic() < until:
        subprocess.run([sys.executable, "-c", code, url], env=environment, timeout=150, check=False)
        if empty(spool):
            return
        time.sleep(0.2)
    left = [(path.name, path.stat().st_size) for path in spool.rglob("*") if path.is_file()]
    pytest.fail(f"the spool is not delivered (WATCHGLASS_SEED={SEED}): {left}")
