"""What users do becomes labels by a model's rule, whatever comes first, however it is cut, once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN, Bench, prediction
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.compact import engine_room
from watchglass.store.doctor.examine import diagnose
from watchglass.store.labels import feedback
from watchglass.store.merge import merge
from watchglass.store.transactions import writing
from watchglass.store.upkeep import keep

SECOND = 1_000_000
RULE = {"event": "click", "within": "10s", "positive": 1, "negative": 0}
TORTURE = bool(os.environ.get("WATCHGLASS_TORTURE"))


def at(seconds):
    return datetime.fromtimestamp(BEGIN / 1e6, UTC) + timedelta(seconds=seconds)


def declare(bench, rule=None, name="digits"):
    bench.write("graph", [{"kind": "model", "name": name, "version": "1", "time": BEGIN, "feedback": rule or RULE}])


def served(number, seconds, **fields):
    return prediction(number, time=BEGIN + seconds * SECOND, **fields)


def done(number, seconds, event="click", **fields):
    told = {"kind": "feedback", "model": "digits", "id": f"p{number}", "event": event}
    return {**told, "time": BEGIN + round(seconds * SECOND), **fields}


def take(bench, *events):
    bench.write("rows", events)
    bench.compact()


def labels(bench):
    return {row["id"]: row["label"] for row in bench.ask("SELECT id, label FROM labels")}


def history(bench):
    rows = bench.ask("SELECT id, label, time FROM label_history ORDER BY time, label")
    return [(row["id"], row["label"], round((row["time"] - at(0)).total_seconds(), 6)) for row in rows]


def test_a_click_in_time_is_positive_and_none_by_expiry_is_negative(bench):
    declare(bench)
    take(bench, served(1, 0), served(2, 0), done(1, 4))
    assert feedback.apply(bench.folder, bench.engine, at(5)) == 1
    assert history(bench) == [("p1", "1", 4)]
    assert feedback.apply(bench.folder, bench.engine, at(9.9)) == 0
    assert feedback.apply(bench.folder, bench.engine, at(10)) == 1
    assert history(bench) == [("p1", "1", 4), ("p2", "0", 10)]
    assert feedback.apply(bench.folder, bench.engine, at(100)) == 0


def test_a_click_that_arrives_after_the_negative_was_written_makes_it_positive_from_the_expiry_on(bench):
    declare(bench)
    take(bench, served(1, 0))
    assert feedback.apply(bench.folder, bench.engine, at(50)) == 1
    take(bench, done(1, 4), done(1, 6))
    assert feedback.apply(bench.folder, bench.engine, at(51)) == 1
    assert history(bench) == [("p1", "0", 10), ("p1", "1", 10)]
    assert labels(bench) == {"p1": "1"}


def test_a_click_before_its_prediction_arrives_waits_for_it(bench):
    declare(bench)
    take(bench, done(1, 4))
    assert feedback.apply(bench.folder, bench.engine, at(50)) == 0
    take(bench, served(1, 0))
    assert feedback.apply(bench.folder, bench.engine, at(51)) == 1
    assert history(bench) == [("p1", "1", 4)]


def test_what_comes_too_late_too_early_twice_or_is_another_event_changes_nothing(bench):
    declare(bench)
    take(bench, served(1, 0), served(2, 5), served(3, 0), served(4, 0, environment="shadow"))
    take(bench, done(1, 10), done(2, 4.999), done(3, 2, "view"), done(4, 2))
    feedback.apply(bench.folder, bench.engine, at(20))
    assert labels(bench) == {"p1": "0", "p2": "0", "p3": "0", "p4": "0"}
    take(bench, done(2, 5), done(2, 5.5))
    feedback.apply(bench.folder, bench.engine, at(21))
    take(bench, done(2, 6), done(2, 5))
    assert feedback.apply(bench.folder, bench.engine, at(22)) == 0
    assert labels(bench)["p2"] == "1"


def test_the_negative_counts_at_expiry_and_the_cells_know_both_days(bench):
    bench.model()
    declare(bench)
    take(bench, served(1, 86_395))
    keep(bench.folder, bench.engine, now=at(86_410))
    take(bench, done(1, 86_396))
    made = keep(bench.folder, bench.engine, now=at(86_500))
    assert (made.labelled, made.counted) == (1, 1)
    with bench.engine.connect() as connection:
        cells = connection.execute(sa.select(c.files.c.path).where(c.files.c.kind == "cells")).scalars().all()
    with engine_room() as duck:
        told = duck.execute(
            "SELECT kind, day::VARCHAR, known::VARCHAR, sum(n)::INT FROM read_parquet(?) WHERE slice = '' AND kind IN ('labelled', 'correct')"
            " GROUP BY ALL HAVING sum(n) != 0 ORDER BY ALL",
            [[str(bench.folder.tables / path) for path in cells]],
        ).fetchall()
    assert told == [("correct", "2026-06-01", "2026-06-02", 1), ("labelled", "2026-06-01", "2026-06-02", 1)]


def test_a_rule_that_is_told_later_judges_what_is_there(bench):
    take(bench, served(1, 0), done(1, 4), served(2, 0), served(3, 90))
    assert feedback.apply(bench.folder, bench.engine, at(50)) == 0
    declare(bench)
    assert feedback.apply(bench.folder, bench.engine, at(50)) == 2
    assert labels(bench) == {"p1": "1", "p2": "0"}


def test_a_longer_rule_holds_for_what_had_not_expired(bench):
    declare(bench)
    take(bench, served(1, 0), served(2, 30))
    feedback.apply(bench.folder, bench.engine, at(35))
    declare(bench, {**RULE, "within": "60s"})
    take(bench, done(2, 75))
    feedback.apply(bench.folder, bench.engine, at(80))
    assert labels(bench) == {"p1": "0", "p2": "1"}
    declare(bench, {**RULE, "within": "1s"})
    take(bench, served(3, 70))
    feedback.apply(bench.folder, bench.engine, at(81))
    assert labels(bench)["p3"] == "0"


def test_a_shorter_rule_leaves_what_was_judged_and_a_positive_label_that_was_given(bench):
    declare(bench, {**RULE, "within": "60s"})
    take(bench, served(1, 0), served(2, 40), done(2, 70), served(3, 60))
    feedback.apply(bench.folder, bench.engine, at(75))
    assert labels(bench) == {"p1": "0", "p2": "1"}
    declare(bench, {**RULE, "within": "10s"})
    take(bench, done(3, 75), served(4, 74), done(4, 80))
    feedback.apply(bench.folder, bench.engine, at(90))
    assert labels(bench) == {"p1": "0", "p2": "1", "p3": "0", "p4": "1"}


def marks(bench):
    with bench.engine.connect() as connection:
        query = sa.select(c.watermarks.c.name).where(c.watermarks.c.name.startswith("feedback"))
        return set(connection.execute(query).scalars())


def test_a_rule_that_is_struck_makes_no_more_labels_and_holds_up_no_file(bench):
    declare(bench)
    take(bench, served(1, 0))
    feedback.apply(bench.folder, bench.engine, at(20))
    assert marks(bench)
    bench.write("graph", [{"kind": "model", "name": "digits", "version": "2", "time": BEGIN}])
    take(bench, served(2, 10))
    assert feedback.apply(bench.folder, bench.engine, at(25)) == 1, "a version without a word of it keeps the rule"
    bench.write("graph", [{"kind": "model", "name": "digits", "version": "3", "time": BEGIN, "feedback": {}}])
    take(bench, served(3, 20), done(3, 22))
    assert feedback.apply(bench.folder, bench.engine, at(60)) == 0
    assert (labels(bench), marks(bench)) == ({"p1": "0", "p2": "0"}, set())
    assert bench.ask("SELECT count(*) AS n FROM rejected")[0]["n"] == 0
    declare(bench)
    feedback.apply(bench.folder, bench.engine, at(70))
    assert labels(bench) == {"p1": "0", "p2": "0", "p3": "1"}


def test_a_rule_whose_positive_label_sorts_first_is_kept_aside_with_the_reason(bench):
    declare(bench, {**RULE, "positive": "click", "negative": "none"})
    bench.ask("SELECT 1 FROM models")
    (row,) = bench.ask("SELECT reason FROM rejected")
    assert "must sort last" in row["reason"]


def test_only_the_files_that_can_hold_something_are_read(bench, monkeypatch):
    declare(bench)
    for day in range(4):
        take(bench, served(day, day * 86_400), done(day, day * 86_400 + 3))
        feedback.apply(bench.folder, bench.engine, at(day * 86_400 + 60))
    take(bench, served(9, 3 * 86_400 + 100))
    read = []
    monkeypatch.setattr(
        feedback,
        "_rows",
        lambda folder, files, *more, rows=feedback._rows: (read.extend(files), rows(folder, files, *more))[1],
    )
    assert feedback.apply(bench.folder, bench.engine, at(3 * 86_400 + 200)) == 1
    assert [(file.kind, file.rows) for file in read] == [("predictions", 1)]
    read.clear()
    assert feedback.apply(bench.folder, bench.engine, at(9 * 86_400)) == 0
    assert read == []


def test_many_rows_go_in_steps_and_give_the_same(bench, monkeypatch):
    monkeypatch.setattr(feedback, "BATCH_ROWS", 5)
    declare(bench)
    chance = random.Random(5)
    events = [served(number, number) for number in range(40)]
    events += [done(number, number + chance.uniform(-5, 15)) for number in range(0, 40, 2)]
    chance.shuffle(events)
    for first in range(0, len(events), 4):
        take(bench, *events[first : first + 4])
    feedback.apply(bench.folder, bench.engine, at(100))
    assert labels(bench) == wanted(events)
    assert len(history(bench)) == len(set(history(bench)))


def wanted(events):
    """Apply the rule to everything at once; of an id that was predicted twice the later prediction decides."""
    last = {}
    for event in events:
        if event["kind"] == "prediction":
            last[event["id"]] = max(last.get(event["id"], 0), event["time"])
    clicks = [(event["id"], event["time"]) for event in events if event.get("event") == "click"]
    return {
        ident: "1" if any(who == ident and 0 <= when - time < 10 * SECOND for who, when in clicks) else "0"
        for ident, time in last.items()
    }


def read(bench):
    """Give the history and the labels that count from the files alone: what is asked of a store has tests of its own."""
    with bench.engine.connect() as connection:
        query = sa.select(c.files.c.path).where(c.files.c.kind == "labels", c.files.c.removed.is_(None))
        paths = [str(bench.folder.tables / path) for path in connection.execute(query).scalars()]
    if not paths:
        return [], {}
    with engine_room() as connection:
        told = connection.execute(
            "SELECT id, label, epoch_us(time) FROM read_parquet(?) ORDER BY epoch_us(time), label", [paths]
        ).fetchall()
    return told, {ident: label for ident, label, _ in told}


def publish(bench, events):
    """List events as files, as a compaction would."""
    with engine_room() as connection:
        for kind, wanted_kind, last in (("prediction", "predictions", "version"), ("feedback", "feedback", "event")):
            rows = [event for event in events if event["kind"] == kind]
            if not rows:
                continue
            listed = ", ".join(
                f"('{row['id']}', make_timestamp({row['time']}), 'digits', 'live', '{row[last]}', {row.get('prediction', 0)}::VARCHAR)"
                for row in rows
            )
            names = f"id, time, model, environment, {last}, prediction"
            made = parquet.write(
                bench.folder, connection, wanted_kind, "digits", f"SELECT * FROM (VALUES {listed}) t({names})", "time"
            )
            with writing(bench.engine) as transaction:
                transaction.execute(c.files.insert(), [made])


EVENTS = st.one_of(
    st.builds(served, st.integers(0, 3), st.integers(0, 20)),
    st.builds(done, st.integers(0, 3), st.integers(0, 32), st.sampled_from(["click", "click", "view"])),
)


@pytest.mark.many_stores
@settings(
    max_examples=300 if TORTURE else 25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(st.tuples(st.lists(EVENTS, max_size=5), st.integers(0, 12), st.booleans()), min_size=1, max_size=6)
)
def test_any_order_and_any_cut_give_what_the_rule_gives_at_once(tmp_path_factory, batches):
    bench = Bench(tmp_path_factory.mktemp("feedback") / "store")
    try:
        with writing(bench.engine) as transaction:
            transaction.execute(c.models.insert(), [{"name": "digits", "feedback": json.dumps(RULE), "time": 0}])
        events, now = [], 0
        for came, later, merged in batches:
            publish(bench, came)
            events += came
            now += later
            feedback.apply(bench.folder, bench.engine, at(now))
            if merged:
                monkeymerge(bench)
        feedback.apply(bench.folder, bench.engine, at(100))
        told, last = read(bench)
        assert last == wanted(events)
        rows = [event["id"] for event in events if event["kind"] == "prediction"]
        # one click may be the same label of two rows of an id, which says no more than once
        assert len(told) == len(set(told)) or len(rows) > len(set(rows))
    finally:
        bench.close()


def monkeymerge(bench):
    """Merge every file of a table into one, as many times smaller ones would be."""
    from watchglass.store import merge as merging

    before = merging.FAN_IN, merging.groups
    merging.FAN_IN = 2
    merging.groups = lambda parts, **_: [found] if len(found := list(parts)) >= 2 else []
    try:
        with writing(bench.engine) as transaction:  # as if the cells had counted all
            transaction.execute(c.watermarks.delete().where(c.watermarks.c.name == "cells"))
            transaction.execute(c.watermarks.insert(), [{"name": "cells", "seq": 1 << 40}])
        merge(bench.folder, bench.engine, 4)
    finally:
        merging.FAN_IN, merging.groups = before


APPLYING = """
import sys
from datetime import datetime
from watchglass.store.transactions import connect
from watchglass.store.folder import prepare
from watchglass.store.labels import feedback
feedback.BATCH_ROWS = 400
folder = prepare(sys.argv[1])
engine = connect(folder)
print("ready", flush=True)
feedback.apply(folder, engine, datetime.fromisoformat(sys.argv[2]))
print("done", flush=True)
sys.stdin.read()
"""


def applying(bench, now):
    words = [sys.executable, "-c", APPLYING, str(bench.folder.root), now.isoformat()]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_labels_are_written_once_however_often_the_writing_is_killed(bench):
    chance = random.Random(17)
    declare(bench)
    events, killed = [], 0
    for turn in range(30 if TORTURE else 4):
        made = [served(turn * 1000 + number, turn * 20 + number // 50) for number in range(1000)]
        made += [done(row["id"][1:], (row["time"] - BEGIN) / SECOND + chance.uniform(-2, 14)) for row in made[::3]]
        chance.shuffle(made)
        for first in range(0, len(made), 250):
            publish(bench, made[first : first + 250])
        events += made
        with applying(bench, at(turn * 20 + 15)) as process:
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(timeout=chance.uniform(0.02, 0.4))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=60)
    assert killed
    with applying(bench, at(10_000)) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "done\n"]
        process.stdin.close()
        process.wait(timeout=60)
    told, last = read(bench)
    assert last == wanted(events)
    assert len(told) == len(set(told))


@pytest.mark.catalog_file
@pytest.mark.parametrize("lost", ["the manifest's row", "the catalog"])
def test_feedback_and_its_labels_outlive_a_damaged_catalog(bench, lost):
    declare(bench)
    take(bench, served(1, 0), served(2, 0), done(1, 4))
    keep(bench.folder, bench.engine, now=at(20))
    bench.write("rows", [done(2, 30)])
    before = bench.ask("SELECT id, event, time FROM feedback ORDER BY time"), labels(bench)
    assert (len(before[0]), before[1]) == (2, {"p1": "1", "p2": "0"})
    if lost == "the catalog":
        bench.close()
        bench.folder.catalog.write_bytes(b"no catalog " * 1000)
    else:
        with writing(bench.engine) as transaction:
            transaction.execute(c.files.delete().where(c.files.c.kind == "feedback"))
        for path in (bench.folder.tables / "feedback").iterdir():
            os.utime(path, (1, 1))  # what is young may be about to be listed
        bench.close()
    assert not diagnose(bench.folder.root, now=datetime.now(UTC)).sound
    report = diagnose(bench.folder.root, now=datetime.now(UTC), mend=True)
    assert all(finding.mended for finding in report.findings if finding.severity == "error")
    keep(bench.folder, bench.engine, now=at(40))
    assert (bench.ask("SELECT id, event, time FROM feedback ORDER BY time"), labels(bench)) == before
    assert diagnose(bench.folder.root, now=datetime.now(UTC)).sound
