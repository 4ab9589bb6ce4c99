from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.demo.written import events, of, runs
from watchglass.demo import images
from watchglass.demo.traffic import Schedule, play

UNEQUAL = ("run", "latency")


def recorded(store):
    rows = events(store, "rows")
    predictions = {row["id"]: {k: v for k, v in row.items() if k not in UNEQUAL} for row in of("prediction", rows)}
    assert len(predictions) == len(of("prediction", rows)), "an id was predicted twice"
    return predictions, of("label", rows)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, short):
    store = tmp_path_factory.mktemp("whole")
    told = []
    played = play(store, days=(0, 9), schedule=short, progress=lambda *at: told.append(at))
    return store, played, told


def test_all_that_was_sent_is_recorded(whole, short):
    store, played, told = whole
    predictions, labels = recorded(store)
    assert len(predictions) == played.predictions == sum(len(short.arrivals(0, n).ids) for n in range(9))
    assert len(labels) == played.labels
    assert len(runs(store, "predict")) == played.requests
    assert (played.first, played.last) == (short.day(0), short.day(9))
    assert told == [(done, 9) for done in range(1, 10)]


def test_labels_come_one_to_three_days_late_once_and_none_is_forgotten(whole, short):
    predictions, labels = recorded(whole[0])
    assert max(Counter(label["id"] for label in labels).values()) == 1
    hour = 3_600_000_000
    for label in labels:
        assert 24 * hour <= label["time"] - predictions[label["id"]]["time"] < 72 * hour
    ends = int(datetime(*short.day(9).timetuple()[:3], tzinfo=UTC).timestamp() * 1_000_000)
    assert max(label["time"] for label in labels) < ends
    labelled = {label["id"] for label in labels}
    assert {row["id"] for row in predictions.values() if row["time"] < ends - 72 * hour} <= labelled
    shown = {ident: digit for n in range(9) for ident, digit in zip(*days_of(short, n), strict=True)}
    assert all(label["label"] == shown[label["id"]] for label in labels)


def days_of(schedule, number):
    day = schedule.arrivals(0, number)
    return day.ids, day.digit.tolist()


def test_faults_come_on_their_days(whole, short):
    def versions(component):
        return {run["params"]["day"]: run["version"] for run in runs(whole[0], component) if "day" in run["params"]}

    days = [short.day(n).isoformat() for n in range(9)]
    assert versions("clean") == dict(zip(days, "111112211", strict=True))
    assert versions("features") == dict(zip(days, "333344444", strict=True))
    released = [run for run in runs(whole[0], "features") if "release" in run["params"]]
    assert [run["params"]["release"] for run in released] == ["3", "4"]
    first_of_4 = min(run["started"] for run in runs(whole[0], "features") if run["version"] == "4")
    assert released[1]["started"] == first_of_4
    first_day_of_4 = [r for r in runs(whole[0], "features") if r["params"].get("day") == days[4]]
    assert first_of_4 < first_day_of_4[0]["started"]


def test_played_in_two_parts_it_is_the_same(whole, tmp_path, short):
    first = play(tmp_path, days=(0, 6), schedule=short)
    second = play(tmp_path, days=(6, 9), schedule=short)
    predictions, labels = recorded(tmp_path)
    expected, expected_labels = recorded(whole[0])
    assert predictions == expected
    assert labels == expected_labels
    assert first.labels + second.labels == whole[1].labels
    assert len(of("model", events(tmp_path, "graph"))) == 1, "the model is not trained again"
    reads = [
        {edge["version"] for run in runs(store, "predict") for edge in run["reads"] if edge["name"] == "digits_model"}
        for store in (tmp_path, whole[0])
    ]
    assert len(reads[0]) == 1
    assert reads[0] == reads[1]


def test_over_http_it_is_the_same(whole, tmp_path, short):
    played = play(tmp_path, days=(0, 9), schedule=short, http=True)
    assert played == whole[1]
    predictions, labels = recorded(tmp_path)
    assert predictions == recorded(whole[0])[0]
    assert labels == recorded(whole[0])[1]
    here = {run["pid"] for run in runs(tmp_path, "clean")}
    assert here.isdisjoint({run["pid"] for run in runs(tmp_path, "predict")})


def test_another_seed_is_another_story(whole, tmp_path, short):
    play(tmp_path, seed=1, days=(0, 1), schedule=short)
    other, one = recorded(tmp_path)[0], recorded(whole[0])[0]
    shared = other.keys() & one.keys()
    assert [other[i]["features"] for i in shared] != [one[i]["features"] for i in shared]


def test_no_recorded_time_is_the_clocks(whole, short):
    begins = datetime(*short.day(0).timetuple()[:3], tzinfo=UTC) - timedelta(days=1)
    span = [int(at.timestamp() * 1_000_000) for at in (begins, begins + timedelta(days=11))]
    for run in runs(whole[0]):
        assert span[0] <= run["started"] <= run["ended"] <= span[1]
        assert all(span[0] <= edge["time"] <= span[1] for edge in (*run["reads"], *run["writes"]))
    assert all(span[0] <= row["time"] <= span[1] for row in events(whole[0], "rows"))


def test_a_label_is_late_by_no_more_than_the_model_says():
    assert timedelta(days=3) == images.LABEL_DELAY
    assert Schedule().rollback == 120
