"""The power goes at any moment of a store's life: what was promised is there exactly once, and the doctor mends the rest.

The life is lived for real under strace, which keeps each system call with its bytes. Then, up to one point after
another, what a disk may hold is laid out anew, opened, asked, compacted and counted.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import watchglass as wg
from tests.e2e import tracing
from tests.e2e.disk import Disk, lay_out
from watchglass.store.cells import follow
from watchglass.store.doctor.examine import diagnose
from watchglass.store.merge import merge

LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))
ROUNDS = 9 if LONG else 2
STATES = 150 if LONG else 6  # laid out for each model, spread evenly
MODELS = ("everything", "strict", "names_first", "zeroed", "chance") if LONG else ("strict", "chance")
SEED = int(os.environ.get("WATCHGLASS_SEED", "0")) or random.SystemRandom().randrange(1 << 30)

pytestmark = pytest.mark.skipif(not tracing.available(), reason="strace is not installed: apt-get install strace")


def lived(home, script, rounds):
    """Let a script live a store's life under strace; gives the store and the operations, among them the promises."""
    store, told, log = home / "store", home / "told", home / "trace"
    store.mkdir()
    command = [sys.executable, str(Path(__file__).with_name(script)), store, told, rounds]
    tracing.record([*map(str, command)], log)
    found = list(tracing.operations(log, store, told))
    log.unlink()
    return store, found


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """Processes record into a folder, one compacts, counts and merges."""
    return lived(tmp_path_factory.mktemp("life"), "session.py", ROUNDS)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A client sends requests to a server, which keeps its store and is killed at the end."""
    return lived(tmp_path_factory.mktemp("served"), "session_served.py", 12 if LONG else 4)


def states(operations, model):
    """Give (point, promised, tree) for points spread over a life; a tree that was seen before is left out."""
    disk, promised, seen = Disk(), set(), set()
    chance = random.Random(SEED)
    step = max(1, sum(op.kind != "told" for op in operations) // STATES)
    for point, op in enumerate(operations):
        if op.kind == "told":
            promised |= set(json.loads(op.data))
            continue
        disk.apply(op)
        if point % step:
            continue
        tree = disk.chance(chance) if model == "chance" else getattr(disk, model)()
        digest = hashlib.blake2b(repr(sorted(tree.items())).encode()).digest()
        if digest not in seen:
            seen.add(digest)
            yield point, frozenset(promised), tree


def answered(store):
    """List what the store answers: predictions by id, labels by theirs."""
    found = [row["id"] for row in store.sql("SELECT id FROM predictions").rows()]
    return found + [f"label {row['id']}" for row in store.sql("SELECT id FROM label_history").rows()]


def keys(store):
    """List the requests whose keys the catalog knows: sent again, they are told that they were taken."""
    with store._engine.connect() as catalog:
        return {f"key {row[0]}" for row in catalog.exec_driver_sql("SELECT key FROM ingested")}


def survive(root, promised):
    """Mend what is left, open it, ask, compact, count, merge, ask again."""
    report = diagnose(root, now=datetime.now(UTC), mend=True)
    bad = [item for item in report.findings if item.severity == "error"]
    assert report.sound, f"the doctor leaves {bad}"
    with wg.open(root) as store:
        for act in (lambda: None, store.compact, lambda: tend(store)):
            act()
            found = answered(store)
            assert len(found) == len(set(found)), f"seen twice: {sorted({i for i in found if found.count(i) > 1})[:5]}"
            missing = {item for item in promised if not item.startswith("key ")} - set(found)
            assert not missing, f"{len(missing)} promised and lost: {sorted(missing)[:5]}"
        forgotten = {item for item in promised if item.startswith("key ")} - keys(store)
        assert not forgotten, f"requests whose keys are forgotten: {sorted(forgotten)[:5]}"


def tend(store):
    follow(store._folder, store._engine)
    merge(store._folder, store._engine)


@pytest.mark.slow
@pytest.mark.timeout(2400 if LONG else 600)
@pytest.mark.parametrize("model", MODELS)
def test_what_was_promised_outlives_a_power_cut(life, tmp_path, model):
    replay(life[1], tmp_path, model)


@pytest.mark.slow
@pytest.mark.timeout(2400 if LONG else 600)
@pytest.mark.parametrize("model", MODELS)
def test_what_a_server_acknowledged_outlives_a_power_cut(served, tmp_path, model):
    replay(served[1], tmp_path, model)


def replay(operations, tmp_path, model):
    many = 0
    for point, promised, tree in states(operations, model):
        root = tmp_path / "left"
        lay_out(tree, root)
        try:
            survive(root, promised)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with where it was cut
            lay_out(tree, tmp_path / "kept")
            before = [f"  {i} {op.kind} {op.path} {op.target}" for i, op in enumerate(operations[: point + 1])][-9:]
            where = f"after operation {point} ({model}, WATCHGLASS_SEED={SEED}), state in {tmp_path / 'kept'}"
            pytest.fail(f"power cut {where}: {error!r}\n" + "\n".join(before))
        shutil.rmtree(root)
        many += 1
    print(f"{model}: {many} states of {len(operations)} operations")
    assert many >= 4


def test_the_recorded_life_has_all_of_a_stores_work_in_it(life):
    store, operations = life
    done = {(op.kind, op.path.split("/")[0]) for op in operations}
    assert {("append", "log"), ("sync", "log"), ("sync", "tables"), ("sync", "catalog.db-wal")} <= done
    with wg.open(store) as opened, opened._engine.connect() as catalog:
        assert catalog.exec_driver_sql("SELECT count(*) FROM files WHERE removed IS NOT NULL").scalar() >= 8
        assert catalog.exec_driver_sql("SELECT count(*) FROM files WHERE kind = 'cells'").scalar() >= 8


def test_the_replay_of_a_life_that_was_not_cut_is_the_folder_it_left(life):
    store, operations = life
    disk = Disk()
    for op in operations:
        disk.apply(op)
    left = {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    written = {path: data for path, data in disk.everything().items() if data is not None}
    assert written.keys() == left.keys()
    # filters are written through a memory map, which no call tells; one that is not whole is made anew
    assert {path for path in left if left[path] != written[path]} <= {
        path for path in left if path.startswith("filters/")
    }
