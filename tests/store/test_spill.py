"""What does not fit into memory while a store is kept spills below the store, and is gone when the work is done or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from watchglass.store.compact import engine_room
from watchglass.store.folder import Folder
from watchglass.store.sweep import SCRATCH_AGE, sweep

LARGE = "CREATE TEMP TABLE t AS SELECT range::VARCHAR || repeat('x', 50) AS a FROM range(4000000)"
SPILLING = f"""
import sys
from pathlib import Path
from watchglass.store.compact import engine_room
from watchglass.store.folder import Folder
with engine_room(Folder(Path(sys.argv[1])), "100MB") as connection:
    connection.execute({LARGE!r})
    print("spilled", flush=True)
    sys.stdin.read()
"""


def test_it_spills_below_the_store_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path / "store")
    folder.root.mkdir()
    with engine_room(folder, "100MB") as connection:
        connection.execute(LARGE)
        assert [path.parent.parent for path in tmp_path.rglob("*.tmp")][:1] == [folder.scratch]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_a_killed_process_spilled_is_swept(bench, monkeypatch):
    root = bench.folder.root
    with subprocess.Popen(
        [sys.executable, "-c", SPILLING, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"spilled\n"
        os.kill(child.pid, signal.SIGKILL)
    assert list(bench.folder.scratch.rglob("*.tmp"))
    sweep(bench.folder, bench.engine, time.time() + 2 * SCRATCH_AGE)
    assert not list(bench.folder.scratch.rglob("*.tmp"))
