"""What failed a test after its run is listed, and released by a person: who, when, why; the mark below the store goes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import watchglass as wg
from tests.store.bench import Bench
from tests.store.lineage.told import at, run
from watchglass.capture import drops, recorder
from watchglass.capture.quarantine import is_marked, marked
from watchglass.errors import BadInput, StoreError, UnknownName
from watchglass.reading import Store
from watchglass.store.artifacts.quarantine_marks import refresh

READ = "import watchglass as wg\nwith wg.run('other') as run:\n    run.read({!r}, 'rows')"


@pytest.fixture
def store(bench):
    with Store(bench.folder.root) as opened:
        yield opened


@pytest.fixture
def recording(tmp_path):
    """A store into which a component with a test has written one good version and a bad one."""
    drops._warned.clear()
    wg.init(tmp_path / "store")

    @wg.component("clean", outputs=["rows"], after=[wg.check(lambda result: len(result) > 2, "quarantine", "enough")])
    def clean(rows):
        return rows

    clean([1, 2, 3])
    clean([1, 2])
    recorder.flush()
    with Store(tmp_path / "store") as opened:
        opened.again = clean
        yield opened


def other(store, value, **more):
    env = {**os.environ, "WATCHGLASS_STORE": store.path, "PYTHONWARNINGS": "ignore", **more}
    command = [sys.executable, "-c", READ.format(value)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True).stderr


def bad(ident, seconds, version, marked=None):
    """A run that wrote a version of rows though a test of it failed."""
    made = run(ident, seconds, writes=[("rows", version)], component="clean")
    made["writes"][0]["artifact"] = {"kind": "text", "quarantined": at(seconds) if marked is None else marked}
    return made


def since(store, version):
    return store.artifact("rows", version).quarantined


def test_a_process_that_reads_it_is_warned_until_a_person_releases_it(recording):
    (one,) = recording.quarantined().quarantines
    assert (one.name, one.component, one.why) == ("rows", "clean", ("enough: it returned False",))
    assert since(recording, one.version) == one.time
    assert "is in quarantine" in other(recording, [1, 2])
    (freed,) = recording.release(f"rows@{one.version[:8]}", "looked at, two rows will do", "ana")
    assert (freed.version, freed.released_by, freed.reason) == (one.version, "ana", "looked at, two rows will do")
    assert other(recording, [1, 2]) == ""
    assert since(recording, one.version) is None
    assert recording.quarantined().quarantines == ()
    assert recording.quarantined(released=True).quarantines == (freed,)
    (audit,) = recording.audits("release").audits
    told = {"name": "rows", "version": one.version, "reason": "looked at, two rows will do", "marks": 1}
    assert (audit.who, audit.time, audit.record) == ("ana", freed.released, told)


def test_what_is_released_is_loaded_again(tmp_path):
    wg.init(tmp_path / "store")

    @wg.component("make", outputs=["model"], keep="full", after=[wg.check(lambda result: False, "quarantine", "no")])
    def make():
        return {"w": 1}

    make()
    with pytest.raises(BadInput, match="is quarantined since"):
        wg.load("model")
    with Store(tmp_path / "store") as store:
        store.release(store.artifact("model"), "it is right")
    assert wg.load("model") == {"w": 1}


def test_a_version_that_fails_again_is_in_quarantine_again(recording):
    recording.release("rows", "for now")
    assert other(recording, [1, 2]) == ""
    recording.again([1, 2])
    recorder.flush()
    (one,) = recording.quarantined().quarantines
    assert since(recording, one.version) == one.time
    assert "is in quarantine" in other(recording, [1, 2])
    assert [entry.released is None for entry in recording.quarantined(released=True).quarantines] == [True, False]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_marks_and_releases_may_come_in_any_order(bench, store, order):
    lines = [
        bad("clean1", 1, "v1"),
        {"kind": "release", "name": "rows", "version": "v1", "marked": [at(1)], "time": at(2), "who": "ana", "reason": "fine"},
        bad("clean2", 3, "v1"),
    ]  # fmt: skip
    for number in order:
        bench.write("graph", [lines[number]])
        store.quarantined()
    found = store.quarantined(released=True).quarantines
    assert [(one.run, one.released is None) for one in found] == [("clean2", True), ("clean1", False)]
    assert since(store, "v1") == found[0].time
    store.compact()
    view = "SELECT quarantined FROM artifacts WHERE version = 'v1'"
    assert store.sql(view).rows()[0]["quarantined"].replace(tzinfo=None) == found[0].time.replace(tzinfo=None)


def test_pages_hold_each_mark_once(bench, store):
    bench.write("graph", [bad(f"r{n:02}", n // 3, f"v{n:02}") for n in range(20)])
    seen, after = [], None
    while True:
        page = store.quarantined(limit=7, after=after)
        seen += [one.version for one in page.quarantines]
        after = page.next
        if after is None:
            break
    assert seen == [f"v{n:02}" for n in sorted(range(20), key=lambda n: (n // 3, n), reverse=True)]
    with pytest.raises(BadInput, match="the `next` of the page before"):
        store.quarantined(after="x")


def test_marks_of_processes_elsewhere_are_put_down_by_the_upkeep_and_taken_away_with_the_release(bench, store):
    root = str(bench.folder.root)
    bench.write("graph", [bad("r1", 1, "v1"), bad("r2", 2, "v2")])
    (bench.folder.root / "quarantine").mkdir()
    aside = bench.folder.root / "quarantine" / "damaged.parquet"
    aside.touch()
    store.compact()
    assert is_marked(root, "rows", "v1")
    assert is_marked(root, "rows", "v2")
    store.release("rows@v1", "fine")
    assert not is_marked(root, "rows", "v1")
    assert is_marked(root, "rows", "v2")
    assert aside.exists(), "what a doctor set aside is no mark"
    bench.write("graph", [{"kind": "release", "name": "rows", "version": "v2", "marked": [at(2)], "time": at(9)}])
    store.compact()
    assert marked(root) == frozenset()


def test_a_mark_whose_line_is_not_in_the_log_yet_is_left(bench, store):
    from watchglass.capture.quarantine import mark

    mark(str(bench.folder.root), "rows", "coming")
    refresh(bench.folder, bench.engine)
    assert is_marked(store.path, "rows", "coming")


def test_a_restored_store_has_its_marks(bench, store, tmp_path):
    bench.write("graph", [bad("r1", 1, "v1"), bad("r2", 2, "v2")])
    store.release("rows@v2", "fine", "ana")
    store.backup(tmp_path / "backups")
    wg.restore(tmp_path / "backups", tmp_path / "again")
    with Store(tmp_path / "again") as again:
        assert (is_marked(again.path, "rows", "v1"), is_marked(again.path, "rows", "v2")) == (True, False)
        found = again.quarantined(released=True).quarantines
        assert [(one.version, one.reason) for one in found] == [("v2", "fine"), ("v1", None)]


def test_an_older_copy_that_is_imported_does_not_undo_a_release(bench, store, tmp_path):
    bench.write("graph", [bad("r1", 1, "v1"), bad("r2", 2, "v2")])
    store.export(tmp_path / "out")
    store.release("rows@v1", "fine")
    store.import_(tmp_path / "out")
    assert (since(store, "v1"), since(store, "v2") is None) == (None, False)
    other = Bench(tmp_path / "other")
    with Store(other.folder.root) as empty:
        empty.import_(tmp_path / "out")
        assert {one.version for one in empty.quarantined().quarantines} == {"v1", "v2"}
    other.close()


def test_what_is_meant_must_be_one_version_in_quarantine_and_have_a_reason(bench, store):
    bench.write("graph", [bad("r1", 1, "abcd1"), bad("r2", 2, "abcd2"), run("r3", 3, writes=[("rows", "good")])])
    bench.write("graph", [bad("r4", 4, "v") | {"writes": [{"name": "a@b", "version": "v9", "time": at(4), "artifact": {"quarantined": at(4)}}]}])  # fmt: skip
    with pytest.raises(BadInput, match="several versions of artifact 'rows' are in quarantine"):
        store.release("rows", "fine")
    with pytest.raises(BadInput, match="several versions"):
        store.release("rows@abcd", "fine")
    with pytest.raises(UnknownName, match="version of artifact 'rows' in quarantine 'good'"):
        store.release("rows@good", "fine")
    with pytest.raises(UnknownName, match="artifact in quarantine 'row'"):
        store.release("row", "fine")
    for reason in ("", " ", None, "x" * 10_001):
        with pytest.raises(BadInput, match="reason cannot be"):
            store.release("rows@abcd1", reason)
    with pytest.raises(BadInput, match="what is released cannot be ''"):
        store.release("", "fine")
    assert [one.version for one in store.release("a@b", "a name with the sign")] == ["v9"]
    assert [one.version for one in store.release("rows@abcd1", "fine")] == ["abcd1"]
    assert [one.version for one in store.release("rows", "the last one")] == ["abcd2"]


def test_a_person_that_is_forgotten_leaves_the_reason_too(bench, store):
    bench.write("graph", [bad("r1", 1, "v1")])
    store.release("rows", "client-1234 said so")
    store.tag("rows", ["client-1234"])
    store.forget(subject="client-1234")
    (one,) = store.quarantined(released=True).quarantines
    assert one.reason == "(forgotten) said so"
    for path in (bench.folder.root / "log").rglob("*.jsonl"):
        assert b"client-1234" not in path.read_bytes(), path


def test_a_log_that_cannot_be_written_releases_nothing(bench, store, monkeypatch):
    bench.write("graph", [bad("r1", 1, "v1")])
    store.compact()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("watchglass.store.lineage.flags.publish", full)
    with pytest.raises(StoreError, match="No space left"):
        store.release("rows", "fine")
    assert is_marked(store.path, "rows", "v1")
    assert store.audits("release").audits == ()
