from __future__ import annotations

import asyncio
import contextvars
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import watchglass as wg
from watchglass.capture import drops
from watchglass.capture.runs import current_run
from watchglass.errors import BadInput


def test_a_run_is_told_when_it_begins_and_whole_when_it_ends(logs):
    with wg.run("train", params={"lr": 0.1}, version="7") as run:
        (begun,) = logs.graph("run")
        assert begun["status"] == "running"
        assert "ended" not in begun
        run.read({"scale": 2}, "settings")
        run.write(np.arange(6.0).reshape(3, 2), name="matrix")
        run.param("seed", np.int64(3))
        run.metric("auc", 0.8, step=1)
        run.metric("auc", np.float32(0.5), step=2)
        run.note("by hand")
    _, ended = logs.graph("run")
    assert ended["id"] == begun["id"] == run.id
    assert (ended["component"], ended["version"], ended["status"]) == ("train", "7", "ok")
    assert ended["params"] == {"lr": 0.1, "seed": 3}
    assert ended["metrics"] == {"auc": 0.5}
    assert ended["notes"] == ["by hand"]
    assert ended["started"] == begun["started"] <= ended["ended"]
    (read,), (write,) = logs.graph("read"), logs.graph("write")
    assert {"kind": "read", "run": run.id, **ended["reads"][0]} == read
    assert {"kind": "write", "run": run.id, **ended["writes"][0]} == write
    assert read["artifact"] == {"kind": "json", "preview": '{"scale":2}'}
    assert write["artifact"] == {"kind": "array", "rows": 3, "bytes": 48}
    assert len(read["version"]) == 32
    assert read["rule"] == "content"


def test_runs_nest_and_predictions_belong_to_the_innermost(logs):
    with wg.run("outer") as outer, wg.run("inner") as inner:
        wg.log_prediction("m", prediction=1)
    wg.log_prediction("m", prediction=2)
    by_id = {event["id"]: event for event in logs.graph("run")}
    assert by_id[inner.id]["parent"] == outer.id
    assert "parent" not in by_id[outer.id]
    assert by_id[inner.id]["trace"] == by_id[outer.id]["trace"] == outer.trace
    inside, outside = logs.rows("prediction")
    assert (inside["run"], inside["trace"]) == (inner.id, outer.trace)
    assert "run" not in outside
    assert "trace" not in outside


def test_an_error_is_recorded_and_still_raised(logs):
    boom = KeyError("ink")
    with pytest.raises(KeyError) as caught, wg.run("train"):
        raise boom
    assert caught.value is boom
    assert logs.graph("run")[-1]["status"] == "error"
    assert logs.graph("run")[-1]["error"] == "KeyError: 'ink'"
    assert current_run() is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SystemExit(0), "ok"),
        (SystemExit(), "ok"),
        (SystemExit(2), "error"),
        (KeyboardInterrupt(), "error"),
        (asyncio.CancelledError(), "error"),
    ],
    ids=repr,
)
def test_leaving_otherwise_is_told_apart(logs, error, status):
    with pytest.raises(type(error)), wg.run("train"):
        raise error
    assert logs.graph("run")[-1]["status"] == status


def test_tasks_and_threads_have_runs_of_their_own(logs):
    async def step(name):
        async with wg.run(name) as run:
            await asyncio.sleep(0.01)
            assert current_run() is run
            wg.log_prediction("m", prediction=name)

    async def both():
        async with wg.run("parent"):
            await asyncio.gather(step("a"), step("b"))

    asyncio.run(both())
    runs = {event["component"]: event for event in logs.graph("run")}
    assert runs["a"]["parent"] == runs["b"]["parent"] == runs["parent"]["id"]
    assert {row["prediction"]: row["run"] for row in logs.rows()} == {"a": runs["a"]["id"], "b": runs["b"]["id"]}

    seen = []
    with wg.run("main") as main:
        bare = threading.Thread(target=lambda: seen.append(current_run()))
        copied = threading.Thread(target=contextvars.copy_context().run, args=(lambda: seen.append(current_run()),))
        for thread in (bare, copied):
            thread.start()
            thread.join()
    assert seen == [None, main]


def test_a_run_that_has_ended_still_records_what_it_reads_and_warns(logs, caplog):
    drops._warned.pop("ended run", None)  # another test may have been warned this minute
    with wg.run("train") as run:
        pass
    run.read({"late": 1}, "settings")
    assert logs.graph("read")[0]["run"] == run.id
    run.note("later")
    assert [entry.message for entry in caplog.records if "has ended" in entry.message] == [caplog.records[0].message], (
        "one warning for two"
    )


