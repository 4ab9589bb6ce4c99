"""Of whom data is, said where it is read and written; and what a run hears that reads what was retracted."""

from __future__ import annotations

import logging
import time

import pytest

import watchglass as wg
from watchglass.capture import drops
from watchglass.errors import BadInput, Blocked
from watchglass.reading import create_store


@pytest.fixture(autouse=True)
def _never_warned():
    drops._warned.clear()


@pytest.fixture
def store(logs):
    with create_store(logs.root) as opened:
        yield opened


def said(logs):
    return [(event["name"], event["tag"], event["run"]) for event in logs.graph("subject_tag")]


def ended(logs, component):
    return [event for event in logs.graph("run") if event["component"] == component and event.get("ended")][-1]


def tagged(store, *, grace):
    """Write rows of a client, and retract the client."""
    with wg.run("ingest") as run:
        run.write({"a": 1}, "rows", subjects="client-17")
    store.retract("client-17", grace=grace)


def test_a_run_says_of_whom_what_it_reads_and_writes_is(logs):
    with wg.run("load") as run:
        version = run.read({"a": 1}, "rows", subjects=["client-17", "client-9"])
        run.write({"n": 2}, "totals", subjects=[])
        run.write("bare")
    assert said(logs) == [("rows", "client-17", run.id), ("rows", "client-9", run.id), ("totals", "", run.id)]
    assert logs.graph("subject_tag")[0]["version"] == version


def test_a_component_and_a_run_that_is_over_say_it_by_name(logs):
    @wg.component("clean", inputs=["rows"], outputs=["good", "totals"], subjects={"rows": "client-17", "totals": []})
    def clean(rows):
        return rows, len(rows)

    clean([1])
    wg.log_run("old", started=1, ended=2, inputs=["raw"], outputs=["x"], subjects={"raw": ["client-9"]})
    assert [(name, tag) for name, tag, _ in said(logs)] == [
        ("rows", "client-17"),
        ("totals", ""),
        ("raw", "client-9"),
    ]


@pytest.mark.parametrize("given", ["", " ", [""], [7], 7, ["x" * 501], ["a\0b"]])
def test_a_tag_that_is_none_is_refused_where_it_is_said(logs, given):
    with wg.run("load") as run, pytest.raises(BadInput, match="subjects cannot"):
        run.read("rows", subjects=given)
    with pytest.raises(BadInput, match="subjects of 'rows'"):
        wg.component("load", subjects={"rows": given})
    assert said(logs) == []


def test_other_words_are_refused(logs):
    with pytest.raises(BadInput, match="'on_retracted' cannot be 'stop'.*: 'warn' or 'block' would do"):
        wg.run("load", on_retracted="stop")
    with pytest.raises(BadInput, match="'on_retracted' cannot be 1"):
        wg.component("load", on_retracted=1)
    with pytest.raises(BadInput, match="the tags by an artifact's name"):
        wg.component("load", subjects=["rows"])


def test_in_the_time_of_grace_who_reads_it_is_warned_and_goes_on(logs, store, caplog, lost):
    tagged(store, grace="7d")
    with caplog.at_level(logging.WARNING, "watchglass"), wg.run("train", on_retracted="block") as run:
        run.read({"a": 1}, "rows")
        run.write({"w": 1}, "model")
    assert "run 'train' reads 'rows', which carries a subject's tag that was retracted" in caplog.text
    event = ended(logs, "train")
    assert [(one["name"], one["level"], one["ok"]) for one in event["tests"]] == [("retraction of rows", "warn", False)]
    assert event["status"] == "ok"
    assert lost() == {}


def test_after_the_grace_a_run_that_wants_so_is_stopped_and_kept_with_what_it_read(logs, store):
    tagged(store, grace="0s")
    with pytest.raises(Blocked, match="the time of grace is over"), wg.run("train", on_retracted="block") as run:
        run.read({"a": 1}, "rows")
    event = ended(logs, "train")
    assert (event["status"], event["reads"][0]["name"]) == ("error", "rows")
    assert [(one["name"], one["level"]) for one in event["tests"]] == [("retraction of rows", "block")]


def test_after_the_grace_a_run_that_does_not_is_warned_only(logs, store):
    tagged(store, grace="0s")
    with wg.run("train") as run:
        run.read({"a": 1}, "rows")
    assert (ended(logs, "train")["status"], ended(logs, "train")["tests"][0]["level"]) == ("ok", "warn")


