"""Rows past their time go, file by file; what was counted of them stays, and no label is counted twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import watchglass as wg
from tests.store.bench import BEGIN, DAY, label, prediction
from watchglass.capture.retention import Limit, retention
from watchglass.cli.main import commands
from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.histories import history
from watchglass.store.life.retention import expire, expire_if_due
from watchglass.store.merge import FAN_IN, merge
from watchglass.store.models import moment
from watchglass.store.sweep import REPLACED_AGE, sweep
from watchglass.store.tuning import replace_settings
from watchglass.store.upkeep import keep

BEGUN = moment(BEGIN)


def keeps(bench, **tables):
    replace_settings(bench.folder, {"retention": tables})


def fill(bench, days=10, rows=4):
    """A file of predictions a day."""
    bench.model()
    for day in range(days):
        bench.write("rows", [prediction(day * rows + n, time=BEGIN + day * DAY + n) for n in range(rows)])
        bench.compact()
    bench.follow()


def at(day):
    return BEGUN + timedelta(days=day, hours=12)


def run(bench, day, **how):
    return expire(bench.folder, bench.engine, at(day), **how)


def count(bench, view="predictions"):
    return bench.ask(f"SELECT count(*) AS n FROM {view}")[0]["n"]


def audits(bench):
    with bench.engine.connect() as connection:
        query = sa.select(c.audit.c.record).where(c.audit.c.action == "retention").order_by(c.audit.c.id)
        return [json.loads(text) for text in connection.execute(query).scalars()]


def mark(bench, name):
    with bench.engine.connect() as connection:
        return connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == name)).scalar()


def test_whole_files_past_their_days_go_and_the_cells_still_count_them(bench):
    fill(bench)
    before = history(bench.folder, bench.engine, "digits")
    keeps(bench, predictions={"days": 3})
    done = run(bench, 10)
    assert (done.files, done.rows) == (7, 28)
    assert [(g.table, g.model, g.first, g.last) for g in done.tables] == [
        ("predictions", "digits", BEGUN, BEGUN + timedelta(days=6, microseconds=3))
    ]
    assert count(bench) == 12
    after = history(bench.folder, bench.engine, "digits")
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.columns[0].counts, after.columns[0].counts)
    assert bench.follow() == 0
    assert run(bench, 10).rows == 0, "what went does not go again"


def test_what_went_is_in_the_audit_in_the_status_and_marked_for_late_labels(bench):
    fill(bench)
    keeps(bench, predictions={"days": 3})
    run(bench, 9)
    run(bench, 10)
    told = audits(bench)
    assert [record["rows"] for record in told] == [24, 4]
    assert told[1]["tables"] == [
        {
            "table": "predictions",
            "model": "digits",
            "files": 1,
            "rows": 4,
            "bytes": told[1]["tables"][0]["bytes"],
            "first": (BEGUN + timedelta(days=6)).isoformat(),
            "last": (BEGUN + timedelta(days=6, microseconds=3)).isoformat(),
        }
    ]
    assert mark(bench, "expired:predictions:digits") == BEGIN + 6 * DAY + 4
    with wg.open(bench.folder.root) as store:
        assert store.status().expired == 28


def test_a_dry_run_says_what_would_go_and_changes_nothing(bench):
    fill(bench)
    keeps(bench, predictions={"days": 3})
    dry = run(bench, 10, dry=True)
    assert (dry.rows, dry.dry, count(bench), audits(bench)) == (28, True, 40, [])
    assert run(bench, 10).rows == dry.rows


def test_the_files_lie_there_for_questions_that_began_before_and_then_are_swept(bench):
    fill(bench)
    keeps(bench, predictions={"days": 3})
    run(bench, 10)
    lying = len(list(bench.folder.tables.glob("predictions/*.parquet")))
    assert lying == 10
    import time

    sweep(bench.folder, bench.engine, now=time.time() + REPLACED_AGE + 1)
    assert len(list(bench.folder.tables.glob("predictions/*"))) == 6, "three files and their indexes"
    with wg.open(bench.folder.root) as store:
        assert [f for f in store.doctor().findings if f.severity == "error"] == []


@pytest.mark.parametrize(
    ("past", "left"), [(11, 9), (9, 20)], ids=["more than half past: written anew", "less than half: it waits"]
)
def test_a_file_that_straddles_is_written_anew_when_more_than_half_is_past(bench, past, left):
    bench.model()
    times = [BEGIN + DAY - 1 - n for n in range(past)] + [BEGIN + DAY + n for n in range(20 - past)]
    bench.write("rows", [prediction(n, time=time) for n, time in enumerate(times)])
    bench.compact()
    bench.follow()
    keeps(bench, predictions={"days": 5})
    assert run(bench, 6).rows == 20 - left
    assert count(bench) == left
    assert len(bench.ask("SELECT * FROM predictions WHERE id = 'p19'")) == 1, "its index is that of the new file"
    assert bench.follow() == 0, "rows written anew are no new data"


def test_a_file_whose_oldest_row_is_past_by_a_day_is_written_anew_however_few_they_are(bench):
    bench.model()
    bench.write("rows", [prediction(n, time=BEGIN + (0 if n == 0 else 3 * DAY) + n) for n in range(20)])
    bench.compact()
    bench.follow()
    keeps(bench, predictions={"days": 5})
    assert run(bench, 6).rows == 0
    assert run(bench, 7).rows == 1


def test_the_oldest_files_go_until_the_table_is_small_enough(bench):
    fill(bench)
    with bench.engine.connect() as connection:
        sizes = connection.execute(sa.select(c.files.c.bytes).where(c.files.c.kind == "predictions")).scalars().all()
    keeps(bench, predictions={"bytes": sum(sizes[6:])})
    assert run(bench, 10).files == 6
    assert bench.ask("SELECT min(time) AS t FROM predictions")[0]["t"] == at(6).replace(hour=0)


def test_rows_that_the_cells_have_not_counted_stay(bench):
    fill(bench)
    bench.write("rows", [prediction(99, time=BEGIN)])
    bench.compact()
    keeps(bench, predictions={"days": 3})
    run(bench, 30)
    assert count(bench) == 1
    bench.follow()
    run(bench, 30)
    assert (count(bench), history(bench.folder, bench.engine, "digits").rows[0]) == (0, 5)


def test_a_merge_under_way_does_not_bring_rows_back(bench, monkeypatch):
    from watchglass.store import merge as merging

    fill(bench, days=FAN_IN)
    keeps(bench, predictions={"days": 1})
    wrote = merging._write

    def slow(*arguments):
        found = wrote(*arguments)
        run(bench, 30)
        return found

    monkeypatch.setattr(merging, "_write", slow)
    merge(bench.folder, bench.engine)
    assert count(bench) == 0


def test_files_merged_meanwhile_wait_for_the_next_run(bench, monkeypatch):
    from watchglass.store.life import retention as expiring

    fill(bench, days=FAN_IN)
    keeps(bench, predictions={"days": 1})
    planned = expiring._plan

    def late(*arguments):
        found = planned(*arguments)
        merge(bench.folder, bench.engine)
        return found

    monkeypatch.setattr(expiring, "_plan", late)
    assert run(bench, 30).rows == 0
    assert count(bench) == 4 * FAN_IN
    monkeypatch.undo()
    assert run(bench, 30).rows == 4 * FAN_IN


def test_a_label_stays_while_its_prediction_is_left_so_that_a_correction_counts_once(bench):
    fill(bench, days=2)
    bench.write("rows", [label(n, n % 10, time=BEGIN - 30 * DAY + n) for n in range(8)])
    bench.write("rows", [label(n, 3, time=BEGIN - 30 * DAY + n) for n in range(100, 110)])  # of no prediction
    bench.compact()
    bench.follow()
    keeps(bench, predictions={"days": 1}, labels={"days": 1})
    done = run(bench, 2)
    assert {g.table: g.rows for g in done.tables} == {"predictions": 4, "labels": 14}
    assert count(bench, "labels") == 4
    counted = history(bench.folder, bench.engine, "digits").labels
    bench.write("rows", [label(n, 7, time=BEGIN + DAY) for n in range(8)])
    bench.compact()
    bench.follow()
    now = history(bench.folder, bench.engine, "digits").labels
    assert now.known_at(99)[0][:, 0].tolist() == counted.known_at(99)[0][:, 0].tolist() == [4, 4]


def test_labels_go_by_size_only_where_no_prediction_is_left(bench):
    fill(bench, days=2)
    for first in (0, 100):
        bench.write("rows", [label(n, 3, time=BEGIN + n) for n in range(first, first + 8)])
        bench.compact()
    bench.follow()
    keeps(bench, labels={"bytes": 1})
    assert [(g.table, g.files, g.rows) for g in run(bench, 2).tables] == [("labels", 1, 8)]
    assert count(bench, "labels") == 8


def test_metrics_and_logs_have_limits_of_their_own(bench):
    for day in range(4):
        bench.write(
            "rows",
            [
                {"kind": "metric", "name": "queue", "value": 1, "time": BEGIN + day * DAY},
                {"kind": "log", "message": "m", "level": "info", "time": BEGIN + day * DAY},
            ],
        )
        bench.compact()
    keeps(bench, metrics={"days": 1}, logs={"days": 2})
    run(bench, 3)
    assert (count(bench, "metrics"), count(bench, "logs")) == (2, 3)


def test_upkeep_does_it_once_an_hour(bench):
    fill(bench)
    assert expire_if_due(bench.folder, bench.engine, at(10)) is None, "nothing says what to keep"
    keeps(bench, predictions={"days": 3})
    assert expire_if_due(bench.folder, bench.engine, at(10)).rows == 28
    keeps(bench, predictions={"days": 2})
    assert expire_if_due(bench.folder, bench.engine, at(10) + timedelta(minutes=59)) is None
    assert expire_if_due(bench.folder, bench.engine, at(10) + timedelta(minutes=61)).rows == 4
    assert keep(bench.folder, bench.engine).expired == 8, "the clock on the wall is later than any of this"


def test_settings_that_cannot_be_read_keep_everything_and_nothing_else_waiting(bench, caplog):
    from watchglass.capture import drops

    drops._warned.pop("retention", None)
    fill(bench)
    (bench.folder.root / "settings.json").write_text('{"retention": {"predictions": {"days": "many"}}}')
    bench.write("rows", [prediction(99)])
    assert keep(bench.folder, bench.engine).rows == 1
    assert "a whole number of days" in caplog.text
    with pytest.raises(BadInput, match="whole number of days"):
        run(bench, 10)


def test_the_command_says_what_would_go_and_lets_it_go(bench):
    fill(bench)
    folder = str(bench.folder.root)
    setting = '{"predictions": {"days": 30, "bytes": "50 GB"}}'
    said = CliRunner().invoke(commands, ["config", "set", "retention", setting, "--store", folder])
    assert "within the hour" in said.output
    dry = CliRunner().invoke(commands, ["expire", "--dry-run", "--store", folder], env={"COLUMNS": "200"})
    assert "40 rows of 10 files would go" in dry.output
    assert "digits" in dry.output
    done = json.loads(CliRunner().invoke(commands, ["expire", "--json", "--store", folder]).output)
    assert (done["rows"], count(bench)) == (40, 0)
    assert datetime.fromisoformat(done["time"]).tzinfo == UTC


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "would do"),
        ({"predicitons": {"days": 1}}, "the tables are predictions"),
        ({"logs": 14}, "says 14 of logs"),
        ({"logs": {"weeks": 2}}, "it can have days and bytes"),
        ({"logs": {"days": 0}}, "whole number of days from 1"),
        ({"logs": {"days": True}}, "whole number of days from 1"),
        ({"logs": {"bytes": "lots"}}, "50GB"),
        ({"logs": {"bytes": "5 parsec"}}, "50GB"),
        ({"logs": {"bytes": "nanGB"}}, "50GB"),
        ({"logs": {"bytes": 0}}, "50GB"),
        ({"cells": {"days": 9}}, "it can have fine_days"),
        ({"labels": {"days": 9}}, "predictions for ever"),
        ({"predictions": {"days": 10}, "labels": {"days": 9}}, "predictions 10 days"),
    ],
)
def test_a_setting_that_would_not_do_says_what_would(given, says):
    with pytest.raises(BadInput, match=says):
        retention(given, "a test")


def test_sizes_are_read_as_people_write_them():
    read = {text: retention({"logs": {"bytes": text}}, "a test").of("logs") for text in ("5", "1kB", "2 MiB", "0.5GB")}
    assert read == {
        "5": Limit(None, 5),
        "1kB": Limit(None, 1000),
        "2 MiB": Limit(None, 2 << 20),
        "0.5GB": Limit(None, 500_000_000),
    }


def test_a_running_recorder_passes_it_by_without_a_word(bench, caplog):
    keeps(bench, predictions={"days": 3})
    wg.init(store=str(bench.folder.root))
    wg.log_prediction("digits", features={"ink": 1.0}, prediction=1)
    from watchglass.capture import tuning

    tuning.tick()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("damaged", "lost"), [(1, [0, 0, 1]), (2, [3, 0, 1])], ids=["the newest file of counts is damaged", "two are"]
)
def test_a_doctor_that_counts_anew_keeps_the_counts_of_rows_that_went(bench, damaged, lost):
    fill(bench)
    bench.write("rows", [prediction(90 + n, time=BEGIN + n) for n in range(3)])  # late rows of the first day
    bench.write("rows", [label(n, n % 10) for n in range(20, 40)])
    bench.compact()
    bench.follow()
    keeps(bench, predictions={"days": 3})
    run(bench, 10)
    bench.write("rows", [prediction(200 + n, time=BEGIN + 9 * DAY + n) for n in range(4)])
    bench.write("rows", [prediction(300, time=BEGIN + 2 * DAY)])  # a late one of a day whose rows are gone
    bench.compact()
    bench.follow()
    before = history(bench.folder, bench.engine, "digits")
    assert before.rows.tolist() == [7, 4, 5, 4, 4, 4, 4, 4, 4, 8]
    with bench.engine.connect() as connection:
        query = sa.select(c.files.c.path).where(c.files.c.kind == "cells", c.files.c.removed.is_(None))
        paths = connection.execute(query.order_by(c.files.c.seq.desc())).scalars().all()
    assert len(paths) == 3
    for path in paths[:damaged]:
        (bench.folder.tables / path).write_bytes(b"nothing")
    with wg.open(bench.folder.root) as store:
        assert store.doctor(mend=True).sound
        store.compact()
    after = history(bench.folder, bench.engine, "digits")
    assert (before.rows - after.rows).tolist() == [*lost, 0, 0, 0, 0, 0, 0, 0], "what lay in the damaged files alone"
    now, then = (told.labels.known_at(99)[0][:, 0].tolist() for told in (after, before))
    assert now[7:] == then[7:] == [4, 4, 4]
    assert now[5:7] == ([4, 4] if damaged == 1 else [0, 0])
    with wg.open(bench.folder.root) as store:
        assert store.doctor(mend=True).sound
    assert history(bench.folder, bench.engine, "digits").rows.tolist() == after.rows.tolist()
