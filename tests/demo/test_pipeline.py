from __future__ import annotations

import numpy as np
import pytest

import watchglass as wg
from tests.demo.written import events, of, runs
from watchglass.demo import pipeline
from watchglass.demo.features import NAMES, SETTINGS
from watchglass.demo.service import Service
from watchglass.demo.traffic import questions
from watchglass.errors import BadInput


def edges(run, kind):
    return {edge["name"]: edge["version"] for edge in run[kind]}


def test_what_one_step_writes_the_next_one_reads(tmp_path, short):
    wg.init(tmp_path)
    day = short.arrivals(1, 0)
    pipeline.run_day(tmp_path / "system", day, short.versions(0))
    ingest, clean, features = runs(tmp_path)
    assert [run["component"] for run in (ingest, clean, features)] == ["ingest", "clean", "features"]
    assert [run["version"] for run in (ingest, clean, features)] == ["1", "1", "3"]
    assert edges(clean, "reads") == edges(ingest, "writes")
    assert edges(features, "reads")["clean_images"] == edges(clean, "writes")["clean_images"] is not None
    assert set(edges(features, "reads")) == {"clean_images", "feature_settings"}
    assert edges(features, "writes")["feature_table"] is not None
    ends = [moment for run in (ingest, clean, features) for moment in (run["started"], run["ended"])]
    assert ends == sorted(ends)
    midnight = int(day.moment(0).timestamp() * 1_000_000)
    assert midnight < ends[0] < ends[-1] < midnight + day.asked.min() * 1_000_000


def test_the_faulty_version_reads_what_the_sound_one_does_not(tmp_path, short):
    wg.init(tmp_path)
    for number in (short.fault - 1, short.fault, short.rollback):
        pipeline.run_day(tmp_path / "system", short.arrivals(1, number), short.versions(number))
    before, fault, after = runs(tmp_path, "clean")
    assert [run["version"] for run in (before, fault, after)] == ["1", "2", "1"]
    assert set(edges(fault, "reads")) - set(edges(before, "reads")) == {"site_scales"}
    assert set(edges(before, "reads")) == set(edges(after, "reads"))
    (scales,) = [edge for edge in fault["reads"] if edge["name"] == "site_scales"]
    assert '"harbour":10' in scales["artifact"]["preview"]


def test_a_release_of_features_writes_the_settings_that_its_runs_read(tmp_path, short):
    wg.init(tmp_path)
    day = short.arrivals(1, short.release)
    pipeline.release_features("4", day.moment(3600))
    made = pipeline.run_day(tmp_path / "system", day, short.versions(short.release))
    earlier = pipeline.run_day(tmp_path / "system", day, pipeline.FIRST)
    released, with_it, without = runs(tmp_path, "features")
    assert edges(released, "writes") == {"feature_settings": edges(with_it, "reads")["feature_settings"]}
    assert edges(without, "reads")["feature_settings"] != edges(with_it, "reads")["feature_settings"]
    assert (made.features == earlier.features).all()
    assert edges(without, "writes") == edges(with_it, "writes"), "the same values are the same version"


def test_the_model_is_trained_evaluated_and_deployed_before_the_first_day(tmp_path, short):
    wg.init(tmp_path)
    pipeline.prepare(tmp_path / "system", 2, short.day(0))
    by_name = {run["component"]: run for run in runs(tmp_path)}
    assert list(by_name) == ["features", "train", "evaluate", "deploy"]
    train, evaluate, deploy = (by_name[name] for name in ("train", "evaluate", "deploy"))
    assert edges(evaluate, "reads")["digits_model"] == edges(train, "writes")["digits_model"] is not None
    assert edges(deploy, "reads") == edges(train, "writes") | edges(evaluate, "writes")
    graph = events(tmp_path, "graph")
    (model,) = of("model", graph)
    assert (model["name"], model["version"], model["slices"]) == ("digits", "3", ["site", "channel"])
    assert (model["label_delay"], model["run"]) == ("3d", train["id"])
    (deployment,) = of("deployment", graph)
    assert train["ended"] < deployment["time"] < int(short.arrivals(2, 0).moment(0).timestamp() * 1_000_000)


def test_a_prediction_leads_to_all_that_it_came_from(tmp_path, short):
    wg.init(tmp_path)
    system = tmp_path / "system"
    pipeline.prepare(system, 0, short.day(0))
    day = short.arrivals(0, short.fault)
    made = pipeline.run_day(system, day, short.versions(short.fault))
    service, asked = Service(system), list(questions(day, made))
    for question in asked:
        service.answer(question)
    served = {run["id"]: run for run in runs(tmp_path, "predict")}
    found = of("prediction", events(tmp_path, "rows"))
    written = {}
    for run in runs(tmp_path):
        written.update(dict.fromkeys(edges(run, "writes").items(), run))
    assert len(served) == len(asked)
    assert [row["id"] for row in found] == [ident for question in asked for ident in question.ids]
    for row in found:
        reads = edges(served[row["run"]], "reads")
        up = written["feature_table", reads["feature_table"]]
        assert up["component"] == "features"
        assert edges(up, "reads")["feature_settings"] == reads["feature_settings"]
        cleaned = written["clean_images", edges(up, "reads")["clean_images"]]
        assert (cleaned["component"], cleaned["version"]) == ("clean", "2")
        assert "site_scales" in edges(cleaned, "reads")
        assert written["digits_model", reads["digits_model"]]["component"] == "train"
    for row in found:
        place = day.ids.index(row["id"])
        assert list(row["features"]) == list(NAMES)
        assert list(row["features"].values()) == made.features[place].tolist()
        assert row["tags"] == {
            "site": row["id"].split("-")[1],
            "channel": ["app", "mail", "scanner"][day.channel[place]],
        }
        assert row["time"] == int(day.moment(day.asked[place]).timestamp() * 1_000_000)
        assert row["prediction"] in range(10)
        assert 0.1 <= row["score"] <= 1
        assert 0 < row["latency"] < 5
        assert row["version"] == "3"
    assert {row["features"]["ink"] for row in found} == set(made.features[:, 0].tolist())


def test_what_was_published_is_what_was_made(tmp_path, short):
    wg.init(tmp_path)
    day = short.arrivals(1, 0)
    made = pipeline.run_day(tmp_path / "system", day, short.versions(0))
    table, settings = pipeline.published(tmp_path / "system", day.day)
    assert np.array_equal(table, made.features)
    assert settings == SETTINGS["3"]


def test_a_day_and_a_model_that_are_not_there_are_named(tmp_path, short):
    with pytest.raises(BadInput, match="2026-02-22"):
        pipeline.published(tmp_path, short.day(0))
    with pytest.raises(BadInput, match="from its first day"):
        pipeline.trained_model(tmp_path)
