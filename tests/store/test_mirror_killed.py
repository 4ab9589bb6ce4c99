"""Whoever mirrors the catalog is killed at each of its steps, and at random: every question still sees each row once, as it is now."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tests.store.test_mirror import TABLES, agrees, live, run
from watchglass.store import catalog as c
from watchglass.store.doctor.examine import diagnose
from watchglass.store.mirror import MIRRORS, mirror
from watchglass.store.sweep import sweep
from watchglass.store.transactions import writing

KILLS = 40 if os.environ.get("WATCHGLASS_TORTURE") else 6
STEPS = (
    *(("_write", "call"), ("copy", "return"), ("write", "return"), ("check", "return"), ("_write", "return")),
    ("drop", "return"),
)
MIRRORING = """
import json, os, signal, sys
from watchglass.store.transactions import connect, writing
from watchglass.store.folder import prepare
from watchglass.store.mirror import drop, mirror

def killed(root, step, event):
    def look(frame, what, _):
        if what == event and frame.f_code.co_name == step and "/watchglass/store/" in frame.f_code.co_filename:
            os.kill(os.getpid(), signal.SIGKILL)
    folder = prepare(root)
    engine = connect(folder)
    sys.setprofile(look)
    if step == "drop":
        with writing(engine) as transaction:
            drop(transaction)
    mirror(folder, engine, late=0)
    os._exit(0)

if len(sys.argv) > 1:
    folder = prepare(sys.argv[1])
    engine = connect(folder)
    print("ready", flush=True)
    mirror(folder, engine, late=0)
    print("done", flush=True)
    sys.stdin.read()
for line in sys.stdin:
    child = os.fork()
    if not child:
        killed(*json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def starting(*words):
    return subprocess.Popen(
        [sys.executable, "-c", MIRRORING, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def killer():
    with starting() as process:
        yield process
        process.stdin.close()
        process.wait(timeout=60)


def sound(bench):
    """All rows once, and nothing lies there that neither a question nor the sweep knows."""
    agrees(bench)
    report = diagnose(str(bench.folder.root), now=datetime.now(UTC))
    assert [item.what for item in report.findings if item.severity == "error"] == []


def unlisted(bench):
    with bench.engine.connect() as connection:
        known = set(connection.execute(sa.select(c.files.c.path)).scalars())
    return [
        path
        for kind in MIRRORS
        for path in (bench.folder.tables / kind).glob("*.parquet")
        if f"{kind}/{path.name}" not in known
    ]


@pytest.mark.parametrize(("step", "event"), STEPS)
@pytest.mark.parametrize("before", [0, 40])
def test_a_kill_leaves_the_mirror_that_was_or_the_new_one(bench, killer, step, event, before):
    bench.write("graph", [run(i) for i in range(40)])
    bench.ask("SELECT 1 FROM runs")
    if before:
        mirror(bench.folder, bench.engine, late=0)
    bench.write("graph", [run(i, ended=1_780_272_100_000_000 + i, status="ok") for i in range(20, 60)])
    bench.ask("SELECT 1 FROM runs")
    killer.stdin.write(json.dumps([str(bench.folder.root), step, event]) + "\n")
    killer.stdin.flush()
    assert killer.stdout.readline() == "-9\n"
    sound(bench)
    with writing(bench.engine) as transaction:  # as time does: the dead one's lease has run out
        transaction.execute(c.leases.update().values(until=0.0))
    mirror(bench.folder, bench.engine, late=0)
    sound(bench)
    assert sum(rows for rows, _ in live(bench)) >= 60
    assert all(live(bench, table) for table in TABLES)
    for path in (*unlisted(bench), *bench.folder.scratch.iterdir()):
        os.utime(path, (0, 0))
    sweep(bench.folder, bench.engine)
    assert unlisted(bench) == []
    assert [path.name for path in bench.folder.scratch.iterdir() if path.name.startswith("mirror-")] == []


@pytest.mark.slow
def test_rows_are_seen_once_however_often_the_mirroring_is_killed(bench):
    chance, killed, count = random.Random(17), 0, 0
    for _ in range(KILLS):
        for _ in range(3):
            fresh = [run(i) for i in range(count, count + 300)]
            ended = [
                run(i, ended=1_780_272_100_000_000 + i, status="ok") for i in chance.sample(range(count + 300), 50)
            ]
            bench.write("graph", fresh + ended)
            count += 300
        bench.ask("SELECT 1 FROM runs")
        with starting(str(bench.folder.root)) as process:
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(timeout=chance.uniform(0.01, 0.3))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=60)
        agrees(bench)
        with writing(bench.engine) as transaction:
            transaction.execute(c.leases.update().values(until=0.0))
    assert killed == KILLS
    mirror(bench.folder, bench.engine, late=0)
    sound(bench)
    assert sum(rows for rows, _ in live(bench)) >= count
