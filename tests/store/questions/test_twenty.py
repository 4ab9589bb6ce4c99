"""Each of the twenty questions on a store with known truth."""

from __future__ import annotations

import pytest

from tests.store.bench import BEGIN, DAY
from tests.store.questions.conftest import HOUR, counted, plain, served, truth
from watchglass.errors import BadInput, UnknownName
from watchglass.store.models import moment


def test_the_worst_data_version_is_the_one_behind_the_version_that_errs(labelled):
    found = labelled.told("worst_data_version", model="digits")
    assert [(row["data"], row["data_version"], row["versions"], row["rows"]) for row in found] == [
        ("rows", "bad", "2", 3),
        ("rows", "good", "1", 4),
    ]
    assert found[0]["accuracy"] == pytest.approx(2 / 3)
    assert found[0]["f1"] == pytest.approx(2 / 3)  # both classes: 2·1 / (2 + 1)
    assert found[1]["f1"] == 1.0
    only = labelled.told("worst_data_version", model="digits", positive="b", data="rows")
    assert only[0]["f1"] == pytest.approx(2 * 1 / (1 + 2))


def test_f1_weighs_sampled_rows_as_many_as_they_stand_for(labelled):
    labelled.write("rows", [served(8, "b", day=1, version="2", weight=10), truth(8, "b", at=34)])
    found = labelled.told("worst_data_version", model="digits", positive="b")
    assert (found[0]["rows"], found[0]["f1"]) == (13, pytest.approx(2 * 11 / (11 + 12)))


def test_confusion_counts_predictions_by_their_latest_label(labelled):
    assert labelled.told("confusion", model="digits") == [
        {"label": "a", "prediction": "a", "rows": 3, "share": 1.0},
        {"label": "b", "prediction": "b", "rows": 3, "share": 0.75},
        {"label": "b", "prediction": "a", "rows": 1, "share": 0.25},
    ]
    assert [row["rows"] for row in labelled.told("confusion", model="digits", version="2")] == [1, 1, 1]


def test_a_label_that_was_taken_back_counts_nowhere(labelled):
    labelled.write("rows", [truth(5, None, at=50)])
    assert sum(row["rows"] for row in labelled.told("confusion", model="digits")) == 6
    assert labelled.told("confident_errors", model="digits") == []
    waiting = labelled.told("predictions_without_label", model="digits")
    assert [row["id"] for row in waiting] == ["p5", "p7"]


def test_confident_errors_come_surest_first(labelled):
    labelled.write("rows", [served(9, "a", score=0.7), truth(9, "b", at=3)])
    found = labelled.told("confident_errors", model="digits")
    assert [(row["id"], row["label"], row["confidence"]) for row in found] == [("p5", "b", 0.99), ("p9", "b", 0.7)]
    assert len(labelled.told("confident_errors", model="digits", limit=1)) == 1


def test_disagreement_compares_two_environments_on_the_same_ids(labelled):
    shadow = [served(n, said, version="9", environment="shadow") for n, said in enumerate(["a", "b", "b", "a"])]
    labelled.write("rows", shadow)
    (found,) = labelled.told("disagreement", model="digits")
    assert (found["version"], found["other_version"], found["pairs"], found["differ"]) == ("1", "9", 4, 2)
    assert (found["share"], found["labelled"], found["accuracy"], found["other_accuracy"]) == (0.5, 4, 1.0, 0.5)
    assert (found["only_first_right"], found["only_other_right"], found["p"]) == (2, 0, pytest.approx(0.5))
    assert labelled.told("disagreement", model="digits", other="nowhere") == []


def test_label_lag_is_from_the_prediction_to_its_first_label(labelled):
    found = labelled.told("label_lag", model="digits")
    assert [(str(row["day"]), row["labelled"]) for row in found] == [("2026-06-01", 4), ("2026-06-02", 3)]
    assert found[0]["longest_hours"] == pytest.approx(6 - 3 / 3600)
    assert found[0]["median_hours"] == pytest.approx(3, abs=0.01)  # 2 h, 2 h, 4 h, 6 h


def test_predictions_without_label_waits_three_days_before_it_tells(labelled):
    labelled.write("rows", [served(11, "a", day=8)])
    found = labelled.told("predictions_without_label", model="digits")
    assert [(row["id"], row["waiting"]) for row in found] == [("p7", 1)]
    assert [row["id"] for row in labelled.told("predictions_without_label", model="digits", end="1d")] == ["p7", "p11"]


