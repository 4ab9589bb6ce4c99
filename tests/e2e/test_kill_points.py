"""A keeper of a store is killed at one system call after another that changes the disk: the rows are there once, and the next keeper ends the work.

strace delivers the signal as the call begins, so a kill at the next call of a kind is a kill after the one before.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

import watchglass as wg
from tests.e2e import tracing
from tests.e2e.torture import HERE, LONG, SEED, cells, tend
from tests.store.bench import promised
from watchglass.store.compact import compact
from watchglass.store.doctor.examine import diagnose
from watchglass.store.folder import prepare
from watchglass.store.transactions import connect

WATCHED = ("fsync", "fdatasync", "rename", "unlink", "mkdir", "ftruncate", "pwrite64", "write")
CALLS = WATCHED if LONG else ("fsync", "fdatasync", "unlink", "pwrite64")
STRIDE = {"pwrite64": 4}
EACH = 1000 if LONG else 1  # kills at calls of one kind
LAST = 65_535  # the highest number that strace takes
TIME = 1_780_272_000_000_000

pytestmark = pytest.mark.skipif(not tracing.available(), reason="strace is not installed: apt-get install strace")


def lines(name, numbers):
    for number in numbers:
        features, tags = {"x": number / 2}, {"site": "ab"[number % 2]}
        row = {
            "kind": "prediction",
            "model": "torture",
            "id": f"{name}-{number}",
            "time": TIME + number,
            "version": "1",
        }
        yield {**row, "features": features, "prediction": number % 3, "tags": tags}
        if number % 2 == 0:
            yield {"kind": "label", "model": "torture", "id": row["id"], "label": number % 3, "time": TIME + 10**9}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store with all there is to do: segments to compact, files to count, eight of a size to merge, a graph log."""
    root = tmp_path_factory.mktemp("whole") / "store"
    folder = prepare(root, create=True)
    model = {"kind": "model", "name": "torture", "version": "1", "slices": ["site"], "time": TIME}
    columns = [["feature", "x", "number"], ["tag", "site", "text"]]
    schema = {"kind": "schema", "model": "torture", "columns": columns, "time": TIME}

    def write(log, number, events):
        path = root / "log" / log / promised(log, number)
        path.write_text("".join(json.dumps(event) + "\n" for event in events))

    write("graph", 1, [model, schema])
    engine = connect(folder)
    for number in range(9):
        write("rows", number, lines(f"old{number}", range(4)))
        compact(folder, engine)
    engine.dispose()
    write("graph", 2, [{"kind": "run", "id": "r", "component": "train", "started": TIME, "status": "ok"}])
    for number in (100, 101):
        write("rows", number, lines(f"new{number}", range(4)))
    return root


@pytest.fixture(scope="module")
def points(whole, tmp_path_factory):
    """Count the calls of each kind that one keeper makes from its start to its end: of the thread with most, as strace counts."""
    home = tmp_path_factory.mktemp("points")
    shutil.copytree(whole, home / "store")
    killed_at(home / "store", home / "trace", "fsync", LAST)
    made = Counter()
    for line in (home / "trace").read_text(errors="replace").splitlines():
        if found := re.match(r"^(\d+) +(\w+)\(", line):
            made[found.groups()] += 1
    return {call: max((n for (_, name), n in made.items() if name == call), default=0) for call in WATCHED}


def killed_at(root, trace, call, number):
    """Run a keeper once; the signal comes as it begins its call of that number; gives the return code."""
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    command = ["strace", "-f", "-s", "0", "-o", str(trace), "-e", f"trace={','.join(WATCHED)}", "-e", inject]
    script = [sys.executable, str(HERE / "keeper.py"), str(root), "once"]
    return subprocess.run([*command, *script], timeout=120, check=False).returncode


def survived(root):
    """Ask, look, do what is left to do, ask again."""
    wanted = {f"old{turn}-{n}" for turn in range(9) for n in range(4)} | {
        f"new{t}-{n}" for t in (100, 101) for n in range(4)
    }
    for act in (lambda store: None, tend):
        with wg.open(root) as store:
            act(store)
            found = [row["id"] for row in store.sql("SELECT id FROM predictions").rows()]
            assert sorted(found) == sorted(wanted)
            labels = [row["id"] for row in store.sql("SELECT id FROM label_history").rows()]
            assert sorted(labels) == sorted(ident for ident in wanted if int(ident[-1]) % 2 == 0)
    with wg.open(root) as store:
        assert cells(store) == {"rows": 44, "labelled": 22, "correct": 22}
        assert not [path for path in (root / "log" / "rows").iterdir() if path.suffix == ".jsonl"]
    report = diagnose(root, now=datetime.now(UTC))
    assert report.sound, report.findings


@pytest.mark.slow
@pytest.mark.timeout(2400 if LONG else 600)
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_any_call_that_changes_the_disk_a_keeper_loses_nothing_and_doubles_nothing(
    whole, points, call, tmp_path
):
    numbers = list(range(1, points[call] + 1, STRIDE.get(call, 1)))
    if len(numbers) > EACH:
        numbers = sorted(random.Random(SEED).sample(numbers, EACH))
    killed = 0
    for number in numbers:
        root = tmp_path / f"{call}{number}"
        shutil.copytree(whole, root)
        code = killed_at(root, tmp_path / "trace", call, number)
        killed += code in (-9, 137)
        try:
            survived(root)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with where it was cut
            pytest.fail(
                f"killed at {call} number {number} of {points[call]} (store in {root}, WATCHGLASS_SEED={SEED}): {error!r}"
            )
        shutil.rmtree(root)
    print(f"{call}: {killed} kills at {len(numbers)} of {points[call]} calls")
    assert killed >= (len(numbers) + 1) // 2


def test_the_points_are_those_of_a_keeper_that_does_all_there_is_to_do(points):
    assert points["fsync"] >= 4
    assert points["fdatasync"] >= 4
    assert points["unlink"] >= 3
    assert points["pwrite64"] >= 20
