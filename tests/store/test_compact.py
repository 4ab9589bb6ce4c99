"""Sealed segments become files, exactly once, whatever is in them and whoever died on the way."""

from __future__ import annotations

import fcntl
import os
import shutil

import pytest

from tests.store.bench import BEGIN, label, prediction
from watchglass.store.leases import LeaseLost, hold
from watchglass.store.transactions import writing


def counted(bench):
    return bench.ask("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions")[0]


def test_rows_are_seen_the_same_before_and_after_compaction(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(50)] + [label(n, 1) for n in range(50)])
    before = bench.ask("SELECT * FROM predictions ORDER BY id"), bench.ask("SELECT * FROM labels ORDER BY id")
    done = bench.compact()
    assert (done.segments, done.rows, done.rejected) == (1, 100, 0)
    assert (bench.ask("SELECT * FROM predictions ORDER BY id"), bench.ask("SELECT * FROM labels ORDER BY id")) == before
    assert before[0][0]["features"] == '{"ink":0.0}'


def test_a_segment_whose_writer_lives_is_read_and_left_alone(bench):
    bench.model()
    path = bench.write("rows", [prediction(1)])
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert bench.compact().segments == 0
        assert counted(bench)["n"] == 1
    assert bench.compact().segments == 1
    assert counted(bench)["n"] == 1


def test_a_segment_that_a_killed_compactor_published_but_did_not_delete_counts_once(bench, tmp_path):
    bench.model()
    path = bench.write("rows", [prediction(n) for n in range(10)])
    shutil.copy(path, tmp_path / "kept")
    bench.compact()
    shutil.copy(tmp_path / "kept", path)
    assert counted(bench) == {"n": 10, "ids": 10}
    bench.compact()
    assert counted(bench) == {"n": 10, "ids": 10}
    assert not path.exists()


def test_a_file_that_no_transaction_published_is_invisible_and_swept_when_old(bench):
    bench.model()
    bench.write("rows", [prediction(1)])
    bench.compact()
    published = next((bench.folder.tables / "predictions").iterdir())
    orphan = published.with_name("orphan.parquet")
    shutil.copy(published, orphan)
    assert counted(bench)["n"] == 1
    bench.compact()
    assert orphan.exists(), "it may belong to a compaction that still runs"
    os.utime(orphan, (1, 1))
    bench.compact()
    assert not orphan.exists()
    assert published.exists()


def test_what_a_writer_left_half_made_is_swept_when_old(bench):
    bench.model()
    left = [bench.folder.row_log / name for name in ("a.jsonl.open", "b.parquet.tmp", "c.parquet.json")]
    for path in left:
        path.write_bytes(b"")
    bench.compact()
    assert all(path.exists() for path in left), "its writer may live"
    for path in left:
        os.utime(path, (1, 1))
    bench.compact()
    assert not any(path.exists() for path in left)


def test_corrupt_lines_are_kept_aside_with_their_reason_and_nothing_else_is_lost(bench):
    bench.model()
    bad = b'{"kind":"prediction"\n[1]\n{"kind":"prediction","model":"digits","id":"x","time":1.5}\n\xff\xfe\n{"kind":"tune","model":"m","id":"i","time":1}\n'
    bench.write("rows", [prediction(n) for n in range(5)], bad + b'{"kind":"prediction","torn')
    bench.write("rows", [prediction(n) for n in range(5, 9)])
    assert counted(bench)["n"] == 9
    assert bench.compact().rejected == 6
    assert counted(bench)["n"] == 9
    reasons = [row["reason"] for row in bench.ask("SELECT reason FROM rejected ORDER BY id")]
    assert [reason.split(":")[0] for reason in reasons[:2]] == ["not JSON", "not an object but list"]
    assert "time must be whole microseconds" in reasons[2]
    assert "unknown kind 'tune'" in reasons[4]
    assert "killed in mid-write" in reasons[5]
    assert bench.ask("SELECT raw FROM rejected WHERE line = 6")[0]["raw"] == '{"kind":"prediction"'


def test_values_that_do_not_fit_become_null_and_are_counted(bench):
    bench.model()
    bench.write(
        "rows",
        [
            prediction(1),
            prediction(2, features={"ink": "much"}),
            prediction(3, features={"ink": None}),
            prediction(4, features=None),
        ],
    )
    assert bench.compact().rejected == 1
    rows = bench.ask("SELECT id, features.ink AS ink FROM predictions ORDER BY id", model="digits")
    assert [row["ink"] for row in rows] == [0.1, None, None, None]
    assert bench.ask("SELECT rows, reason FROM rejected") == [
        {"rows": 1, "reason": "feature 'ink' of model 'digits': value is not a DOUBLE, kept as NULL"}
    ]


