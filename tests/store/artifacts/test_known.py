"""What the store knows of artifacts: listed newest first, page by page, one with its writer, loaded again by content version."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import watchglass as wg
from watchglass.capture import recorder
from watchglass.errors import BadInput, StoreError, UnknownName
from watchglass.store import catalog as c
from watchglass.store.parquet import sum_of
from watchglass.store.transactions import writing


@pytest.fixture
def recording(tmp_path):
    root = tmp_path / "store"
    wg.init(root)
    yield root
    recorder.close()


def opened(root):
    wg.flush()
    return wg.open(root)


ONE, TWO = pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 3]})


def test_an_artifact_is_what_was_said_of_it(recording):
    with wg.run("load") as run:
        version = run.write(ONE, "rows", keep="full")
    with opened(recording) as store:
        found = store.artifact("rows")
        assert (found.name, found.version, found.kind, found.rows, found.columns) == (
            "rows",
            version,
            "frame",
            2,
            ("a",),
        )
        assert (found.policy, found.run, found.quarantined) == ("full", run.id, None)
        assert found.profile["columns"]["a"] == {
            "type": "number",
            "count": 2,
            "nulls": 0,
            "min": 1,
            "max": 2,
            "mean": 1.5,
        }
        assert found.time <= found.written
        assert found.load().equals(ONE)


def test_an_older_version_is_loaded_by_its_content(recording):
    with wg.run("load") as run:
        old = run.write(ONE, "rows", keep="full")
        new = run.write(TWO, "rows", keep="full")
    with opened(recording) as store:
        assert store.artifact("rows").version == new
        assert store.artifact("rows", old).load().equals(ONE)
        assert store.artifact("rows", old[:6]).version == old
        with pytest.raises(UnknownName, match=f"no version of artifact 'rows' 'ffffff'.*{old}"):
            store.artifact("rows", "ffffff")
        with pytest.raises(UnknownName, match="no artifact 'row' is recorded. Did you mean 'rows'"):
            store.artifact("row")


def test_the_newest_version_is_the_one_written_last_though_it_was_seen_before(recording):
    for frame in (ONE, TWO, ONE):
        with wg.run("load") as run:
            first = run.write(frame, "rows")
    with opened(recording) as store:
        assert (store.artifact("rows").version, store.artifact("rows").run) == (first, run.id)


def test_what_is_kept_is_not_given_up_for_less(recording):
    with wg.run("load") as run:
        for keep in ("full", "sample", "profile", "hash"):
            run.write(ONE, "rows", keep=keep)
        for keep in ("hash", "profile", "full"):
            run.write(TWO, "more", keep=keep)
    with opened(recording) as store:
        for name, frame in (("rows", ONE), ("more", TWO)):
            found = store.artifact(name)
            assert (found.policy, found.profile["rows"]) == ("full", 2)
            assert found.load().equals(frame)


def test_nothing_is_loaded_of_what_is_not_kept(recording):
    with wg.run("load") as run:
        run.write(ONE, "rows")
    with (
        opened(recording) as store,
        pytest.raises(BadInput, match=r"nothing is kept of version .* but its hash.*wg\.save"),
    ):
        store.artifact("rows").load()


def test_the_list_pages_and_nothing_comes_twice(recording):
    with wg.run("load") as run:
        for number in range(25):
            run.write([number], f"n{number % 5}")
    with opened(recording) as store:
        seen, after = [], None
        while True:
            page = store.artifacts(limit=7, after=after)
            seen += page.artifacts
            after = page.next
            if after is None:
                break
        assert len({(one.name, one.version) for one in seen}) == len(seen) == 25
        assert [one.time for one in seen] == sorted((one.time for one in seen), reverse=True)
        assert [one.name for one in store.artifacts("n3", limit=2).artifacts] == ["n3", "n3"]
        assert len(store.artifacts("n3").artifacts) == 5


def test_the_list_is_narrowed(recording):
    with wg.run("load") as run:
        run.write(ONE, "rows", keep="full")
        run.write([1], "numbers", keep="profile")
        run.write("text", "text")
    with wg.run("train") as other:
        other.read(ONE, "rows")
    with opened(recording) as store:

        def names(**wanted):
            return sorted(one.name for one in store.artifacts(**wanted).artifacts)

        assert names() == ["numbers", "rows", "text"]
        assert names(kind="frame") == names(policy="full") == names(run=other.id) == ["rows"]
        assert names(policy="profile") == ["numbers"]
        assert names(policy="hash") == ["text"]
        assert names(run=run.id, kind="json") == ["numbers"]
        for wanted, said in (
            ({"kind": "table"}, "kind cannot be 'table'"),
            ({"policy": "none"}, "policy cannot be 'none'"),
            ({"limit": 0}, "limit cannot be 0"),
            ({"after": "3"}, "the `next` of the page before"),
        ):
            with pytest.raises(BadInput, match=said):
                store.artifacts(**wanted)
        with pytest.raises(UnknownName, match="no run 'nobody'"):
            store.artifacts(run="nobody")


def test_group_18_what_is_saved_is_loaded_equal(recording):
    """mltrace, group 18: a save and a load return an equal object."""
    values = {"frame": ONE, "array": np.arange(4.0), "json": {"a": [1, None]}, "text": "é", "bytes": b"\x00"}
    with wg.run("train"):
        for name, value in values.items():
            wg.save(value, name)
    with wg.run("score") as run:
        back = {name: wg.load(name) for name in values}
    assert back["frame"].equals(ONE)
    assert (back["array"] == values["array"]).all()
    assert {name: back[name] for name in ("json", "text", "bytes")} == {
        name: values[name] for name in ("json", "text", "bytes")
    }
    with opened(recording) as store:
        read = store.artifacts(run=run.id).artifacts
        assert {one.name for one in read} == set(values)
        assert all(one.policy == "full" for one in read)


def test_group_16_the_same_name_and_value_are_one_artifact(recording):
    """mltrace, group 16: the same name and value twice is one pointer, also in bulk of 100."""
    with wg.run("load") as run:
        for _ in range(2):
            for number in range(100):
                run.write({"n": number}, f"a{number}")
    with opened(recording) as store:
        assert len(store.artifacts(limit=1000).artifacts) == 100


def test_load_gives_the_newest_or_the_version_that_is_named(recording):
    old = wg.save(ONE, "rows")
    wg.save(TWO, "rows")
    assert wg.load("rows").equals(TWO)
    assert wg.load("rows", old).equals(ONE)


def test_load_does_not_give_an_older_version_for_a_newer_one_that_is_not_kept(recording):
    wg.save(ONE, "rows")
    with wg.run("load") as run:
        run.write(TWO, "rows")
    with pytest.raises(BadInput, match="nothing is kept of version"):
        wg.load("rows")


def test_load_does_not_give_a_sample_for_the_whole(recording):
    with wg.run("load") as run:
        run.write(list(range(5000)), "numbers", keep="sample")
    with pytest.raises(BadInput, match=r"only a sample is kept.*store\.artifact\('numbers'\)\.load\(\)"):
        wg.load("numbers")
    with opened(recording) as store:
        assert store.artifact("numbers").load() == list(range(0, 5000, 5))


def test_load_does_not_give_what_is_quarantined_unless_it_is_named(recording):
    version = wg.save(ONE, "rows")
    recorder.current().graph(
        {"kind": "write", "run": "r", "name": "rows", "version": version, "time": 1, "artifact": {"quarantined": 5}}
    )
    with pytest.raises(BadInput, match="is quarantined since 1970"):
        wg.load("rows")
    assert wg.load("rows", version).equals(ONE)


def test_load_knows_what_it_does_not_know(recording):
    wg.save(ONE, "rows")
    with pytest.raises(UnknownName, match="Did you mean 'rows'"):
        wg.load("rosw")
    with pytest.raises(BadInput, match="format cannot be 'npy'"):
        wg.load("rows", format="npy")


class Own:
    def __init__(self):
        self.inside = {1, 2}


def test_a_pickle_is_loaded_only_when_it_is_called_for(recording):
    wg.save(Own(), "it", format="pickle")
    with pytest.raises(BadInput, match="is a pickle"):
        wg.load("it")
    assert wg.load("it", allow_pickle=True).inside == wg.load("it", format="pickle").inside == {1, 2}


def test_files_and_folders_are_loaded_as_paths(recording, tmp_path):
    source = tmp_path / "one"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "a").write_text("x")
    wg.save(source / "inner" / "a", "file")
    wg.save(source, "folder")
    assert Path(wg.load("file")).read_text() == "x"
    assert Path(wg.load("file", to=str(tmp_path / "there"))).read_text() == "x"
    wg.load("folder", to=str(tmp_path / "back"))
    assert (tmp_path / "back" / "inner" / "a").read_text() == "x"


def test_damaged_bytes_are_said_and_not_loaded(recording):
    wg.save("some text", "text")
    with opened(recording) as store:
        found = store.artifact("text")
        path = recording / "artifacts" / found.kept[:2] / found.kept
        path.chmod(0o644)
        path.write_text("some tixt")
        with pytest.raises(StoreError, match="are damaged"):
            found.load()
        path.unlink()
        with pytest.raises(StoreError, match="are not at"):
            wg.load("text")


def test_what_is_kept_is_a_column_of_the_view(recording):
    wg.save(ONE, "rows")
    with opened(recording) as store:
        assert store.artifacts("rows").artifacts[0].kept is not None
        assert json.dumps(store.sql("SELECT name, kind FROM artifacts").rows()) == '[{"name": "rows", "kind": "frame"}]'


def test_a_profile_that_was_forgotten_is_none(recording):
    wg.save(ONE, "rows")
    with opened(recording) as store:
        store.artifact("rows")
        with writing(store._engine) as transaction:
            transaction.execute(c.artifacts.update().values(profile="(forgotten)"))
        assert store.artifact("rows").profile is None


KILLED = """
import os, sys, threading, time
import watchglass as wg
wg.init(sys.argv[1])
print("ready", flush=True)
with wg.run("save"):
    for number in range(10_000):
        wg.save(str(number) * 20_000, f"n{number % 7}")
"""


def test_a_killed_process_leaves_no_half_file_under_a_name_and_all_that_it_recorded_is_there(tmp_path):
    for seconds in (0.05, 0.2, 0.4):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "store")], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.kill()
        process.wait()
        process.stdout.close()
        for path in (tmp_path / "store" / "artifacts").glob("??/*"):
            assert sum_of(path) == path.name.partition(".")[0]
    with wg.open(tmp_path / "store") as store:
        found = store.artifacts(limit=1000).artifacts
        assert found
        assert all(len(one.load()) >= 20_000 for one in found)


def test_digits_that_fit_several_versions_are_refused(recording):
    for version in ("abcd01", "abcd02"):
        recorder.current().graph({"kind": "write", "run": "r", "name": "rows", "version": version, "time": 1})
    with opened(recording) as store:
        with pytest.raises(BadInput, match="fits several versions of artifact 'rows', such as abcd01 and abcd02"):
            store.artifact("rows", "abcd")
        assert store.artifact("rows", "abcd02").version == "abcd02"
        with pytest.raises(UnknownName):
            store.artifact("rows", "abc")
