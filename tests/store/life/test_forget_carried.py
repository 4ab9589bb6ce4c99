"""A forget reaches what derives from a subject's data: kept bytes, previews and profiles go, what lies outside is named, no byte of the tag stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import watchglass as wg
from tests.store.life.searched import places
from watchglass.capture import recorder
from watchglass.capture.subjects import digest_of_tag
from watchglass.errors import BadInput, Blocked
from watchglass.store.mirror import mirror

TAG = "Quirin.Zaphod-7731"
SECRET, DERIVED, OTHER = "their address is Elm Row 9", "derived from Elm Row 9", "of somebody else"


def record(root, *, file=None, closed=True):
    """Record a line from a subject's rows to a model, and another line beside it."""
    wg.init(store=root)
    with wg.run("ingest", keep="full") as run:
        run.write(("rows", f"{SECRET} and more of it"), subjects=TAG)
        run.write(("else", f"{OTHER} and more of it"))
        if file is not None:
            run.write(file, subjects=TAG)
    with wg.run("clean", keep="full") as run:
        run.read(("rows", f"{SECRET} and more of it"))
        run.write(("clean rows", f"{DERIVED} and more of it"))
        run.write({"city": [DERIVED], "n": [1]}, "profiled", keep="profile")
        run.write(("totals", f"{OTHER} in sum"), subjects=[])
    with wg.run("train") as run:
        run.read(("clean rows", f"{DERIVED} and more of it"))
        run.write({"w": 1}, "model")
        wg.log_model("credit", version="3")
    if closed:
        recorder.close()


def kept_files(root):
    return sorted(path for path in (root / "artifacts").glob("??/*") if not path.name.startswith("."))


