"""Outputs that are flagged, and flags that are taken back, in whatever order the lines come."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.store.bench import BEGIN
from watchglass.errors import BadInput, StoreError, UnknownName


def names(page):
    return [(one.name, one.version, one.run) for one in page.flags]


def test_the_newest_version_of_an_output_is_flagged_with_its_note_and_run(line):
    line.ran("train", [], [("model", "v1")])
    run = line.ran("train", [], [("model", "v2")])
    found = line.flag("model", note="odd scores", who="ana")
    assert (found.version, found.run, found.note, found.who, found.removed) == ("v2", run, "odd scores", "ana", None)
    assert names(line.flags()) == [("model", "v2", run)]


def test_a_version_may_be_named(line):
    first = line.ran("train", [], [("model", "v1")])
    line.ran("train", [], [("model", "v2")])
    assert line.flag("model", "v1").run == first
    with pytest.raises(UnknownName, match=r"no version of 'model' 'v3'.*Known: v1, v2"):
        line.flag("model", "v3")


def test_flagged_twice_it_is_one_flag_unless_something_new_is_said(line):
    line.ran("train", [], ["model"])
    assert line.flag("model", note="odd") == line.flag("model")
    line.flag("model", note="odder")
    assert [one.note for one in line.flags().flags] == ["odder", "odd"]


def test_of_an_output_without_versions_the_run_that_had_written_it_then_is_meant(line):
    early = line.ran("train", [], ["model"])
    line.flag("model")
    line.ran("train", [], ["model"], at=3650 * 86_400_000_000)
    assert names(line.flags()) == [("model", None, early)]


def test_flags_are_taken_back_one_by_one_or_all(line):
    for name in ("a", "b", "c"):
        line.ran("train", [], [name])
        line.flag(name)
    assert [one.name for one in line.unflag("b", who="ben")] == ["b"]
    assert [one.name for one in line.flags().flags] == ["c", "a"]
    assert sorted(one.name for one in line.unflag_all()) == ["a", "c"]
    assert line.flags().flags == ()
    assert line.unflag_all() == ()
    assert len(line.flags(removed=True).flags) == 3
    with pytest.raises(UnknownName, match="no flagged output 'a'"):
        line.unflag("a")
    assert line.flag("a").removed is None


def test_a_flag_that_is_told_after_it_was_taken_back_stays_taken_back(line):
    line.ran("train", [], ["model"])
    flag = {"kind": "flag", "name": "model", "version": "", "time": BEGIN, "who": None, "note": None}
    line.write("graph", [{"kind": "unflag", "name": "model", "version": "", "flagged": [BEGIN], "time": BEGIN + 1}])
    assert line.flags().flags == ()
    line.write("graph", [flag])
    assert line.flags().flags == ()


def test_flags_come_in_pages(line):
    for number in range(5):
        line.ran("train", [], [f"out ~{number}"])
        line.flag(f"out ~{number}")
    first = line.flags(limit=2)
    second = line.flags(limit=2, after=first.next)
    third = line.flags(limit=2, after=second.next)
    pages = [[one.name[-1] for one in page.flags] for page in (first, second, third)]
    assert (pages, third.next) == ([["4", "3"], ["2", "1"], ["0"]], None)
    with pytest.raises(BadInput, match="after cannot be 'nonsense'"):
        line.flags(after="nonsense")


def test_a_flag_is_a_line_of_the_log_and_so_outlives_a_lost_catalog(line):
    line.ran("train", [], ["model"])
    line.flag("model", note="odd")
    line.close()
    for path in line.folder.root.glob("catalog.db*"):
        path.unlink()
    code = "import sys, watchglass as wg; print([flag.note for flag in wg.open(sys.argv[1]).flags().flags])"
    told = subprocess.run(
        [sys.executable, "-c", code, line.folder.root], capture_output=True, text=True, timeout=120, check=False
    )
    assert told.stdout == "['odd']\n", told.stderr


def test_a_log_that_is_no_folder_is_told(line):
    line.ran("train", [], ["model"])
    line.flags()
    log = line.folder.root / "log" / "graph"
    for path in log.iterdir():
        path.unlink()
    log.rmdir()
    log.write_text("")
    with pytest.raises((StoreError, OSError)):
        line.flag("model")


def test_defect_what_is_written_with_a_version_can_be_flagged(line):
    """mltrace looks for the pointer with an empty value only: of one with a value it says that it does not exist."""
    line.ran("train", [], [("model", "0123abcd"), "plain"])
    assert [line.flag(name).name for name in ("model", "plain")] == ["model", "plain"]


def test_an_output_that_nobody_wrote_cannot_be_flagged(line):
    for number in range(300):
        line.ran("train", [], [f"scores_{number:03}"]) if number % 100 == 0 else None
    line.ran("train", [], ["predictions"])
    with pytest.raises(UnknownName, match=r"no output 'predictons' is recorded. Did you mean 'predictions'\?"):
        line.flag("predictons")
    with pytest.raises(UnknownName, match="Did you mean 'scores_200'"):
        line.flag("scores_20")
