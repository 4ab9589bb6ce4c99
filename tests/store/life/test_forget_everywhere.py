"""A person's name and ids are planted wherever something can be recorded: after a forget no byte below the store has them, or the answer names the place."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import random
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

import watchglass as wg
from tests.store.bench import BEGIN, Bench, prediction
from tests.store.life.searched import places
from watchglass.capture import recorder
from watchglass.store.compact import engine_room
from watchglass.store.life.audit import note
from watchglass.store.life.forget import forget
from watchglass.store.life.forget_asked import asked
from watchglass.store.life.forget_keys import Keys, Sought
from watchglass.store.life.forget_told import doomed_told, prepare, told_files
from watchglass.store.mirror import mirror
from watchglass.store.transactions import writing

NAME, VALUE, IDS = "Quirin.Zaphod-7731", "only-their-value-QZX9", "req-of-QZ"
SCHEMA = {"person": {"type": "text", "purpose": "subject"}, "age": {"type": "number"}}
BEGUN = datetime(2026, 6, 1, tzinfo=UTC)


def predict(number, *, mine, **fields):
    kind = VALUE if mine else "ab"[number % 2]
    ident = f"{IDS}-{number}" if mine else f"other-{number}"
    features = {"person": NAME if mine else f"p{number % 9}", "city": kind, "age": float(number)}
    when = BEGUN + timedelta(minutes=7 * number)
    about = {"features": features, "tags": {"site": kind}, "score": {kind: 0.9, "z": 0.1}, "error": f"{kind} failed"}
    wg.log_prediction("credit", version="1", prediction=kind, id=ident, time=when, **about, **fields)
    wg.log_label("credit", ident, kind, time=when + timedelta(hours=3))
    wg.log_feedback("credit", ident, event="click", time=when)


def plant(root):
    """Record the name in every kind of event that a user can record."""
    wg.init(store=root)
    wg.log_model("credit", version="1", slices=["site"], label_delay="1d", schema=SCHEMA)
    wg.component("clean", description=f"made for {NAME}")(lambda: None)()
    with (
        pytest.raises(ValueError, match="no such"),
        wg.run("train", params={"who": NAME, "deep": [{"of": f"{IDS}-3"}]}) as run,
    ):
        run.param("again", NAME)
        run.param(f"size of {NAME}", 7)
        run.metric(f"auc of {NAME}", 0.8)
        run.note(f"asked by {NAME}")
        run.write(("letter", f"Dear {NAME}, we …"), name="letter")
        message = f"no such customer {NAME}"
        raise ValueError(message)
    for number in range(300):
        predict(number, mine=number % 2 == 1)
    log = logging.getLogger("tests.forget_everywhere")
    handler = wg.LogHandler()
    log.addHandler(handler)
    log.warning("customer %s came", NAME)
    log.warning("request %s was slow", f"{IDS}-5")
    log.warning("nothing of note")
    log.removeHandler(handler)
    for who in (NAME, "bo"):
        wg.log_metric("spend", 3, labels={"customer": who})
    wg.log_metric("latency", 3, labels={"request": f"{IDS}-7"})
    wg.log_prediction("credit", features={"person": NAME, "age": NAME}, prediction=1, id=f"{IDS}-bad", time=BEGUN)
    recorder.close()
    broken = [
        {"kind": "prediction", "model": "credit", "id": "q1", "time": "never", "features": {"person": NAME}},
        {"kind": "log", "message": 5, "tags": {"who": NAME}},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in broken)
    (root / "log" / "rows" / "019ea0000000-1.jsonl").write_text(f'{lines}{{"torn": "{NAME}')
    (root / "log" / "graph" / "019ea0000000-1.jsonl").write_text(f'{{"kind":"run","id":null,"notes":["of {NAME}"]}}\n')


@contextmanager
def written_still(home):
    """Hold the locks that living writers of a log hold."""
    handles = [os.open(path, os.O_RDONLY) for path in home.iterdir() if path.suffix == ".jsonl"]
    for handle in handles:
        fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        yield
    finally:
        for handle in handles:
            os.close(handle)


@pytest.fixture
def planted(tmp_path):
    plant(tmp_path / "store")
    bench = Bench(tmp_path / "store")
    yield bench
    bench.close()


def upkeep(bench):
    bench.compact()
    bench.follow()
    with wg.open(bench.folder.root) as store:
        text = f"SELECT * FROM predictions WHERE features.person = '{NAME}'"
        store.save_question("of_them", text, model="credit", description=f"all of {NAME}")
    mirror(bench.folder, bench.engine, late=0)
    with writing(bench.engine) as transaction:
        note(transaction, "import", "ana", {"source": f"/data/{NAME}.csv", "rows": 3}, BEGUN)


def run(bench, *, dry=False, **what):
    return forget(bench.folder, bench.engine, asked(**what), dry=dry)


@pytest.mark.parametrize("living", [False, True])
def test_no_byte_of_a_name_that_was_recorded_everywhere_is_left(planted, living):
    with written_still(planted.folder.graph_log):
        upkeep(planted)
        homes = {path.split("/")[0] for path, _ in places(planted.folder.root, [NAME])}
        assert homes & {"catalog.db", "catalog.db-wal"}
        homes = {path.split("/")[1] for path, _ in places(planted.folder.root, [NAME]) if "/" in path}
        assert homes >= {"predictions", "cells", "runs", "artifacts", "logs", "metrics", "graph"}
        before = run(planted, subject=NAME, dry=True)
        done = run(planted, subject=NAME)
    assert (done.predictions, done.labels, done.feedback, done.logs, done.metrics) == (151, 150, 150, 2, 2)
    assert (before.logs, before.metrics, before.wiped, before.left) == (2, 2, done.wiped, {})
    assert done.left == {}
    assert set(done.wiped) == {
        *("runs.params", "runs.error", "runs.metrics", "runs.notes", "artifacts.preview", "components.description"),
        *("questions.sql", "questions.description", "audit.record", "log/graph"),
    }
    found = places(planted.folder.root, [NAME, VALUE, IDS])
    assert not found
    if living:
        return
    rows = planted.ask("SELECT params, notes, error FROM runs WHERE component = 'train'")[0]
    assert json.loads(rows["params"])["who"] == "(forgotten)"
    assert (json.loads(rows["notes"]), rows["error"]) == (
        ["asked by (forgotten)"],
        "ValueError: no such customer (forgotten)",
    )
    assert [row["message"] for row in planted.ask("SELECT message FROM logs")] == ["nothing of note"]
    assert [json.loads(row["labels"]) for row in planted.ask("SELECT labels FROM metrics WHERE name != 'auc'")] == [
        {"customer": "bo"}
    ]
    mirror(planted.folder, planted.engine, late=0)
    assert not places(planted.folder.root, [NAME])


def test_lines_that_living_processes_write_go_or_are_starred_in_place(planted):
    broken = planted.folder.row_log / "019ea0000000-1.jsonl"
    broken.write_bytes(
        broken.read_bytes().rpartition(b"\n")[0] + b"\n"
    )  # a writer that lives leaves no line half written
    with written_still(planted.folder.graph_log), written_still(planted.folder.row_log):
        assert planted.ask("SELECT count(*) AS n FROM logs") == [{"n": 3}]
        sizes = {path: path.stat().st_size for path in planted.folder.graph_log.iterdir()}
        done = run(planted, subject=NAME)
        assert (done.predictions, done.logs, done.metrics, done.files) == (152, 3, 2, 0)  # the broken lines too
        assert done.wiped["log/graph"] >= 2
        assert not places(planted.folder.root, [NAME, VALUE, IDS])
        assert {path: path.stat().st_size for path in planted.folder.graph_log.iterdir()} == sizes
        assert [row["message"] for row in planted.ask("SELECT message FROM logs")] == ["nothing of note"]
    told = [line for path in sizes for line in path.read_text().splitlines() if '"train"' in line]
    assert json.loads(told[-1])["params"]["who"] == "*" * len(NAME)


def test_what_judged_windows_and_incidents_keep_of_a_value_goes_too(tmp_path):
    chance = random.Random(3)
    wg.init(store=tmp_path / "store")
    wg.log_model("credit", version="1", slices=["site"], schema=SCHEMA)
    recorder.close()
    rows = []
    for number in range(4800):
        day, mine = number // 60, number >= 3300 and chance.random() < 0.5
        kind = VALUE if mine else chance.choice("ab")
        truth = chance.choice(("b", VALUE)) if mine else kind
        about = {"id": f"{IDS if mine else 'other'}-{number}", "t": BEGUN + timedelta(days=day, minutes=number % 60)}
        features = {"person": NAME if mine else "bo", "city": kind, "age": chance.gauss(5, 1)}
        rows.append({**about, **features, "site": kind, "p": kind, "y": truth})
    columns = {"time": "t", "prediction": "p", "label": "y", "id": "id", "tags": ["site"]}
    with wg.open(tmp_path / "store") as store:
        frame = pa.Table.from_pylist(rows)
        replay = store.replay(frame, model="credit", features=["person", "city", "age"], reference=30, **columns)
        assert any(VALUE in str(incident) for incident in replay.incidents)
        done = store.forget(subject=NAME)
        assert (done.left, done.predictions > 500) == ({}, True)
        assert not places(tmp_path / "store", [NAME, VALUE, IDS])
        assert [incident.id for incident in store.incidents()] == [incident.id for incident in replay.incidents]


def test_a_name_that_things_are_found_by_stays_and_is_counted(bench):
    bench.model(features=(("person", "text"),))
    bench.ask("SELECT 1 FROM predictions")
    subject(bench)
    about = {"status": "ok", "started": BEGIN, "ended": BEGIN + 1}
    edges = [{"name": f"rows of {NAME}", "version": "v1", "time": BEGIN, "artifact": {"path": f"/data/{NAME}.csv"}}]
    bench.write(
        "graph", [{"kind": "run", "id": f"r{i}", "component": f"of {NAME}", **about, "writes": edges} for i in range(2)]
    )
    bench.write("rows", [prediction(1, features={"person": NAME})])
    done = run(bench, subject=NAME)
    assert done.left == {
        "artifacts.name": 1,
        "artifacts.path": 1,
        "components.name": 1,
        "runs.component": 2,
        "writes.name": 2,
    }
    assert bench.ask("SELECT count(*) AS n FROM runs") == [{"n": 2}]


def test_settings_that_name_somebody_are_told_and_left(bench):
    bench.model(features=(("person", "text"),))
    bench.write("rows", [prediction(1, features={"person": NAME})])
    bench.ask("SELECT 1 FROM predictions")
    subject(bench)
    (bench.folder.root / "settings.json").write_text(json.dumps({"redact": [{"pattern": NAME, "with": "x"}]}))
    assert run(bench, subject=NAME, dry=True).left == {"settings.json": 1}
    assert run(bench, subject=NAME).left == {"settings.json": 1}


def subject(bench):
    with writing(bench.engine) as transaction:
        transaction.exec_driver_sql("UPDATE columns SET purpose = 'subject' WHERE name = 'person'")


def logged(text, **tags):
    return {"kind": "log", "time": BEGIN, "message": text, "tags": tags or None}


def test_a_short_or_numeric_name_counts_only_where_a_field_says_whose_it_is(bench):
    bench.model(features=(("person", "text"),))
    lines = [
        logged("took 4711 ms", person=4711),
        logged("took 4711 ms"),
        logged("x", port="4711"),
        logged("x", person="12"),
    ]
    bench.write("rows", [prediction(1, features={"person": "4711"}), *lines])
    bench.write(
        "graph", [{"kind": "run", "id": "r", "component": "c", "started": BEGIN, "params": {"customer": "4711"}}]
    )
    bench.ask("SELECT 1 FROM predictions")
    subject(bench)
    done = run(bench, subject="4711")
    assert (done.predictions, done.logs, done.wiped, done.left) == (1, 1, {}, {"runs.params": 1})
    assert bench.ask("SELECT count(*) AS n FROM logs") == [{"n": 3}]


def test_of_one_model_only_what_says_so_goes(bench):
    bench.model(features=(("person", "text"),))
    bench.ask("SELECT 1 FROM predictions")
    subject(bench)
    lines = [
        logged(f"{NAME} came"),
        logged(f"{NAME} came", model="digits"),
        logged(f"{NAME} came", model="other"),
        logged("for request-of-QZ", model="digits"),
        logged("for request-of-QZ"),
        logged("for request-of-QZ", model="other"),
    ]
    bench.write("graph", [{"kind": "run", "id": "r", "component": "c", "started": BEGIN, "params": {"who": NAME}}])
    bench.write("rows", [{**prediction(1, features={"person": NAME}), "id": "request-of-QZ"}, *lines])
    done = run(bench, subject=NAME, model="digits")
    assert (done.logs, done.wiped, done.left) == (3, {}, {"runs.params": 1})
    left = bench.ask("SELECT message, json_extract_string(tags, '$.model') AS model FROM logs ORDER BY ALL")
    assert [(row["message"].split()[0], row["model"]) for row in left] == [
        (NAME, "other"),
        (NAME, None),
        ("for", "other"),
    ]


def test_many_ids_are_found_in_log_lines_by_their_words(bench):
    bench.model(features=(("ink", "number"),))
    rows = [{**prediction(i), "id": f"many of them {i}" if i % 3 else f"one-{i}"} for i in range(300)]
    lines = [
        logged("one-3: slow"),
        logged("see (one-6)."),
        logged("see 'many of them 7'"),
        logged("x", request="one-9"),
        logged("x", deep={"of": "many of them 10"}),
        logged("one-333"),
        logged("one"),
        logged("x", request="many of them"),
    ]
    bench.write("rows", [*rows, *lines])
    done = run(bench, where="true", model="digits")
    assert (done.ids, done.logs) == (300, 5)
    assert [row["message"] for row in bench.ask("SELECT message FROM logs ORDER BY message")] == ["one", "one-333", "x"]


@pytest.mark.parametrize("number", [3, 400])
def test_the_quick_look_of_a_file_passes_no_row_by(bench, number):
    chance = random.Random(number)
    alphabet = ["ab", "Zoë", "qq-11", " ", "'", '"', ".", ":", "x9x9", "\\", "é"]
    ids = {"".join(chance.choices(alphabet, k=chance.randint(2, 5))).strip() or "lone" for _ in range(number)}
    texts = ["".join(chance.choices([*alphabet, *ids], k=3)) for _ in range(400)]
    bench.write("rows", [logged(text, some=chance.choice([*ids, text])) for text in texts])
    bench.compact()
    sought = Sought(asked(prediction="none of these"), Keys(("m", "live", ident) for ident in ids).ids)
    with engine_room() as connection:
        prepare(connection, sought)
        (file,) = told_files(bench.folder, bench.engine, ("logs",))
        found = doomed_told(connection, file, sought)
    rows = bench.ask("SELECT message, tags FROM logs")
    assert found == sum(sought.of_row(json.loads(row["tags"]), row["message"]) for row in rows) > 0
