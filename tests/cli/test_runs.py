"""Runs, staleness, flags, reviews, differences and the state at a time, from a shell: tables, JSON, pages, errors, exit codes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tests.store.bench import BEGIN, DAY, prediction
from tests.store.runs.graph import Pipeline
from watchglass.cli.main import commands
from watchglass.errors import BadInput, UnknownName


@pytest.fixture
def folder(tmp_path):
    line = Pipeline(tmp_path / "store")
    line.write(
        "graph",
        [
            {"kind": "component", "name": "train", "description": "fits [a] model", "owner": "ana", "tags": ["ml"], "time": BEGIN},
            {"kind": "model", "name": "fraud", "version": "1", "artifact": {"name": "model", "version": "m1"}, "time": BEGIN},
            {"kind": "deployment", "model": "fraud", "version": "1", "time": BEGIN + DAY},
        ],
    )  # fmt: skip
    line.ran("ingest", ["raw.csv"], [("rows", "v1")])
    line.ran(
        "train",
        [("rows", "v1")],
        [("model", "m1")],
        params={"lr": 0.1},
        metrics={"auc": 0.9},
        tests=[{"name": "enough", "level": "warn", "ok": False, "message": "few rows"}],
        left_out=["the profile of rows"],
        environment="e",
    )
    line.ran(
        "train", [("rows", "v1")], [("model", "m2")], params={"lr": 0.2}, status="error", error="ValueError: [odd]"
    )
    line.ran("ingest", ["raw.csv"], [("rows", "v2")])
    line.write("rows", [prediction(1, model="fraud")])
    line.close()
    return tmp_path / "store"


def run(folder, *words):
    return CliRunner().invoke(commands, [*map(str, words), "--store", str(folder)], env={"COLUMNS": "200"})


def said(folder, *words, code=0):
    done = run(folder, *words)
    assert done.exit_code == code, done.output
    return done.stdout


def told(folder, *words, code=0):
    return json.loads(said(folder, *words, "--json", code=code))


def test_runs_are_listed_as_a_table_and_as_json_page_by_page(folder):
    text = said(folder, "runs")
    assert text.index("ingest-4") < text.index("train-3") < text.index("ingest-1")
    assert "ValueError: [odd]" in text
    page = told(folder, "runs", "train", "--limit", 1)
    assert ([one["id"] for one in page["runs"]], page["runs"][0]["seconds"]) == (["train-3"], 60.0)
    assert [one["id"] for one in told(folder, "runs", "train", "--after", page["next"])["runs"]] == ["train-2"]
    assert [one["id"] for one in told(folder, "runs", "--status", "error")["runs"]] == ["train-3"]
    assert [one["id"] for one in told(folder, "runs", "--owner", "ana", "--tag", "ml")["runs"]] == [
        "train-3",
        "train-2",
    ]
    assert "there are more: --after" in said(folder, "runs", "--limit", 1)


def test_defect_a_limit_above_five_is_heeded(folder):
    """mltrace's `recent --limit 20` shows five at most."""
    line = Pipeline(folder)
    for number in range(10):
        line.ran("more", at=(10 + number) * DAY)
    line.close()
    assert len(told(folder, "runs", "--limit", 20)["runs"]) == 14


def test_a_run_is_shown_as_a_tree(folder):
    text = said(folder, "show", "train-2")
    assert text.startswith("train: ok, 2026-06-01 02:00Z, 60.0 s")
    for line in (
        "description: fits [a] model",
        "rows v1 (by content) from run ingest-1",
        "model m1 (by content)",
        "lr: 0.1",
        "auc: 0.9",
        "warn enough: few rows",
        "the profile of rows",
        "fraud 1",
    ):
        assert line in text
    assert told(folder, "show", "train-2")["params"] == {"lr": 0.1}
    assert "error: ValueError: [odd]" in said(folder, "show", "train-3")


def test_what_is_no_run_is_shown_as_an_artifact(folder):
    assert "v2" in said(folder, "show", "rows")


def test_the_way_of_a_prediction_is_a_tree(folder):
    text = said(folder, "origin", "p1")
    assert text.startswith("prediction p1 by fraud 1 (live)")
    assert "artifact: model m1" in text
    assert "train: ok" in text
    assert "rows v1 (by content) from run ingest-1" in text
    (found,) = told(folder, "origin", "p1", "--model", "fraud")
    assert (found["training"]["id"], found["run"]) == ("train-2", None)


def test_a_history_tells_how_many_inputs_were_stale(folder):
    assert "stale inputs" in said(folder, "history", "train")
    page = told(folder, "history", "train", "--limit", 1)
    assert ([one["id"] for one in page["runs"]], page["component"]) == (["train-3"], "train")
    assert [one["id"] for one in told(folder, "history", "train", "--after", page["next"])["runs"]] == ["train-2"]