def test_a_run_that_has_not_begun_or_begins_twice_is_wrong_use(logs):
    run = wg.run("train")
    with pytest.raises(BadInput, match="has not begun"):
        run.note("early")
    with run:
        pass
    with pytest.raises(BadInput, match="entered before"), run:
        pass


@pytest.mark.parametrize("name", ["", None, 1j, b"x"])
def test_a_name_is_a_text(name):
    with pytest.raises(BadInput, match="name"):
        wg.run(name)


def test_log_run_tells_of_a_run_that_is_over(logs, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    made = wg.log_run(
        "load",
        started=datetime(2026, 3, 1),
        ended="2026-03-01T00:00:01.5",
        inputs=[str(rows), rows, "warehouse.rows", ("settings", {"scale": 1.5}), ("note", "a text")],
        outputs=[("rows", [1, 2])],
        params={"day": datetime(2026, 3, 1, tzinfo=UTC).date()},
        version="2",
    )
    (event,) = logs.graph("run")
    assert event["id"] == made
    assert event["ended"] - event["started"] == 1_500_000
    assert event["params"] == {"day": "2026-03-01"}
    by_text, by_path, declared, settings, note = event["reads"]
    assert by_text == by_path
    assert by_text["artifact"] == {"kind": "file", "path": str(rows), "bytes": 8}
    assert declared == {
        "name": "warehouse.rows",
        "version": None,
        "rule": "declared",
        "time": event["started"],
        "artifact": {"kind": "name"},
    }
    assert settings["artifact"] == {"kind": "json", "preview": '{"scale":1.5}'}
    assert note["artifact"]["kind"] == "text"
    assert event["writes"][0]["time"] == event["ended"]


def test_log_run_belongs_to_the_run_around_or_to_the_one_named(logs):
    with wg.run("pipeline") as around:
        wg.log_run("step", started=0, ended=1)
        wg.log_run("foreign", started=0, ended=1, parent="their-id", status="error", error="Timeout: late")
    events = {event["component"]: event for event in logs.graph("run")}
    assert (events["step"]["parent"], events["step"]["trace"]) == (around.id, around.trace)
    assert events["foreign"]["parent"] == "their-id"
    assert events["foreign"]["error"] == "Timeout: late"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ended": "2025-12-31"}, "cannot end .* before it starts"),
        ({"status": "fine"}, "known: running, ok, error, crashed"),
        ({"started": "soon"}, "started cannot be 'soon'"),
        ({"inputs": "rows.csv"}, "a list would do"),
        ({"inputs": [{"a": 1}]}, "has no name"),
        ({"outputs": [("", 1)]}, "name"),
        ({"outputs": [""]}, "no name"),
        ({"version": ""}, "version"),
    ],
    ids=str,
)
def test_log_run_tells_wrong_use(logs, change, says):
    with pytest.raises(BadInput, match=says):
        wg.log_run("load", **{"started": "2026-01-01", "ended": "2026-01-02", **change})
    assert logs.graph("run") == []


def test_what_a_text_means(logs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("1\n")
    Path("folder").mkdir()
    Path("folder/part").write_text("1\n")
    with wg.run("read") as run:
        file = run.read("rows.csv")
        assert run.read("rows.csv", name="rows") == file
        assert run.read(Path("rows.csv"), "other name") == file
        assert run.read("folder") is None
        assert run.read(Path("folder")) not in (None, file)
        assert run.read("rows") is None
        assert run.read(Path("gone.csv")) is None
        text = run.read("no such path", name="note")
        assert text is not None
        assert run.read(("note", "no such path")) == text
        with pytest.raises(BadInput, match="has no name"):
            run.read([1, 2])
        with pytest.raises(BadInput, match="name cannot be"):
            run.read([1, 2], name="")
    names = [(edge["name"], edge["artifact"]["kind"]) for edge in logs.graph("run")[-1]["reads"]]
    assert names[:5] == [
        ("rows.csv", "file"),
        ("rows", "file"),
        ("other name", "file"),
        ("folder", "name"),
        ("folder", "file"),
    ]


def test_a_value_whose_state_cannot_be_read_has_no_version_and_hurts_nobody(logs, lost):
    with wg.run("train") as run:
        assert run.read(threading.Lock(), "lock") is None
        assert run.read((n for n in range(3)), "generator") is None
    assert lost() == {"fingerprint": 2}
    assert [edge["rule"] for edge in logs.graph("run")[-1]["reads"]] == ["declared", "declared"]
    assert timedelta(0) <= timedelta(microseconds=logs.graph("run")[-1]["ended"] - logs.graph("run")[0]["started"])
