from __future__ import annotations

from datetime import timedelta

import pytest

import watchglass as wg
from watchglass.errors import BadInput


def test_a_model_and_its_deployment(logs):
    with wg.run("train") as run:
        version = run.write({"w": 1}, "model")
        wg.log_model(
            "fraud",
            version=3,
            artifact=("model", version),
            task="classification",
            reference=60,
            slices=("site", "channel"),
            label_delay=timedelta(days=3),
            false_alerts_per_year=2,
        )
    wg.deploy("fraud", version="3", time="2026-03-01T00:00:00+00:00")
    (model,) = logs.graph("model")
    del model["time"]
    assert model == {
        "kind": "model",
        "name": "fraud",
        "version": "3",
        "artifact": {"name": "model", "version": version},
        "task": "classification",
        "reference": 60,
        "slices": ["site", "channel"],
        "window": "1d",
        "label_delay": "3d",
        "false_alerts_per_year": 2,
        "run": run.id,
    }
    assert logs.graph("deployment") == [
        {"kind": "deployment", "model": "fraud", "version": "3", "environment": "live", "time": 1_772_323_200_000_000}
    ]


@pytest.mark.parametrize(
    ("delay", "text"),
    [
        ("3d", "3d"),
        (" 36 h ", "36h"),
        ("1.5d", "1.5d"),
        (timedelta(hours=36), "36h"),
        (timedelta(0), "0d"),
        (timedelta(minutes=30), "0.5h"),
    ],
)
def test_a_label_delay_is_days_or_hours(logs, delay, text):
    wg.log_model("m", version="1", label_delay=delay)
    assert logs.graph("model")[0]["label_delay"] == text


def test_a_schema_is_part_of_the_model_and_is_not_announced_again(logs):
    wg.log_model(
        "m",
        version="1",
        schema={
            "n": "Integer",
            "v": {"purpose": "embedding"},
            "site": {"role": "tag"},
            "ok": bool,
            "s": {"role": "score"},
        },
    )
    assert logs.graph("model")[0]["schema"] == [
        {"role": "feature", "name": "n", "type": "number", "whole": True},
        {"role": "feature", "name": "v", "type": "json", "purpose": "embedding"},
        {"role": "tag", "name": "site", "type": "text"},
        {"role": "feature", "name": "ok", "type": "boolean"},
        {"role": "score", "name": "s", "type": "number"},
    ]
    wg.log_prediction("m", features={"n": 1.5, "v": [1], "ok": False}, tags={"site": "x"})
    assert logs.graph("schema") == []
    wg.log_prediction("m", features={"n": 1.5, "new": 1})
    assert [event["columns"] for event in logs.graph("schema")] == [[["feature", "new", "number"]]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"window": "1h"}, "'1d' would do"),
        ({"label_delay": "soon"}, "days '3d'"),
        ({"label_delay": timedelta(days=-1)}, "days '3d'"),
        ({"label_delay": 3}, "days '3d'"),
        ({"slices": "site"}, "a list of tags"),
        ({"version": None}, "version cannot be None"),
        ({"version": ""}, "version"),
        ({"reference": 0}, "number of windows"),
        ({"false_alerts_per_year": 0}, "above 0"),
        ({"artifact": 0.5j}, "artifact"),
        ({"schema": "amount"}, "'amount': 'number'"),
        ({"schema": {"amount": "money"}}, "boolean, text"),
        ({"schema": {"at": "timestamp"}}, "a time is text"),
        ({"schema": {"amount": {"unit": "EUR"}}}, "says no type"),
        ({"schema": {"amount": {"type": "number", "role": "features"}}}, "feature, tag, prediction"),
        ({"schema": {"amount": {"type": "number", "purpose": "money"}}}, "subject, embedding"),
        ({"schema": {"amount": {"typ": "number"}}}, "'typ', which is not known"),
        ({"schema": {"site": {"type": "number", "role": "tag"}}}, "a tag is of type 'text'"),
        ({"schema": {"v": {"type": "number", "purpose": "embedding"}}}, "'embedding' is of type 'json'"),
        ({"schema": {"y": {"type": "text", "role": "label", "purpose": "text"}}}, "only a feature or a tag"),
        ({"schema": {"y": {"type": "text", "role": "label"}, "z": {"type": "text", "role": "label"}}}, "two columns"),
        ({"schema": {"": "number"}}, "column's name"),
        ({"schema": {"amount": {"type": "number", "unit": ""}}}, "unit of column"),
    ],
    ids=str,
)
def test_wrong_use_is_told(logs, change, says):
    with pytest.raises(BadInput, match=says):
        wg.log_model("m", **{"version": "1", **change})
    assert logs.graph("model") == []
