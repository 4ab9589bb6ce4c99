"""Whoever forgets is killed at each of its steps: the tables have all of the rows or none, and to ask again finishes the rest."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.store.bench import Bench, label, prediction
from tests.store.life.searched import places
from tests.store.published import summed
from watchglass.store import catalog as c
from watchglass.store.doctor.examine import diagnose
from watchglass.store.life.audit import audits
from watchglass.store.life.forget import forget
from watchglass.store.life.forget_asked import asked
from watchglass.store.transactions import writing

NAME = "Zoë Ångström-Kaya"
STEPS = (
    *(("planned", "call"), ("planned", "return"), ("without", "return"), ("_cells", "return"), ("listed", "return")),
    *(("note", "return"), ("_published", "return"), ("delete", "call"), ("sweep", "return"), ("overwrite", "call")),
    *(
        ("overwrite", "return"),
        ("tell_readers", "return"),
        ("empty_rooms", "return"),
        ("scrub", "return"),
        ("done", "call"),
    ),
)
FEW = (
    ("planned", "return"),
    ("without", "return"),
    ("note", "return"),
    ("_published", "return"),
    ("overwrite", "return"),
    ("scrub", "return"),
)
CHOSEN = STEPS if os.environ.get("WATCHGLASS_TORTURE") else FEW
KILLED = """
import json, os, signal, sys
from watchglass.store.transactions import connect
from watchglass.store.folder import prepare
from watchglass.store.life.forget import forget
from watchglass.store.life.forget_asked import asked

def killed(root, name, subject, step, event):
    def look(frame, what, _):
        if what == event and frame.f_code.co_name == step and "/watchglass/store/" in frame.f_code.co_filename:
            os.kill(os.getpid(), signal.SIGKILL)
    folder = prepare(root)
    engine = connect(folder)
    sys.setprofile(look)
    forget(folder, engine, asked(subject=subject))
    os._exit(0)

for line in sys.stdin:
    child = os.fork()
    if not child:
        killed(*json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def person(number, name):
    return prediction(number, features={"ink": number / 10, "person": name})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with three files, labels, cells, and a segment that is still written."""
    bench = Bench(tmp_path_factory.mktemp("made") / "store")
    bench.model(features=(("ink", "number"), ("person", "text")))
    for first in (0, 20, 40):
        bench.write("rows", [person(i, (NAME, "bo")[i % 2]) for i in range(first, first + 20)])
        bench.write("rows", [label(i, 1) for i in range(first, first + 20, 3)])
        bench.compact()
        bench.follow()
    with writing(bench.engine) as transaction:
        transaction.execute(c.columns.update().where(c.columns.c.name == "person").values(purpose="subject"))
    rows = [person(i, (NAME, "bo")[i % 2]) for i in range(60, 80)]
    bench.write("rows", [*rows, *(label(i, 0) for i in range(70))])
    bench.close()
    return bench.folder.root


@pytest.fixture(scope="module")
def killer():
    words = [sys.executable, "-c", KILLED]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()
        process.wait(timeout=60)


@contextmanager
def written_still(root):
    """Hold the locks that a living writer of the log holds."""
    handles = [os.open(path, os.O_RDONLY) for path in (root / "log" / "rows").iterdir()]
    for handle in handles:
        fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        yield
    finally:
        for handle in handles:
            os.close(handle)


@pytest.fixture(scope="module")
def truth(made, tmp_path_factory):
    """What the cells hold when nobody was killed."""
    root = tmp_path_factory.mktemp("truth") / "store"
    shutil.copytree(made, root)
    bench = Bench(root)
    with written_still(root):
        forget(bench.folder, bench.engine, asked(subject=NAME))
    found = summed(bench)
    bench.close()
    return found


@pytest.mark.parametrize(("step", "event"), CHOSEN)
def test_a_kill_leaves_all_or_nothing_and_asking_again_finishes(made, killer, truth, tmp_path, step, event):
    root = tmp_path / "store"
    shutil.copytree(made, root)
    with written_still(root):
        killer.stdin.write(json.dumps([str(root), "person", NAME, step, event]) + "\n")
        killer.stdin.flush()
        assert killer.stdout.readline() == "-9\n"
        bench = Bench(root)
        try:
            rows = bench.ask(
                f"SELECT count(*) AS n FROM predictions WHERE features.person = '{NAME}' AND features.ink < 6", "digits"
            )
            assert rows[0]["n"] in (0, 30)
            assert len(audits(bench.engine).audits) == (rows[0]["n"] == 0)
            assert "unfinished forget" in {item.what for item in diagnose(str(root), now=datetime.now(UTC)).findings}
            forget(bench.folder, bench.engine, asked(subject=NAME))
            assert not places(root, [NAME, '"p0"', '"p58"', '"p60"', '"p78"'])
            assert summed(bench) == truth
            left = bench.ask("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions")
            assert left == [{"n": 40, "ids": 40}]
            assert bench.ask("SELECT count(DISTINCT id) AS n FROM label_history") == [{"n": 35}]
            plans = [record.record["plan"] for record in audits(bench.engine).audits]
            assert len(set(plans)) == len(plans)
            assert not list((root / "forgetting").iterdir())
        finally:
            bench.close()
