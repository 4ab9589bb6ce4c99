"""A subject's tag that is taken back: what is marked for readers, who used it since, what the audit says; and mltrace's, taken over."""

from __future__ import annotations

import os
import time

import pytest
import sqlalchemy as sa

import watchglass as wg
from tests.store.bench import BEGIN
from tests.store.lineage.told import at, run
from tests.store.subjects.test_following import LINE, said
from watchglass.capture.subjects import Mark, found
from watchglass.errors import BadInput, StoreError, UnknownName
from watchglass.reading import Store
from watchglass.store import catalog as c
from watchglass.store.subjects.marks import refresh, refresh_if_new


@pytest.fixture
def store(bench):
    with Store(bench.folder.root) as opened:
        yield opened


def mark(bench, name, version=None):
    return found(str(bench.folder.root), name, version)


def retraction(tag, seconds, block_after=None):
    return {"kind": "retraction", "tag": tag, "time": at(seconds), "block_after": block_after}


def test_all_that_carries_it_is_marked_and_what_is_of_nobody_is_not(bench, store):
    bench.write("graph", LINE)
    one = store.retract("client-17", "ana", grace="7d")
    assert (one.versions, one.uses, one.who, (one.block_after - one.time).days) == (4, 0, "ana", 7)
    end = round(one.block_after.timestamp() * 1e6)
    for name, version in (("rows", "1"), ("clean rows", "1"), ("counts", None), ("model", "1"), ("rows", None)):
        assert mark(bench, name, version) == Mark(end), name
    for name, version in (("log", "1"), ("sums", None), ("rows", "2")):
        assert mark(bench, name, version) is None
    store.tag("clean rows", [])
    assert mark(bench, "clean rows", "1") is mark(bench, "model", "1") is None


def test_a_run_that_comes_late_and_a_tag_that_comes_late_are_marked_by_the_next_upkeep_or_question(bench, store):
    bench.write("graph", LINE[:2])
    store.retract("client-17")
    bench.write("graph", LINE[2:])
    assert mark(bench, "model", "1") is None
    store.retracted()
    assert mark(bench, "model", "1") is not None
    bench.write("graph", [said("log", "client-17", "1")])
    store.compact()
    assert mark(bench, "sums") is not None


def test_the_name_is_marked_as_long_as_its_newest_version_carries_it_or_it_was_said_of_the_name(bench, store):
    bench.write("graph", LINE)
    store.retract("client-17", grace=None)
    assert (mark(bench, "rows"), mark(bench, "counts")) == (Mark(0), Mark(0))
    bench.write("graph", [run("ingest", 9, writes=[("rows", "2")]), run("count", 9, writes=["counts"])])
    store.retracted()
    assert (mark(bench, "rows"), mark(bench, "counts")) == (None, None)
    assert mark(bench, "rows", "1") == Mark(0)
    bench.write("graph", [said("rows", "client-17")])
    store.retracted()
    assert mark(bench, "rows") == Mark(0, said=True)


def test_of_several_retractions_the_first_end_of_grace_counts(bench, store):
    bench.write("graph", [*LINE, said("rows", "bo", "1"), said("rows", "cy", "1")])
    store.retract("bo", grace=None)
    late = store.retract("cy", grace="9d")
    early = store.retract("client-17", grace="2d")
    assert mark(bench, "model", "1").block_after == round(early.block_after.timestamp() * 1e6)
    assert early.block_after < late.block_after


def test_of_those_whose_grace_is_over_all_stop_and_cost_one_walk(bench, store):
    bench.write("graph", [said(f"rows {n}", f"t{n}") for n in range(30)])
    bench.write("graph", [retraction(f"t{n}", 1, at(2 + n)) for n in range(30)])
    walks = []

    def count(_connection, _cursor, statement, *_rest):
        walks.append("RECURSIVE" in statement)

    sa.event.listen(bench.engine, "before_cursor_execute", count)
    refresh(bench.folder, bench.engine)
    sa.event.remove(bench.engine, "before_cursor_execute", count)
    assert sum(walks) == 1
    assert {mark(bench, f"rows {n}").block_after for n in range(30)} == {at(2)}


