"""Bytes that are kept: swept when nobody names them, held against their sums by the doctor, backed up once and restored."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import watchglass as wg
from watchglass.capture import recorder
from watchglass.errors import StoreError
from watchglass.store.artifacts.sweeping import sweep_kept
from watchglass.store.folder import prepare
from watchglass.store.life import backups
from watchglass.store.transactions import connect


@pytest.fixture
def recording(tmp_path):
    root = tmp_path / "store"
    wg.init(root)
    yield root
    recorder.close()


@pytest.fixture
def engine(recording):
    made = connect(prepare(recording, create=True))
    yield made
    made.dispose()


def file_of(root, name):
    wg.flush()
    with wg.open(root) as store:
        return Path(store.artifact(name).file)


def nobody(root, text):
    """Keep bytes that no event names, as a process leaves them that died in between."""
    from watchglass.capture.keeping_formats import form
    from watchglass.capture.keeping_place import place_of, put

    made = form(text)
    return Path(place_of(str(root), put(str(root), made.write, made.name).name))


def test_what_nobody_names_is_swept_once_it_is_old(recording, engine):
    wg.save("named", "text")
    named, lost = file_of(recording, "text"), nobody(recording, "nobody's")
    draft = recording / "artifacts" / ".half.tmp"
    draft.write_text("half")
    folder, now = prepare(recording), time.time()
    assert sweep_kept(folder, engine, now) == 0
    assert sweep_kept(folder, engine, now + 4000) == 2
    assert (named.exists(), lost.exists(), draft.exists()) == (True, False, False)


def test_what_the_log_names_though_the_catalog_does_not_yet_is_not_swept(recording, engine):
    wg.save("named", "text")
    wg.flush()
    (named,) = (recording / "artifacts").glob("??/*")
    assert sweep_kept(prepare(recording), engine, time.time() + 4000) == 0
    assert named.exists()


def test_what_is_named_anew_while_it_is_swept_stays(recording, engine, monkeypatch):
    lost = nobody(recording, "nobody's")
    os.utime(lost, (1, 1))
    rename = Path.rename

    def named_anew(path, target):
        os.utime(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", named_anew)
    assert sweep_kept(prepare(recording), engine, time.time()) == 0
    assert lost.exists()


def test_compaction_sweeps(recording):
    lost = nobody(recording, "nobody's")
    os.utime(lost, (1, 1))
    with wg.open(recording) as store:
        from watchglass.store.sweep import sweep

        sweep(store._folder, store._engine)
    assert not lost.exists()


def test_the_doctor_tells_damaged_and_missing_bytes(recording):
    wg.save("sound", "one")
    wg.save("damaged", "two")
    wg.save("missing", "three")
    two = file_of(recording, "two")
    two.chmod(0o644)
    two.write_text("demaged")
    file_of(recording, "three").unlink()
    recorder.close()
    with wg.open(recording) as store:
        found = {one.what: one for one in store.doctor().findings}
        assert found["kept bytes damaged"].severity == "error"
        assert "artifact 'two'" in found["kept bytes damaged"].means
        assert found["kept bytes missing"].severity == "warning"
        assert "artifact 'three'" in found["kept bytes missing"].means
        assert "kept bytes damaged" not in {one.what for one in store.doctor(quick=True).findings}
        assert {one.what: one for one in store.doctor(mend=True).findings}["kept bytes damaged"].mended
        assert (store.artifact("two").policy, store.artifact("two").kept) == ("hash", None)
        assert not two.exists()
        assert "kept bytes damaged" not in {one.what for one in store.doctor().findings}


def test_a_backup_has_what_is_kept_once_and_a_restored_store_loads_it(recording, tmp_path):
    wg.save("x" * 100_000, "text")
    wg.flush()
    with wg.open(recording) as store:
        store.compact()
        store.artifact("text")
        store.backup(tmp_path / "backups")
        wg.save("y" * 100_000, "more")
        wg.flush()
        store.artifact("more")
        store.backup(tmp_path / "backups")
    objects = [path for path in (tmp_path / "backups" / "objects").iterdir() if path.name.endswith(".txt")]
    assert len(objects) == 2
    wg.restore(tmp_path / "backups", tmp_path / "again")
    with wg.open(tmp_path / "again") as store:
        assert store.artifact("text").load() == "x" * 100_000
        assert store.artifact("more").load() == "y" * 100_000
    backups.prune(tmp_path / "backups", 1)
    assert all(path.exists() for path in objects)


def test_a_backup_of_bytes_that_are_not_there_is_made_without_them(recording, tmp_path):
    wg.save("one", "one")
    file_of(recording, "one").unlink()
    with wg.open(recording) as store:
        store.backup(tmp_path / "backups")
    wg.restore(tmp_path / "backups", tmp_path / "again")
    with wg.open(tmp_path / "again") as store:
        assert store.artifact("one").policy == "full"
        assert "kept bytes missing" in {one.what for one in store.doctor().findings}


def test_a_backup_of_damaged_bytes_is_not_made(recording, tmp_path):
    wg.save("one", "one")
    path = file_of(recording, "one")
    path.chmod(0o644)
    path.write_text("two")
    with wg.open(recording) as store, pytest.raises(StoreError, match=r"is damaged.*no backup was made"):
        store.backup(tmp_path / "backups")