def test_accuracy_by_version_has_its_days_and_interval(labelled):
    found = plain(counted(labelled).told("accuracy_by_version", model="digits"))
    assert [(row["version"], row["first"], row["rows"], row["labelled"], row["accuracy"]) for row in found] == [
        ("1", "2026-06-01", 4, 4, 1.0),
        ("2", "2026-06-02", 4, 3, pytest.approx(2 / 3)),
    ]
    assert found[1]["low"] == pytest.approx(0.2077, abs=1e-3)  # Wilson, 2 of 3
    assert found[1]["high"] == pytest.approx(0.9385, abs=1e-3)
    assert len(labelled.told("accuracy_by_version", model="digits", start="2026-06-02")) == 1


def test_worst_slices_begins_with_the_surely_worst(labelled):
    found = counted(labelled).told("worst_slices", model="digits", least=1)
    assert [(row["slice"], row["labelled"], row["accuracy"]) for row in found] == [
        ("site=quay", 3, pytest.approx(2 / 3)),
        ("site=harbour", 4, 1.0),
    ]
    assert found[0]["more_errors"] == pytest.approx(3 * (6 / 7 - 2 / 3))
    assert labelled.told("worst_slices", model="digits") == []  # none has thirty labels
    assert labelled.told("worst_slices", model="digits", least=1, tag="channel") == []


def test_label_coverage_tells_each_day(labelled):
    assert plain(counted(labelled).told("label_coverage", model="digits")) == [
        {"day": "2026-06-01", "rows": 4, "labelled": 4, "share": 1.0, "newest": "2026-06-01"},
        {"day": "2026-06-02", "rows": 4, "labelled": 3, "share": 0.75, "newest": "2026-06-02"},
    ]


def test_missing_values_compares_the_newest_day_with_all_before(labelled):
    labelled.write(
        "rows", [served(n, "a", day=2, features={"ink": None if n % 2 else 1.0, "pen": "blue"}) for n in range(20, 24)]
    )
    found = counted(labelled).told("missing_values", model="digits")
    assert [
        (row["column"], row["rows"], row["missing"], row["share"], row["share_before"], row["change"]) for row in found
    ] == [
        ("ink", 4, 2, 0.5, 0.0, 0.5),
        ("pen", 4, 0, 0.0, 0.0, 0.0),
    ]


def test_new_values_were_never_seen_before(labelled):
    labelled.write(
        "rows",
        [
            served(n, "a", day=2, features={"ink": 1.0, "pen": pen})
            for n, pen in ((30, "red"), (31, "red"), (32, "blue"))
        ],
    )
    found = counted(labelled).told("new_values", model="digits")
    assert plain(found) == [{"column": "pen", "value": "red", "first": "2026-06-03", "rows": 2}]
    assert [row["value"] for row in labelled.told("new_values", model="digits", start="2026-06-01")] == ["blue", "red"]


def test_predictions_of_a_subject_have_their_label(labelled):
    found = labelled.told("predictions_of_subject", model="digits", subject="u1", column="customer")
    assert [(row["id"], row["prediction"], row["label"]) for row in found] == [
        ("p7", "b", None),
        ("p5", "a", "b"),
        ("p3", "b", "b"),
        ("p1", "a", "a"),
    ]
    with pytest.raises(BadInput, match="declares no column of subjects.*customer, site"):
        labelled.told("predictions_of_subject", model="digits", subject="u1")
    with pytest.raises(UnknownName, match="Did you mean 'customer'"):
        labelled.told("predictions_of_subject", model="digits", subject="u1", column="custome")


def test_a_prediction_leads_back_to_data_and_source(labelled):
    found = labelled.told("prediction_path", model="digits", id="p2")
    assert [(row["hops"], row["run"], row["read"]) for row in found] == [
        (0, "serve-1", "model@m1"),
        (0, "train-1", "rows@good"),
        (1, "clean-1", ""),
    ]
    assert found[1]["function"] == "pipeline.train"
    assert (found[1]["source"], found[1]["commit"]) == ("0123456789ab", "c0ffee")
    with pytest.raises(UnknownName, match="no prediction 'p99'"):
        labelled.told("prediction_path", model="digits", id="p99")


def test_inputs_of_a_run_go_back_to_the_first_data(labelled):
    found = labelled.told("inputs_of_run", run="serve-1")
    assert [(row["hops"], row["artifact"], row["version"], row["run"]) for row in found] == [
        (0, "model", "m1", "serve-1"),
        (1, "rows", "good", "train-1"),
    ]
    with pytest.raises(UnknownName, match="no run 'serve-9'"):
        labelled.told("inputs_of_run", run="serve-9")


