from __future__ import annotations

import threading
import types
from datetime import timedelta

import numpy as np
import pytest

import watchglass as wg
from watchglass.errors import BadInput


def test_a_prediction_and_its_label(logs):
    made = wg.log_prediction(
        "fraud",
        version="3",
        features={"ink": np.float64(0.5), "slant": None, "site": "a", "new": True, "vector": [1, 2]},
        prediction=np.int64(1),
        score={0: 0.1, 1: 0.9},
        time="2026-03-01T12:00:00Z",
        tags={"site": "a", "batch": 7, "none": None, "open": True},
        environment="shadow",
        latency=timedelta(milliseconds=12),
    )
    wg.log_label("fraud", made, "yes", time=1_772_366_400.5, environment="shadow")
    prediction, label = logs.rows()
    assert prediction == {
        "kind": "prediction",
        "model": "fraud",
        "id": made,
        "time": 1_772_366_400_000_000,
        "version": "3",
        "environment": "shadow",
        "features": {"ink": 0.5, "slant": None, "site": "a", "new": True, "vector": [1, 2]},
        "prediction": 1,
        "score": {"0": 0.1, "1": 0.9},
        "tags": {"site": "a", "batch": "7", "open": "true"},
        "latency": 0.012,
    }
    assert label == {
        "kind": "label",
        "model": "fraud",
        "environment": "shadow",
        "id": made,
        "label": "yes",
        "time": 1_772_366_400_500_000,
    }


def test_ids_are_kept_as_given(logs):
    assert wg.log_prediction("m", id="theirs", prediction=0) == "theirs"
    assert wg.log_prediction("m", id=np.int64(5), prediction=0) == "5"
    wg.log_label("m", 5, 1)
    assert [row["id"] for row in logs.rows()] == ["theirs", "5", "5"]


def columns(logs):
    return [event["columns"] for event in logs.graph("schema")]


def test_columns_are_announced_before_their_first_row(logs):
    wg.log_prediction(
        "m", features={"a": 1, "b": "x", "c": None, "d": np.bool_(True), "e": {"f": 1}}, prediction=0, tags={"site": 1}
    )
    told = [
        ["feature", "a", "number"],
        ["feature", "b", "text"],
        ["feature", "d", "boolean"],
        ["feature", "e", "json"],
        ["tag", "site", "text"],
    ]
    assert columns(logs) == [told]
    wg.log_prediction("m", features={"a": 2, "b": "y", "c": None, "d": False, "e": {}}, prediction=0, tags={"site": 2})
    wg.log_prediction("m", features={"b": "y", "a": "a contradiction"}, prediction=0)
    assert len(columns(logs)) == 1, "nothing new"
    wg.log_prediction("m", features={"a": 1, "c": 0.5}, prediction=0, tags={"channel": "web"})
    assert columns(logs)[1:] == [[["feature", "c", "number"], ["tag", "channel", "text"]]]
    wg.log_prediction("other", features={"a": 1}, prediction=0)
    assert logs.graph("schema")[-1]["model"] == "other"
    assert logs.rows()[2]["features"]["a"] == "a contradiction"


def test_a_column_that_could_not_be_announced_is_announced_again(tmp_path, logs):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    wg.init(blocked)
    wg.log_prediction("m", features={"a": 1}, prediction=0)
    blocked.unlink()
    wg.log_prediction("m", features={"a": 1}, prediction=0)
    (graph,) = (blocked / "log" / "graph").iterdir()
    assert '["feature","a","number"]' in graph.read_text()


def test_threads_announce_before_they_write(logs):
    threads = [
        threading.Thread(
            target=lambda: [wg.log_prediction("m", features={f"f{n}": n}, prediction=0) for n in range(100)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name for told in columns(logs) for _, name, _ in told} == {f"f{n}" for n in range(100)}
    assert len(logs.rows()) == 400


def test_the_run_may_be_named(logs):
    with wg.run("serve") as run:
        pass
    wg.log_prediction("m", prediction=0, run=run)
    wg.log_prediction("m", prediction=0, run="their-run")
    by_object, by_id = logs.rows()
    assert (by_object["run"], by_object["trace"]) == (run.id, run.trace)
    assert by_id["run"] == "their-run"


def test_any_mapping_holds_features(logs):
    wg.log_prediction("m", features=types.MappingProxyType({"a": 1}), prediction=0)
    assert logs.rows()[0]["features"] == {"a": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": ""}, "model cannot be ''"),
        ({"model": None}, "model cannot be None"),
        ({"time": "noon"}, "time cannot be 'noon'"),
        ({"features": [1, 2]}, "features cannot be a list"),
        ({"tags": "site"}, "tags cannot be a str"),
        ({"score": "high"}, "score cannot be 'high'"),
        ({"latency": "fast"}, "latency cannot be 'fast'"),
        ({"environment": None}, "environment"),
        ({"id": ""}, "id"),
    ],
    ids=str,
)
def test_wrong_use_is_told_and_writes_nothing(logs, change, says):
    with pytest.raises(BadInput, match=says):
        wg.log_prediction(change.pop("model", "m"), **{"features": {"a": 1}, "prediction": 0, **change})
    assert logs.rows() == []


def test_a_label_needs_an_id(logs):
    with pytest.raises(BadInput, match="id cannot be None"):
        wg.log_label("m", None, 1)


def test_a_value_that_breaks_while_it_is_written_costs_its_own_event_alone(logs, lost):
    class Trap(dict):
        def __init__(self):
            super().__init__(a=1)

        def __iter__(self):
            raise RuntimeError

        keys = items = __iter__

    wg.log_prediction("m", id="odd", features={"a": 1}, prediction=Trap())
    wg.log_prediction("m", id="even", features={"a": 1}, prediction=1)
    assert [row["id"] for row in logs.rows()][-1] == "even"
    assert sum(lost().values()) == 2 - len(logs.rows())