def test_without_an_end_of_grace_nobody_is_ever_stopped(logs, store):
    tagged(store, grace=None)
    with wg.run("train", on_retracted="block") as run:
        run.read({"a": 1}, "rows")
    assert ended(logs, "train")["tests"][0]["level"] == "warn"


def test_defect_a_retracted_label_raises_after_the_function_ran_and_the_run_is_lost(logs, store, lost):
    """mltrace computes first, then raises before it logs the run: here nothing is computed, and the run is kept."""
    tagged(store, grace="0s")
    worked = []

    @wg.component("train", inputs=["rows"], outputs=["model"], on_retracted="block")
    def train(rows):
        worked.append(rows)
        return {"w": 1}

    with pytest.raises(Blocked, match="component|run 'train' reads 'rows'"):
        train({"a": 1})
    assert worked == []
    event = ended(logs, "train")
    assert (event["status"], event["error"].split(":")[0], [one["name"] for one in event["reads"]]) == ("error", "Blocked", ["rows"])  # fmt: skip
    assert event["writes"] == []
    assert store.uses("client-17").uses[0].blocked
    assert lost() == {}, "who wanted to be stopped is no loss"


def test_a_local_variable_that_carries_it_stops_the_result_and_what_was_written_is_kept(logs, store):
    tagged(store, grace="0s")

    @wg.component("train", input_vars=["rows"], outputs=["model"], on_retracted="block")
    def train():
        rows = {"a": 1}
        return {"w": len(rows)}

    with pytest.raises(Blocked):
        train()
    event = ended(logs, "train")
    assert ([one["name"] for one in event["reads"]], [one["name"] for one in event["writes"]]) == (["rows"], ["model"])


AUTO = """
import watchglass as wg
from watchglass.capture.runs import current_run
from watchglass.errors import Blocked
wg.auto()
import pandas as pd
try:
    print(len(pd.read_csv("rows.csv")), "read")
except Blocked:
    print("blocked", current_run())
"""


@pytest.mark.parametrize("way", ["a block", "a component", "by itself"])
def test_what_follows_is_set_for_a_process_and_each_way_to_record_heeds_it(logs, store, python, way, monkeypatch):
    monkeypatch.chdir(logs.root.parent)
    (logs.root.parent / "rows.csv").write_text("a\n1\n")
    with wg.run("ingest") as run:
        run.write("rows.csv", subjects="client-17")
    store.retract("client-17", grace="0s")
    script = {
        "a block": "with wg.run('train') as run:\n    run.read('rows.csv')",
        "a component": "wg.component('train', inputs=['rows.csv'])(lambda: 1)()",
        "by itself": AUTO,
    }[way]
    for told, stopped in (({}, False), ({"WATCHGLASS_ON_RETRACTED": "block"}, True)):
        env = {"WATCHGLASS_STORE": str(logs.root), **told}
        done = python(f"import watchglass as wg\n{script}", check=way == "by itself" or not stopped, **env)
        event = [one for one in logs.graph("run") if one.get("ended")][-1]
        assert (event["status"], event["tests"][0]["level"]) == (("error", "block") if stopped else ("ok", "warn"))
        assert ("Blocked" in done.stderr) == (stopped and way != "by itself")
        assert done.stdout.strip() == ("" if way != "by itself" else "blocked None" if stopped else "1 read")


def test_a_run_told_in_one_call_is_warned_kept_and_marks_what_it_wrote(logs, store, caplog):
    tagged(store, grace="1d")
    begun = time.time()
    with caplog.at_level(logging.WARNING, "watchglass"):
        wg.log_run("clean", started=begun, ended=begun, inputs=[("rows", {"a": 1})], outputs=[("good", {"b": 1}), "sums"], subjects={"sums": []}, on_retracted="block")  # fmt: skip
    assert "run 'clean' reads 'rows', which carries a subject's tag that was retracted" in caplog.text
    event = ended(logs, "clean")
    assert [(one["name"], one["level"], one["ok"]) for one in event["tests"]] == [("retraction of rows", "warn", False)]
    with wg.run("train") as run:
        run.read({"b": 1}, "good")
        run.read("sums")
    assert [one["name"] for one in ended(logs, "train")["tests"]] == ["retraction of good"]