def test_two_models_with_a_feature_of_one_name_and_two_types_do_not_disturb_each_other(bench):
    bench.model("a", features=(("x", "number"),))
    bench.model("b", features=(("x", "text"),))
    bench.write(
        "rows", [prediction(1, model="a", features={"x": 1.5}), prediction(1, model="b", features={"x": "red"})]
    )
    for _ in range(2):
        assert bench.ask("SELECT features.x AS x FROM predictions", model="a") == [{"x": 1.5}]
        assert bench.ask("SELECT features.x AS x FROM predictions", model="b") == [{"x": "red"}]
        assert bench.ask("SELECT count(*) AS n FROM predictions") == [{"n": 2}]
        bench.compact()


def test_a_column_that_comes_later_is_null_before(bench):
    bench.model()
    bench.write("rows", [prediction(1)])
    bench.compact()
    bench.model(features=(("ink", "number"), ("slant", "number")))
    bench.write("rows", [prediction(2, features={"ink": 1, "slant": 2})])
    for _ in range(2):
        rows = bench.ask("SELECT features.slant AS slant FROM predictions ORDER BY id", model="digits")
        assert [row["slant"] for row in rows] == [None, 2.0]
        bench.compact()


def test_scores_by_class_give_the_score_of_the_prediction(bench):
    bench.model()
    bench.write(
        "rows",
        [prediction(1, prediction="cat", score={"cat": 0.7, "dog": 0.3}), prediction(2, prediction=True, score=0.2)],
    )
    assert [row["score"] for row in bench.ask("SELECT score FROM predictions ORDER BY id")] == [0.7, 0.2]


def test_the_latest_label_wins_and_the_history_stays(bench):
    bench.model()
    bench.write("rows", [prediction(1), label(1, "b", time=20), label(1, "a", time=10)])
    assert bench.ask("SELECT label FROM labels") == [{"label": "b"}]
    assert bench.ask("SELECT count(*) AS n FROM label_history") == [{"n": 2}]


def test_a_lease_goes_to_one_and_an_old_epoch_cannot_publish(bench):
    with hold(bench.engine, "compactor") as first:
        with hold(bench.engine, "compactor") as second:
            assert second is None
        assert bench.compact().segments == 0
    with hold(bench.engine, "compactor") as third, pytest.raises(LeaseLost), writing(bench.engine) as transaction:
        assert third.epoch == first.epoch + 1
        first.check(transaction)


def test_a_line_that_a_server_refused_is_counted_with_its_own_reason_and_text(bench):
    bench.model()
    told = {"kind": "rejected", "line": 7, "reason": "id of a prediction is missing", "raw": '{"kind":"prediction"}'}
    bench.write("rows", [prediction(0), told, prediction(1)])
    assert counted(bench)["n"] == 2
    assert bench.compact().rejected == 1
    assert bench.ask("SELECT line, reason, raw FROM rejected") == [
        {"line": 7, "reason": told["reason"], "raw": told["raw"]}
    ]


@pytest.mark.parametrize("said", ['a"b', "a\\b", '"', "\\", "[1]", "é", "", "*", "a/b", "~", "1.5"])
def test_the_score_of_a_class_of_any_name_is_found(bench, said):
    bench.model()
    bench.write("rows", [prediction(0, prediction=said, score={said: 0.25, "other": 0.75})])
    for _ in range(2):
        assert bench.ask("SELECT prediction, score FROM predictions") == [{"prediction": said, "score": 0.25}]
        bench.compact()


def test_a_log_line_may_begin_with_a_bracket_without_being_read_the_slow_way(bench):
    from watchglass.store import loading

    bench.write("rows", [{"kind": "log", "message": "[worker] up", "time": BEGIN}])
    before = loading._one_by_one
    loading._one_by_one = None
    try:
        assert bench.compact().rows == 1
    finally:
        loading._one_by_one = before


def test_a_frame_of_predictions_is_compacted_beside_lines_of_labels_alone(tmp_path):
    import polars as pl

    import watchglass as wg
    from watchglass.capture import recorder

    wg.init(tmp_path)
    frame = pl.DataFrame({"p": [1], "t": [1.7e9], "ink": [0.5], "id": ["7"]})
    wg.log_predictions("digits", frame, prediction="p", time="t", id="id")
    wg.log_label("digits", "7", 1)
    recorder.close()
    with wg.open(tmp_path) as store:
        assert store.compact().rows == 2
        assert len(store.sql("SELECT * FROM predictions JOIN labels USING (model, environment, id)")) == 1