def test_retracted_again_it_keeps_its_time_and_takes_the_new_end_of_grace(bench, store):
    bench.write("graph", LINE)
    first = store.retract("client-17", "ana", grace="7d")
    second = store.retract("client-17", "bo", grace="1d")
    assert (second.time, second.who) == (first.time, "bo")
    assert second.block_after < first.block_after
    assert len(store.retracted().retractions) == 1


def test_each_use_after_it_is_listed_and_none_before(bench, store):
    bench.write(
        "graph",
        [
            *LINE,
            retraction("client-17", 10, at(20)),
            run("again", 11, reads=[("model", "1")], writes=["report"]),
            run("named", 25, reads=["report"]),
            run("other again", 26, reads=[("log", "1")]),
            run("by name", 26.5, reads=["rows"]),
            run("stopped", 27, reads=[("rows", "1")], status="error", tests=[{"name": "retraction of rows", "level": "block", "ok": False}]),
        ],
    )  # fmt: skip
    page = store.uses("client-17")
    assert [(one.run, one.name, one.overdue, one.blocked) for one in page.uses] == [
        ("stopped", "rows", True, True),
        ("by name", "rows", True, False),
        ("named", "report", True, False),
        ("again", "model", False, False),
    ]
    assert page.next is None
    assert store.retracted().retractions[0].uses == 4
    assert store.uses() == page


def test_a_long_run_that_reads_it_again_after_it_is_a_use(bench, store):
    begun = run("serve", 1, reads=[("rows", "1")], seconds=100)
    bench.write("graph", [*LINE, begun, retraction("client-17", 10)])
    assert store.uses("client-17").uses == ()
    bench.write("graph", [{"kind": "read", "run": "serve", "name": "clean rows", "version": "1", "time": at(50)}])
    assert [(one.run, one.name) for one in store.uses("client-17").uses] == [("serve", "clean rows")]


def test_uses_and_retractions_are_paged_newest_first(bench, store):
    bench.write("graph", [said("rows", f"t{n}") for n in range(5)])
    bench.write("graph", [retraction(f"t{n}", 1 + n) for n in range(5)])
    bench.write("graph", [run(f"r{n}", 10 + n, reads=["rows"]) for n in range(4)])
    tags, used, after = [], [], None
    while after is not None or not tags:
        page = store.retracted(limit=2, after=after)
        tags += [one.tag for one in page.retractions]
        after = page.next
    assert tags == ["t4", "t3", "t2", "t1", "t0"]
    while after is not None or not used:
        uses = store.uses(limit=3, after=after)
        used += [(one.run, one.tag) for one in uses.uses]
        after = uses.next
    assert used == [(f"r{n}", f"t{t}") for n in (3, 2, 1, 0) for t in (4, 3, 2, 1, 0)]
    for asked in (store.retracted, store.uses):
        with pytest.raises(BadInput, match="the `next` of the page before"):
            asked(after="x")


def test_the_audit_names_who_used_it_since_and_keeps_no_tag_itself(bench, store):
    bench.write("graph", LINE)
    store.retract("client-17", "the officer", grace="7d")
    (one,) = store.audits("retraction").audits
    assert (one.who, one.record["tag"], one.record["used"], one.record["versions"]) == ("the officer", "client-17", 0, 4)  # fmt: skip
    later = one.time.timestamp() - BEGIN / 1e6 + 60
    bench.write("graph", [run("again", later, reads=[("model", "1")])])
    (one,) = store.audits("retraction").audits
    assert [(use["run"], use["name"], use["blocked"]) for use in one.record["uses"]] == [("again", "model", False)]
    bench.ask("SELECT 1")
    with bench.engine.connect() as connection:
        assert "client-17" not in connection.execute(sa.select(c.audit.c.record)).scalar_one()
    assert store.audits("forget").audits == ()