def test_a_run_told_in_one_call_stops_its_caller_once_it_is_recorded(logs, store, monkeypatch):
    tagged(store, grace="0s")
    before, begun = time.time() - 100, time.time()
    wg.log_run("old", started=before, ended=before + 1, inputs=["rows"], on_retracted="block")
    assert ended(logs, "old")["tests"][0]["level"] == "warn", "it read before the grace was over"
    monkeypatch.setenv("WATCHGLASS_ON_RETRACTED", "block")
    with pytest.raises(Blocked, match="run 'late' reads 'rows'"):
        wg.log_run("late", started=begun, ended=begun, inputs=["other", "rows"], outputs=["model"])
    event = ended(logs, "late")
    assert (event["status"], [one["level"] for one in event["tests"]]) == ("ok", ["block"])
    assert [one["name"] for one in event["writes"]] == ["model"]
    assert [(use.component, use.blocked) for use in store.uses("client-17").uses] == [("late", True)]
    wg.log_run("loud", started=begun, ended=begun, inputs=["rows"], on_retracted="warn")
    with pytest.raises(Blocked), wg.run("train") as run:
        run.read("model")


def test_a_run_told_in_one_call_is_warned_of_quarantine(logs, caplog):
    @wg.component("clean", outputs=["rows"], after=[wg.check(lambda result: False, "quarantine", "never")])
    def clean():
        return [1, 2]

    clean()
    with caplog.at_level(logging.WARNING, "watchglass"):
        wg.log_run("train", started=1, ended=2, inputs=[("rows", [1, 2]), ("rows", [3])])
    assert "run 'train' reads what it should not: artifact 'rows' is in quarantine" in caplog.text
    assert [(one["name"], one["ok"]) for one in ended(logs, "train")["tests"]] == [("quarantine of rows", False)]


def test_what_a_run_says_itself_goes_before_what_is_set_and_a_word_that_is_none_is_told(logs, store, monkeypatch):
    tagged(store, grace="0s")
    monkeypatch.setenv("WATCHGLASS_ON_RETRACTED", "block")
    with wg.run("train", on_retracted="warn") as run:
        run.read("rows")
    with pytest.raises(Blocked), wg.run("train") as run:
        run.read("rows")
    monkeypatch.setenv("WATCHGLASS_ON_RETRACTED", "stop")
    with pytest.raises(BadInput, match="the environment variable WATCHGLASS_ON_RETRACTED"), wg.run("train") as run:
        run.read("rows")


def test_what_a_run_makes_of_it_afterwards_carries_it_at_once_in_other_processes_too(logs, store, python):
    tagged(store, grace="0s")
    with wg.run("clean") as run:
        run.read({"a": 1}, "rows")
        run.write({"b": 2}, "clean rows")
        run.write({"n": 2}, "totals", subjects=[])
    script = """
import watchglass as wg
from watchglass.errors import Blocked
for name in ("clean rows", ("clean rows", {"b": 2}), "totals", ("totals", {"n": 2}), "else"):
    try:
        with wg.run("train", on_retracted="block") as run:
            run.read(name)
        print("read", end=" ")
    except Blocked:
        print("blocked", end=" ")
"""
    done = python(script, WATCHGLASS_STORE=str(logs.root))
    assert done.stdout.split() == ["blocked", "blocked", "read", "read", "read"]


def test_a_newer_version_of_others_takes_the_warning_off_the_name_and_not_off_the_old_version(logs, store):
    tagged(store, grace="0s")
    with wg.run("ingest") as run:
        run.write({"a": 2}, "rows")
    with wg.run("train", on_retracted="block") as run:
        run.read("rows")
    with pytest.raises(Blocked), wg.run("train", on_retracted="block") as run:
        run.read({"a": 1}, "rows")


def test_what_is_said_to_be_of_a_retracted_subject_afterwards_is_caught_as_it_is_read(logs, store):
    store.retract("client-9", grace="0s")
    with pytest.raises(Blocked), wg.run("load", on_retracted="block") as run:
        run.read("new rows", subjects="client-9")
    with wg.run("load") as run:
        run.write({"x": 1}, "newer rows", subjects="client-9")
    with pytest.raises(Blocked), wg.run("train", on_retracted="block") as run:
        run.read({"x": 1}, "newer rows")


def test_marks_that_cannot_be_read_cost_a_count_and_no_work(logs, store, lost):
    tagged(store, grace="0s")
    home = logs.root / "retracted"
    for path in home.iterdir():
        path.unlink()
        path.mkdir()
    with wg.run("train", on_retracted="block") as run:
        run.read({"a": 1}, "rows")
    assert set(lost()) == {"retracted"}
    for path in home.iterdir():
        path.rmdir()


def test_nothing_is_imported_for_it_by_a_run_that_neither_reads_nor_writes(python):
    done = python("import watchglass as wg, sys\nwith wg.run('idle'): pass\nprint('watchglass.capture.subjects' in sys.modules)")  # fmt: skip
    assert done.stdout.strip() == "False"
