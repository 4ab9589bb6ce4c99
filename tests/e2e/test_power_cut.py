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
from watchglass.store.doctor import diagnose
from watchglass.store.merge import merge

LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))
ROUNDS = 9 if LONG else 2
STATES = 300 if LONG else 9  # laid out for each model, spread evenly
SEED = int(os.environ.get("WATCHGLASS_SEED", "0")) or random.SystemRandom().randrange(1 << 30)

pytestmark = pytest.mark.skipif(not tracing.available(), reason="strace is not installed: apt-get install strace")


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """The operations of one life, among them the promises."""
    home = tmp_path_factory.mktemp("life")
    store, told, log = home / "store", home / "told", home / "trace"
    store.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("session.py")), store, told, ROUNDS]
    tracing.record([*map(str, command)], log)
    found = list(tracing.operations(log, store, told))
    log.unlink()
    return store, found


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


def survive(root, promised):
    """Open what is left, ask, compact, count, merge, ask again; gives what is wrong, or nothing."""
    report = diagnose(root, now=datetime.now(UTC), mend=True)
    bad = [item for item in report.findings if item.severity == "error"]
    assert report.sound, f"the doctor leaves {bad}"
    with wg.open(root) as store:
        for act in (lambda: None, store.compact, lambda: tend(store)):
            act()
            found = answered(store)
            assert len(found) == len(set(found)), f"seen twice: {sorted({i for i in found if found.count(i) > 1})[:5]}"
            missing = promised - set(found)
            assert not missing, f"{len(missing)} promised and lost: {sorted(missing)[:5]}"
    return bad


def tend(store):
    follow(store._folder, store._engine)
    merge(store._folder, store._engine)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["everything", "strict", "names_first", "zeroed", "chance"])
def test_what_was_promised_outlives_a_power_cut(life, tmp_path, model):
    _, operations = life
    many = 0
    for point, promised, tree in states(operations, model):
        root = tmp_path / "left"
        lay_out(tree, root)
        try:
            survive(root, promised)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with where it was cut
            keep = tmp_path / "kept"
            lay_out(tree, keep)
            around = "\n".join(
                f"  {i} {op.kind} {op.path} {op.target}"
                for i, op in list(enumerate(operations))[max(0, point - 8) : point + 1]
            )
            pytest.fail(
                f"power cut after operation {point} ({model}, WATCHGLASS_SEED={SEED}), state in {keep}: {error!r}\n{around}"
            )
        shutil.rmtree(root)
        many += 1
    print(f"{model}: {many} states of {len(operations)} operations")
    assert many >= 5


def test_the_replay_of_a_life_that_was_not_cut_is_the_folder_it_left(life):
    store, operations = life
    disk = Disk()
    for op in operations:
        disk.apply(op)
    left = {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    assert {path: data for path, data in disk.everything().items() if data is not None} == left