def test_traffic_counts_errors_and_takes_sampled_rows_for_what_they_stand_for(labelled):
    found = labelled.told("traffic", model="digits", by="day")
    assert [(row["rows"], row["errors"]) for row in found] == [(4, 0), (4, 1)]
    assert found[0]["p50"] == pytest.approx(0.2, rel=0.006)
    assert found[0]["p99"] == pytest.approx(0.4, rel=0.006)
    assert found[1]["p50"] is None
    labelled.write("rows", [served(40, "a", latency=2.0, weight=100), served(41, "a", latency=0.0)])
    (hour,) = labelled.told("traffic", model="digits", end="2026-06-01T12:00")
    assert (hour["rows"], hour["p50"]) == (105, pytest.approx(2.0, rel=0.006))


def test_who_read_a_table_last_week(labelled):
    labelled.run("report-1", "report", at=BEGIN + 6 * DAY, read=[("rows", "bad")])
    found = labelled.told("who_read", name="rows")  # now is the tenth day
    assert [(row["run"], row["component"], row["version"], row["status"]) for row in found] == [
        ("report-1", "report", "bad", "ok")
    ]
    assert [row["run"] for row in labelled.told("who_read", name="rows", start="30d", version="bad")] == [
        "report-1",
        "train-2",
    ]
    with pytest.raises(UnknownName, match="Did you mean 'rows'"):
        labelled.told("who_read", name="row")
    assert labelled.told("who_read", name="model") == []  # known, and not read of late


def test_failed_runs_say_why(labelled):
    labelled.run("load-1", "load", at=BEGIN + 9 * DAY, status="error", error="OSError: no route", seconds=5)
    (found,) = labelled.told("failed_runs")
    assert (found["run"], found["error"], found["seconds"], found["host"]) == ("load-1", "OSError: no route", 5.0, "h1")
    assert labelled.told("failed_runs", component="train") == []


def test_slowest_components_are_told_by_their_median(labelled):
    for number, seconds in enumerate((10, 20, 90)):
        labelled.run(
            f"fit-{number}", "fit", at=BEGIN + number * HOUR, seconds=seconds, status="error" if number else "ok"
        )
    found = labelled.told("slowest_components", start="30d")
    assert [(row["component"], row["median_seconds"]) for row in found][-1] == ("fit", 20.0)
    assert (found[-1]["runs"], found[-1]["failed"], found[-1]["longest_run"], found[-1]["longest_seconds"]) == (
        3,
        2,
        "fit-2",
        90.0,
    )


def test_an_artifact_has_its_versions_writers_and_readers(labelled):
    for place, (version, rows, columns) in enumerate((("good", 100, ["a"]), ("bad", 70, ["a", "b"])), start=1):
        edge = {"kind": "write", "run": f"clean-{place}", "name": "rows", "version": version, "rule": "content"}
        about = {"rows": rows, "columns": columns, "bytes": 10 * rows}
        labelled.write("graph", [{**edge, "time": BEGIN + (place - 1) * DAY, "artifact": about}])
    found = labelled.told("artifact_history", name="rows")
    assert [(row["version"], row["rows"], row["more_rows"], row["written_by"], row["readers"]) for row in found] == [
        ("bad", 70, -30, "clean-2", 1),
        ("good", 100, None, "clean-1", 1),
    ]
    assert [row["columns_changed"] for row in found] == [True, False]
    assert [row["more_rows"] for row in labelled.told("artifact_history", name="rows", start="2026-06-01T12:00")] == [
        -30
    ]


def test_what_changed_puts_code_deployments_and_failures_side_by_side(labelled):
    for version, day in (("1", 0), ("2", 1)):
        labelled.write(
            "graph",
            [
                {
                    "kind": "deployment",
                    "model": "digits",
                    "version": version,
                    "environment": "live",
                    "time": BEGIN + day * DAY,
                }
            ],
        )
    labelled.run("load-1", "load", at=BEGIN + 2 * DAY, status="error", error="OSError")
    found = labelled.told("what_changed", start="30d")
    assert [(row["what"], row["name"], row["before"], row["after"], row["run"]) for row in found] == [
        ("failed run", "load", None, "OSError", "load-1"),
        ("deployment", "digits in live", "1", "2", None),
        ("code", "clean", "1", "2", "clean-2"),
    ]
    assert labelled.told("what_changed", start=moment(BEGIN + 3 * DAY)) == []


def test_the_path_of_a_repeated_id_is_that_of_the_earliest(labelled):
    labelled.write("rows", [served(0, "b", day=4, version="2", run="elsewhere")])
    for _ in range(2):
        found = labelled.told("prediction_path", model="digits", id="p0")
        assert [row["run"] for row in found if row["hops"] == 0] == ["serve-1", "train-1"]
        labelled.compact()
