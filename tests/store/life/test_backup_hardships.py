"""Backups where things go wrong: a full disk, a killed restore whose process id comes again, a backup of an older version, four writers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from dataclasses import replace

import pytest

import watchglass as wg
from tests.store.fixtures import make
from tests.store.life.test_backup import answers, fill, put
from watchglass.errors import BadInput, StoreError
from watchglass.store.codec import encode
from watchglass.store.life import backups
from watchglass.store.life.backup import CATALOG
from watchglass.store.life.restore import restore
from watchglass.store.parquet import sum_of

ARCHIVES = sorted(make.HERE.glob("*.tar.gz"))


@pytest.fixture
def small(request, tmp_path):
    """A small disk; its end gives it back."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(disk)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("small", ["200k"], indirect=True)
def test_a_disk_too_small_for_the_catalog_gets_no_backup_and_is_left_as_it_was(bench, small):
    fill(bench)
    expected = answers(bench.folder.root)
    with pytest.raises(StoreError, match=r"catalog cannot be copied into .* full.*make room there"):
        put(bench, small / "backups")
    assert backups.names(small / "backups") == []
    assert [path for path in (small / "backups").rglob("*.tmp") if path.is_file()] == []
    assert answers(bench.folder.root) == expected


@pytest.mark.parametrize("small", ["1m"], indirect=True)
def test_a_disk_that_is_full_of_files_gets_no_backup_until_there_is_room(bench, small, tmp_path):
    fill(bench, files=8)
    made = put(bench, tmp_path / "roomy")
    beside = sum(kept.bytes for kept in backups.moment_of(tmp_path / "roomy", made.name).beside)
    (small / "other").write_bytes(bytes((1 << 20) - beside - made.bytes // 3))
    with pytest.raises((OSError, StoreError), match=r"No space left|make room") as told:
        put(bench, small / "backups")
    assert getattr(told.value, "errno", errno.ENOSPC) == errno.ENOSPC
    assert backups.names(small / "backups") == []
    (small / "other").unlink()
    expected = answers(bench.folder.root)
    put(bench, small / "backups")
    restore(small / "backups", bench.folder.root.parent / "again")
    assert answers(bench.folder.root.parent / "again") == expected


@pytest.mark.parametrize("small", ["200k"], indirect=True)
def test_a_restore_to_a_full_disk_leaves_nothing_there(bench, small, tmp_path):
    fill(bench)
    put(bench, tmp_path / "backups")
    with pytest.raises(OSError, match="No space left"):
        restore(tmp_path / "backups", small / "again")
    assert list(small.iterdir()) == []
    restore(tmp_path / "backups", tmp_path / "again")
    assert answers(tmp_path / "again") == answers(bench.folder.root)


RESTORING = """
import os, signal, sys
from watchglass.store.life import restore
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
restore._take_note = die
restore.restore(sys.argv[1], sys.argv[2])
"""


def test_what_a_killed_restore_left_goes_with_the_next_whatever_its_process_id_was(bench, tmp_path):
    fill(bench)
    home, target = tmp_path / "backups", tmp_path / "again"
    put(bench, home)
    done = subprocess.run([sys.executable, "-c", RESTORING, str(home), str(target)], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.glob(".again.*.restoring")
    left.rename(left.with_name(f".again.{os.getpid()}.restoring"))  # as an older version would have named its own
    assert not target.exists()
    restore(home, target)
    assert answers(target) == answers(bench.folder.root)
    assert list(tmp_path.glob(".again.*")) == []


def test_a_living_restore_of_another_process_is_left_alone(bench, tmp_path):
    fill(bench)
    put(bench, tmp_path / "backups")
    seen = []

    def meanwhile(done, _):
        if not seen:
            seen.append(done)
            restore(tmp_path / "backups", tmp_path / "again")

    with pytest.raises(OSError, match="not empty"):
        restore(tmp_path / "backups", tmp_path / "again", progress=meanwhile)
    assert answers(tmp_path / "again") == answers(bench.folder.root)
    assert list(tmp_path.glob(".again.*")) == []


def test_a_store_is_never_restored_over(bench, tmp_path):
    fill(bench)
    put(bench, tmp_path / "backups")
    before = answers(bench.folder.root)
    with pytest.raises(BadInput, match="holds something"):
        restore(tmp_path / "backups", bench.folder.root)
    assert answers(bench.folder.root) == before


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.gz"))
def test_a_backup_that_an_older_version_made_is_restored_and_answers_as_it_did_then(archive, tmp_path):
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    shutil.copytree(tmp_path / "store", tmp_path / "opened")
    with wg.open(tmp_path / "opened") as store:
        made = store.backup(tmp_path / "backups")
    older_catalog(tmp_path, made.name)
    restore(tmp_path / "backups", tmp_path / "again")
    expected = json.loads(archive.with_name(archive.name.removesuffix(".tar.gz") + ".json").read_text())
    found = make.answers(tmp_path / "again")
    for (question, _), then, now in zip(make.QUESTIONS, expected["sql"], found["sql"], strict=True):
        assert now == then, question
    with wg.open(tmp_path / "again") as store:
        assert [item.what for item in store.doctor().findings if item.severity == "error"] == []


def older_catalog(home, name):
    """Put the catalog that the older version wrote into a backup, and its sum into what is told of it."""
    place = backups.moments_of(home / "backups") / name
    (place / CATALOG).unlink()
    with closing(sqlite3.connect(home / "store" / CATALOG)) as catalog:
        catalog.execute("VACUUM INTO ?", (str(place / CATALOG),))
    with closing(sqlite3.connect(place / CATALOG)) as catalog:
        catalog.execute("PRAGMA journal_mode = DELETE")
    moment = backups.moment_of(home / "backups", name)
    told = tuple(
        replace(kept, bytes=(place / CATALOG).stat().st_size, sum=sum_of(place / CATALOG))
        if kept.place == CATALOG
        else kept
        for kept in moment.beside
    )
    (place / backups.TOLD).write_text(encode(replace(moment, beside=told)))


RECORDING = """
import os, sys, time
import watchglass as wg
wg.init(sys.argv[1])
number = 0
while True:
    wg.log_prediction("m", features={"x": float(number)}, prediction=1, id=f"{sys.argv[2]}-{number:06d}")
    print(number, flush=True)
    number += 1
    time.sleep(0.002)
"""


@pytest.mark.slow
def test_a_backup_while_four_processes_write_holds_of_each_all_that_was_acknowledged_before(tmp_path):
    wg.init(store=str(tmp_path / "store"))
    wg.log_model("m", version="1")
    wg.flush()
    env = {**os.environ, "WATCHGLASS_ROLL_SECONDS": "0.3"}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDING, str(tmp_path / "store"), str(who)],
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        for who in range(4)
    ]
    told = []
    try:
        with wg.open(tmp_path / "store") as store:
            for round_ in range(3):
                least = [next(int(n) for n in writer.stdout if int(n) >= 60 * (round_ + 1)) for writer in writers]
                if round_ == 1:
                    store.compact()
                told.append((least, store.backup(tmp_path / "backups")))
    finally:
        for writer in writers:
            writer.kill()
            writer.stdout.read()
            writer.stdout.close()
            writer.wait(timeout=60)
    for least, made in told:
        restore(tmp_path / "backups", tmp_path / made.name, made.time)
        with wg.open(tmp_path / made.name) as again:
            ids = [row["id"] for row in again.sql("SELECT id FROM predictions ORDER BY id").rows()]
        for who, number in enumerate(least):
            own = [int(ident.split("-")[1]) for ident in ids if ident.startswith(f"{who}-")]
            assert own == list(range(len(own))), "none is missing between, none is double"
            assert len(own) > number