@pytest.fixture
def root(tmp_path):
    record(tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize("sealed", [False, True])
def test_no_byte_of_the_tag_and_of_what_carries_it_stays_and_the_rest_does(root, sealed):
    with wg.open(root) as store:
        store.retract(TAG, "the officer", grace="1d")
        if sealed:
            store.compact()
        mirror(store._folder, store._engine)
        assert len(kept_files(root)) == 4
        assert store.subject(TAG).versions == 4
        assert places(root, [SECRET])
        assert places(root, [DERIVED])
        done = store.forget(subject=TAG, who="the officer")
        assert places(root, [TAG, SECRET, DERIVED]) == []
        assert (done.carried, done.kept) == (4, 2)
        assert len(kept_files(root)) == 2
        assert store.artifact("else").load() == f"{OTHER} and more of it"
        assert store.artifact("totals").load() == f"{OTHER} in sum"
        one = store.artifact("clean rows")
        assert (one.kept, one.policy, one.profile, one.preview) == (None, "hash", None, "(forgotten)")
        with pytest.raises(BadInput, match="nothing is kept of version"):
            one.load()
        record = store.audits("forget").audits[0].record
        assert "model credit 3" in record["outside"]
        assert record["carried"] == 4
        assert not record["left"]


def test_a_dry_run_tells_all_of_it_and_changes_nothing(root):
    with wg.open(root) as store:
        dry = store.forget(subject=TAG, dry=True)
        before = {path: path.read_bytes() for path in kept_files(root)}
        assert len(before) == 4
        assert store.artifact("clean rows").load() == f"{DERIVED} and more of it"
        assert store.subject(TAG).versions == 4
        done = store.forget(subject=TAG)
        assert (dry.carried, dry.kept, dry.outside, dry.wiped, dry.left) == (done.carried, done.kept, done.outside, done.wiped, done.left)  # fmt: skip
        assert {"subject_tags.tag", "artifacts.preview", "artifacts.profile", "artifacts.kept"} == set(done.wiped)  # fmt: skip


def test_files_outside_the_store_are_named_for_who_asked_and_in_the_audit_without_the_name(tmp_path):
    file = tmp_path / f"of {TAG}.csv"
    file.write_text("a,b\n1,2\n")
    record(tmp_path / "store", file=str(file))
    with wg.open(tmp_path / "store") as store:
        done = store.forget(subject=TAG)
        assert f"file {file}" in done.outside
        audited = store.audits("forget").audits[0].record["outside"]
        assert any("of (forgotten).csv" in one for one in audited)
        assert file.exists(), "what is not the store's is the user's to delete"
        assert done.left, "the name of an artifact is how others find it"


def test_who_reads_it_afterwards_is_warned_still_though_nobody_knows_whose_it_was(root):
    with wg.open(root) as store:
        store.retract(TAG, grace="0s")
        store.forget(subject=TAG)
        wg.init(store=root)
        with pytest.raises(Blocked), wg.run("again", on_retracted="block") as run:
            run.read({"w": 1}, "model")
        assert not (root / "retracted" / digest_of_tag(TAG)).exists(), "who guesses a tag would see that it was here"
        (one,) = store.retracted().retractions
        assert (one.tag.startswith("(forgotten) "), one.versions, one.uses) == (True, 4, 1)
        assert store.subject(one.tag).versions == 4
        recorder.close()
        assert places(root, [TAG]) == []


def test_two_who_are_forgotten_stay_two(tmp_path):
    wg.init(store=tmp_path / "store")
    with wg.run("ingest") as run:
        run.write({"a": 1}, "rows", subjects=["client-17", "client-18"])
    recorder.close()
    with wg.open(tmp_path / "store") as store:
        store.forget(subject="client-17")
        store.forget(subject="client-18")
        assert len({one.tag for one in store.subjects().subjects}) == 2
        assert places(tmp_path / "store", ["client-17", "client-18"]) == []


def test_of_one_model_alone_nothing_that_belongs_to_none_goes(root):
    with wg.open(root) as store:
        wg.init(store=root)
        wg.log_model("credit", version="3", schema={"who": {"type": "text", "purpose": "subject"}})
        recorder.close()
        done = store.forget(subject=TAG, model="credit")
        assert (done.carried, done.kept, done.outside) == (0, 0, ())
        assert len(kept_files(root)) == 4
        assert store.subject(TAG).versions == 4


def test_a_tag_that_nobody_has_is_no_reason_to_forget(root):
    with wg.open(root) as store, pytest.raises(BadInput, match="no artifact is said to be of them"):
        store.forget(subject="somebody")


def test_bytes_that_another_name_shares_go_too_and_its_row_says_so(root):
    wg.init(store=root)
    with wg.run("copy", keep="full") as run:
        run.write(("copy", f"{DERIVED} and more of it"))
    recorder.close()
    with wg.open(root) as store:
        done = store.forget(subject=TAG)
        assert done.kept == 2
        assert store.artifact("copy").kept is None
        assert store.artifact("copy").preview is not None


def test_bytes_that_somebody_keeps_again_after_it_stay(root):
    with wg.open(root) as store:
        store.forget(subject=TAG)
        wg.init(store=root)
        with wg.run("again", keep="full") as run:
            run.write(("rows of others", f"{DERIVED} and more of it"))
        recorder.close()
        store.forget(prediction="p1")
        assert store.artifact("rows of others").load() == f"{DERIVED} and more of it"


KILLED = """
import os, sys
import watchglass as wg
from watchglass.store.life import forget_carried
def die(*arguments, **more):
    os._exit(9)
setattr(forget_carried, sys.argv[2], die)
with wg.open(sys.argv[1]) as store:
    store.forget(subject=sys.argv[3])
"""


@pytest.mark.parametrize("place", ["mask", "wipe", "delete_bytes"])
def test_a_forget_that_is_killed_is_finished_by_the_next_one(root, place):
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), place, TAG], env={**os.environ}, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 9
    assert places(root, [SECRET])
    with wg.open(root) as store:
        store.forget(prediction="nothing else")
        assert places(root, [TAG, SECRET, DERIVED]) == []
        assert len(kept_files(root)) == 2
        assert sum("carried" in json.dumps(one.record) for one in store.audits("forget").audits) == 2


def test_in_the_log_of_a_process_that_lives_it_is_written_over(tmp_path):
    root = tmp_path / "store"
    record(root, closed=False)
    with wg.open(root) as store:
        done = store.forget(subject=TAG)
        assert done.wiped["log/graph"] > 0
        assert places(root, [TAG, SECRET, DERIVED]) == []
        with wg.run("train", keep="full") as run:
            run.read(("else", f"{OTHER} and more of it"))
        recorder.close()
        assert [one.component for one in store.runs(component="train").runs] == ["train", "train"]
        assert store.rejected() == 0
        assert store.artifact("else").preview is not None