def test_a_tag_that_nothing_carries_may_be_retracted_and_what_is_none_is_refused(bench, store):
    bench.write("graph", LINE)
    assert store.retract("nobody yet").versions == 0
    for wrong in ("", 7, None, ["client-17"]):
        with pytest.raises(BadInput):
            store.retract(wrong)
    with pytest.raises(BadInput, match="grace cannot be 'soon'"):
        store.retract("client-17", grace="soon")
    with pytest.raises(BadInput, match="who cannot be 7"):
        store.retract("client-17", 7)
    with pytest.raises(UnknownName, match="retracted tag 'client-17'.*Did you mean|Known: nobody yet"):
        store.uses("client-17")
    assert [one.tag for one in store.retracted().retractions] == ["nobody yet"]


def test_marks_are_only_worked_out_anew_where_something_changed(bench, store):
    bench.write("graph", LINE)
    refresh_if_new(bench.folder, bench.engine)
    assert not (bench.folder.root / "retracted").exists(), "a store without retractions has no marks"
    store.retract("client-17")
    marks = {path: path.stat().st_mtime_ns for path in (bench.folder.root / "retracted").iterdir()}
    for path in marks:
        path.unlink()
    refresh_if_new(bench.folder, bench.engine)
    assert not any(path.exists() for path in marks), "nothing was recorded since"
    refresh(bench.folder, bench.engine)
    assert all(path.exists() for path in marks)


def test_a_restored_store_has_its_marks(bench, store, tmp_path):
    bench.write("graph", LINE)
    store.retract("client-17")
    store.backup(tmp_path / "backups")
    wg.restore(tmp_path / "backups", tmp_path / "again")
    assert found(str(tmp_path / "again"), "model", "1") is not None


def test_the_draft_of_a_mark_that_another_writes_is_left_and_that_of_a_dead_one_is_not(bench, store):
    bench.write("graph", LINE)
    store.retract("client-17")
    home = bench.folder.root / "retracted"
    for name, age in ((".fresh.1.2", 0), (".old.1.2", 7200)):
        (home / name).write_text("0\n")
        os.utime(home / name, (time.time() - age,) * 2)
    refresh(bench.folder, bench.engine)
    assert {path.name for path in home.glob(".*")} == {".fresh.1.2"}


def test_marks_that_cannot_be_written_are_told(bench, store):
    bench.write("graph", LINE)
    (bench.folder.root / "retracted").write_text("a file")
    with pytest.raises(StoreError, match="marks of what was retracted cannot be written"):
        store.retract("client-17")
    assert [one.tag for one in store.subjects().subjects] == ["client-17"], "it is retracted all the same"
    assert store.subjects().subjects[0].retracted is not None


def test_labels_taken_over_from_mltrace_are_followed_as_its_runs_unite_them(bench, store):
    """Written as store/foreign/mltrace.py gives them: names alone, tags of no time, retractions without a grace."""
    bench.write(
        "graph",
        [
            run("mltrace-1", 0, reads=["raw.csv"], writes=["clean.csv"]),
            run("mltrace-2", 86_400, reads=["clean.csv"], writes=["model.joblib"]),
            {"kind": "subject_tag", "name": "raw.csv", "version": "", "tag": "client-17", "time": 0},
            {"kind": "retraction", "tag": "client-17", "time": at(43_200)},
        ],
    )
    found_all = store.subject("client-17", predictions=False)
    assert [(one.depth, one.name) for one in found_all.artifacts] == [(0, "raw.csv"), (1, "clean.csv"), (2, "model.joblib")]  # fmt: skip
    assert (found_all.block_after, found_all.retracted is None) == (None, False)
    assert [(one.run, one.name) for one in store.uses("client-17").uses] == [("mltrace-2", "clean.csv")]