def test_components_and_durations_are_tables(folder):
    text = said(folder, "components")
    assert "fits [a] model" in text
    assert [one["name"] for one in told(folder, "components", "--tag", "ml")["components"]] == ["train"]
    assert [one["name"] for one in told(folder, "components", "--status", "ok")["components"]] == ["ingest"]
    assert "median" in said(folder, "durations")
    assert {one["component"]: one["p50"] for one in told(folder, "durations")["components"]} == {
        "train": 60.0,
        "ingest": 60.0,
    }


def test_stale_says_why_and_may_fail(folder):
    text = said(folder, "stale", "model", "--age", "never")
    assert text.startswith("train (run train-3, 2026-06-01 03:00Z): stale\n")
    assert "  rows, now: rows has a newer version, the newest by run ingest-4\n" in text
    found = told(folder, "stale", "train-2", "--fail-on", "now", code=1)
    assert (found["stale_then"], found["stale_now"]) == (False, True)
    assert told(folder, "stale", "train-2", "--fail-on", "then", code=0)["run"] == "train-2"
    page = told(folder, "stale", "--age", "never")
    assert [(one["component"], one["stale_now"]) for one in page["runs"]] == [("ingest", False), ("train", True)]
    text = said(folder, "stale", "train-2", "--age", "never", "--component-rule")
    assert "ingest (run ingest-1) has 1 fresher run that began before" in text


def test_outputs_are_flagged_reviewed_and_taken_back(folder):
    assert "nothing is flagged" in said(folder, "review")
    assert "train-2" in said(folder, "flag", "model", "--version", "m1", "--note", "odd", "--who", "ben")
    (flag,) = told(folder, "flag", "--list")["flags"]
    assert (flag["name"], flag["version"], flag["note"], flag["who"], flag["run"]) == (
        "model",
        "m1",
        "odd",
        "ben",
        "train-2",
    )
    assert "taken back" in said(folder, "flag", "--list")
    assert "1 flagged against 1 good" in said(folder, "review")
    found = told(folder, "review")
    assert [(one["run"], one["count"], one["good"]) for one in found["runs"]] == [("train-2", 1, 0), ("ingest-1", 1, 1)]
    assert [one["name"] for one in told(folder, "unflag", "model")] == ["model"]
    assert told(folder, "unflag", "--all") == []
    assert told(folder, "flag", "--list", "--removed")["flags"][0]["removed"] is not None
    assert told(folder, "flag", "--list")["flags"] == []


def test_two_runs_and_two_times_are_compared(folder):
    text = said(folder, "diff", "train")
    assert "train train-2 (2026-06-01 02:00Z)  →  train train-3" in text
    assert "+0.100" in text or "0.100" in text
    assert told(folder, "diff", "train-2", "train-3")["params"] == [
        {"name": "lr", "before": 0.1, "after": 0.2, "by": 0.1}
    ]
    assert told(folder, "diff", "train-2", "train-3", "--fail", code=1)["same"] is False
    assert told(folder, "diff", "train-2", "train-2", "--fail")["same"] is True
    moved = told(folder, "diff", "2026-06-01T02:30", "2026-06-01T23:00")
    assert [(one["name"], one["before"], one["after"]) for one in moved["data"]] == [
        ("model", "m1", "m2"),
        ("rows", "v1", "v2"),
    ]
    assert "from 2026-06-01 02:30Z to" in said(folder, "diff", "2026-06-01T02:30", "2026-06-03")


def test_the_state_at_a_time(folder):
    found = told(folder, "state", "--at", "2026-06-01T02:30")
    assert [(one["name"], one["version"]) for one in found["data"]] == [("model", "m1"), ("rows", "v1")]
    assert (found["deployed"], found["at"]) == ([], "2026-06-01T02:30:00+00:00")
    text = said(folder, "state")
    assert "fraud" in text
    assert "ingest-4" in text
    page = told(folder, "state", "--limit", 1)
    assert ([one["name"] for one in page["data"]], page["next"]) == (["model"], "model")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("origin", "p2"), UnknownName, "no prediction 'p2'"),
        (("show", "train-1"), UnknownName, "no run 'train-1'"),
        (("history", "trian"), UnknownName, "Did you mean 'train'"),
        (("stale", "modle"), UnknownName, "Did you mean 'model'"),
        (("flag", "modle"), UnknownName, "no output 'modle'.*Did you mean 'model'"),
        (("flag",), BadInput, "--list"),
        (("unflag",), BadInput, "--all"),
        (("unflag", "model", "--all"), BadInput, "--all"),
        (("unflag", "model"), UnknownName, "no flagged output 'model'"),
        (("diff", "ingest-1"), BadInput, "compared with no other"),
        (("runs", "--since", "soon"), BadInput, "since cannot be 'soon'"),
        (("runs", "--after", "x"), BadInput, "after cannot be 'x'"),
        (("state", "--at", "x"), BadInput, "at cannot be 'x'"),
        (("components", "--owner", "x"), UnknownName, "no owner 'x'"),
    ],
)
def test_what_cannot_be_answered_is_one_clear_error(folder, words, error, message):
    done = run(folder, *words)
    assert isinstance(done.exception, error)
    with pytest.raises(error, match=message):
        raise done.exception
