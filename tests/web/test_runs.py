"""Runs, staleness, flags, reviews, differences and states over HTTP, by a real server."""

from __future__ import annotations

import httpx
import pytest

from tests.store.bench import BEGIN, DAY, prediction
from tests.store.runs.graph import Pipeline
from tests.web.served import serving

HOUR = DAY // 24


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs") / "store"
    line = Pipeline(root)
    line.write("graph", [{"kind": "component", "name": "etl/train", "owner": "ana", "tags": ["ml"], "time": BEGIN}])
    line.ran("ingest", [], [("rows", "v1")])
    line.ran("etl/train", [("rows", "v1")], [("model", "m1")], params={"lr": 0.1, "limit": float("inf")}, id="a/1")
    line.ran(
        "etl/train", [("rows", "v1")], [("model", "m2")], params={"lr": 0.2}, status="error", error="odd", id="a/2"
    )
    line.ran("ingest", [], [("rows", "v2")])
    line.write("graph", [{"kind": "model", "name": "fraud", "version": "1", "artifact": {"name": "model", "version": "m1"}, "time": BEGIN}])  # fmt: skip
    line.write("rows", [prediction(1, model="fraud", run="a/1")])
    line.close()
    with serving(root) as server:
        yield server


def get(served, path, code=200, /, **values):
    answer = httpx.get(f"{served.url}/api/v1/{path}", params=values, timeout=60)
    assert answer.status_code == code, answer.text
    return answer.json()


def ids(page):
    return [one["id"] for one in page["runs"]]


def test_runs_are_listed_by_page_and_filter(served):
    assert ids(get(served, "runs")) == ["ingest-4", "a/2", "a/1", "ingest-1"]
    page = get(served, "runs", limit=3)
    assert ids(get(served, "runs", after=page["next"])) == ["ingest-1"]
    assert ids(get(served, "runs", component="etl/train", status="error")) == ["a/2"]
    assert ids(get(served, "runs", tag="ml", owner="ana")) == ["a/2", "a/1"]


def test_one_run_its_component_and_its_history(served):
    run = get(served, "runs/a/1")
    assert (run["component"], run["owner"], run["reads"][0]["producer"]) == ("etl/train", "ana", "ingest-1")
    assert [one["name"] for one in get(served, "components", owner="ana")["components"]] == ["etl/train"]
    assert [one["name"] for one in get(served, "components", status="ok")["components"]] == ["ingest"]
    history = get(served, "components/etl/train/history", limit=1)
    assert ([one["id"] for one in history["runs"]], history["runs"][0]["stale"]) == (["a/2"], 0)
    assert {one["component"] for one in get(served, "durations")["components"]} == {"ingest", "etl/train"}


def test_the_way_of_a_prediction(served):
    (found,) = get(served, "origin", prediction="p1")
    assert (found["training"]["id"], found["training"]["reads"][0]["version"], found["run"]["id"]) == (
        "a/1",
        "v1",
        "a/1",
    )
    assert get(served, "runs/a/1")["predictions"] == 1


def test_stale_diff_and_state(served):
    found = get(served, "stale", of="model", age="never")
    assert (found["run"], found["stale_now"], found["inputs"][0]["now"][0]["kind"]) == ("a/2", True, "newer version")
    assert [one["component"] for one in get(served, "stale")["runs"]] == ["etl/train", "ingest"]
    assert {one["name"] for one in get(served, "diff", first="a/1", second="a/2")["params"]} == {"lr", "limit"}
    assert get(served, "diff", first="etl/train")["second"]["id"] == "a/2"
    then = get(served, "state", at="2026-06-01T02:30:00Z")
    assert {one["name"]: one["version"] for one in then["data"]} == {"rows": "v1", "model": "m1"}
    moved = get(served, "state/diff", first="2026-06-01T02:30:00Z", last="2026-06-02")
    assert [one["name"] for one in moved["data"]] == ["model", "rows"]


def test_outputs_are_flagged_reviewed_and_taken_back(served):
    wrong = {"name": "model", "version": "m1", "note": "odd", "who": "ben"}
    answer = httpx.post(f"{served.url}/api/v1/flags", json=wrong, timeout=60)
    assert (answer.status_code, answer.json()["run"]) == (200, "a/1")
    assert [one["note"] for one in get(served, "flags")["flags"]] == ["odd"]
    found = get(served, "review")
    assert [(one["run"], one["count"], one["good"]) for one in found["runs"]] == [("a/1", 1, 0), ("ingest-1", 1, 1)]
    foreign = httpx.delete(f"{served.url}/api/v1/flags/model", headers={"Origin": "https://elsewhere"}, timeout=60)
    assert foreign.status_code == 403
    gone = httpx.delete(f"{served.url}/api/v1/flags/model", params={"who": "ana"}, timeout=60)
    assert (gone.status_code, gone.json()[0]["removed"] is not None) == (200, True)
    assert httpx.delete(f"{served.url}/api/v1/flags", timeout=60).json() == []
    assert get(served, "flags", removed=True)["flags"][0]["name"] == "model"


@pytest.mark.parametrize(
    ("path", "values", "status", "said"),
    [
        ("origin", {"prediction": "p2"}, 404, "no prediction 'p2'"),
        ("runs/nobody", {}, 404, "no run 'nobody'"),
        ("components/trian/history", {}, 404, "no component 'trian'"),
        ("stale", {"of": "modle"}, 404, "Did you mean 'model'"),
        ("stale", {"age": "soon"}, 400, "age cannot be 'soon'"),
        ("runs", {"after": "x"}, 400, "after cannot be 'x'"),
        ("runs", {"status": "failed"}, 422, "status"),
        ("runs", {"limit": 0}, 422, "limit"),
        ("runs", {"since": "soon"}, 400, "since cannot be"),
        ("diff", {"first": "ingest-1"}, 400, "compared with no other"),
        ("diff", {}, 422, "first"),
        ("state", {"at": "soon"}, 400, "at cannot be"),
    ],
)
def test_defect_what_is_wrong_is_said_as_json_with_its_status(served, path, values, status, said):
    """mltrace answers text/html, 404 for a parameter that is missing, 200 and nothing for an unknown component."""
    assert said in get(served, path, status, **values)["error"]


def test_defect_a_parameter_that_is_not_known_does_no_harm(served):
    """mltrace's `recent` answers it with 500."""
    assert ids(get(served, "runs", limit=1, colour="blue")) == ["ingest-4"]


def test_a_flag_of_nothing_is_refused(served):
    answer = httpx.post(f"{served.url}/api/v1/flags", json={"name": "modle"}, timeout=60)
    assert (answer.status_code, "Did you mean 'model'" in answer.json()["error"]) == (404, True)
    assert httpx.post(f"{served.url}/api/v1/flags", json={"nmae": "model"}, timeout=60).status_code == 422
