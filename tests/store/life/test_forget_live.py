"""What a living process still writes is forgotten where it lies: its lines turn to blanks, it writes on, and no reader notices but by the rows."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time

import pytest

from tests.store.bench import Bench, label, prediction
from tests.store.life.searched import places
from watchglass.store import catalog as c
from watchglass.store.life.forget import forget
from watchglass.store.life.forget_asked import asked
from watchglass.store.transactions import writing

NAME = "Zoë Ångström-Kaya"
WRITING = """
import sys
import watchglass as wg
wg.init(store=sys.argv[1])
def serve(first, count):
    for i in range(first, first + count):
        who = sys.argv[2] if i % 4 == 0 else f"user {i}"
        ident = wg.log_prediction("fraud", version="1", features={"age": i, "who": who}, prediction=i % 2, id=f"p{i}")
        wg.log_label("fraud", f"p{i}", i % 2)
    wg.flush()
serve(0, 40)
print("written", flush=True)
for line in sys.stdin:
    serve(*map(int, line.split()))
    print("more", flush=True)
"""
ASKING = """
import json, sys, time
import watchglass as wg
seen = set()
with wg.open(sys.argv[1]) as store:
    print("ready", flush=True)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        rows = store.sql("SELECT count(*) AS n, count(features.who) AS w FROM predictions", model="fraud").rows()
        labels = store.sql("SELECT count(*) AS n FROM label_history").rows()
        for model in store.models():
            pass
        seen.add((rows[0]["n"], rows[0]["w"], labels[0]["n"]))
        if rows[0]["n"] == int(sys.argv[2]):
            break
print(json.dumps(sorted(seen)), flush=True)
"""


def running(*words):
    return subprocess.Popen([sys.executable, "-c", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def subject(bench, model, name):
    with writing(bench.engine) as transaction:
        chosen = (c.columns.c.model == model) & (c.columns.c.name == name)
        transaction.execute(c.columns.update().where(chosen).values(purpose="subject"))


@pytest.fixture
def writer(bench):
    with running(WRITING, str(bench.folder.root), NAME) as process:
        assert process.stdout.readline() == "written\n"
        yield process
        process.stdin.close()
        process.wait(timeout=30)


def more(writer, first, count):
    writer.stdin.write(f"{first} {count}\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "more\n"


def test_lines_that_a_living_process_wrote_are_blanked_and_it_writes_on(bench, writer):
    assert bench.ask("SELECT count(*) AS n FROM predictions") == [{"n": 40}]
    subject(bench, "fraud", "who")
    done = forget(bench.folder, bench.engine, asked(subject=NAME))
    assert (done.predictions, done.labels, done.lines, done.files) == (10, 10, 20, 0)
    assert done.segments >= 1
    assert not places(bench.folder.root, [NAME, '"p0"', '"p36"'])
    more(writer, 41, 3)
    assert bench.ask("SELECT count(*) AS n FROM predictions") == [{"n": 33}]
    assert bench.ask(f"SELECT count(*) AS n FROM predictions WHERE features.who = '{NAME}'", "fraud") == [{"n": 0}]
    assert bench.ask("SELECT count(*) AS n FROM label_history") == [{"n": 33}]


def test_blanks_are_compacted_as_nothing(bench, writer):
    bench.ask("SELECT 1 AS one FROM predictions LIMIT 1")
    subject(bench, "fraud", "who")
    forget(bench.folder, bench.engine, asked(subject=NAME))
    more(writer, 41, 3)
    writer.stdin.close()
    writer.wait(timeout=30)
    moved = bench.compact()
    assert (moved.rows, moved.rejected) == (66, 0)
    assert bench.ask("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions") == [{"n": 33, "ids": 33}]


def test_blanks_take_the_direct_way(bench):
    bench.model(features=(("ink", "number"),), tags=())
    lines = [
        json.dumps({key: value for key, value in prediction(i).items() if key != "tags"}).encode() for i in range(9)
    ]
    raw = b"\n".join(b" " * len(line) if place in (0, 4, 8) else line for place, line in enumerate(lines)) + b"\n"
    bench.write("rows", [], raw=raw)
    done = bench.compact()
    assert (done.rows, done.rejected) == (6, 0)


def test_rows_that_a_writer_and_the_tables_hold_go_together(bench, writer):
    bench.ask("SELECT 1 AS one FROM predictions LIMIT 1")
    subject(bench, "fraud", "who")
    old = prediction(900, model="fraud", features={"age": 1, "who": NAME}, tags={})
    bench.write("rows", [old, label(0, 1, model="fraud"), label(900, 1, model="fraud")])
    done = forget(bench.folder, bench.engine, asked(subject=NAME))
    assert (done.predictions, done.labels, done.files) == (11, 12, 2)
    assert not places(bench.folder.root, [NAME, '"p900"', '"p0"'])


def test_one_prediction_and_a_condition_reach_the_lines_too(bench, writer):
    assert forget(bench.folder, bench.engine, asked(prediction="p7")).lines == 2
    assert forget(bench.folder, bench.engine, asked(where="features.age IN (9, 11)", model="fraud")).lines == 4
    left = bench.ask("SELECT count(*) AS n FROM predictions WHERE id IN ('p7', 'p9', 'p11')")
    assert left == [{"n": 0}]


def test_a_broken_line_that_speaks_of_the_person_goes_too(bench):
    path = bench.write("rows", [prediction(1)], raw=f'{{"kind": "prediction", "id": "p2", "who": "{NAME}", \n'.encode())
    bench.ask("SELECT 1 AS one FROM predictions LIMIT 1")
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)  # as its living writer would
        with writing(bench.engine) as transaction:
            transaction.execute(c.models.insert().values(name="digits", time=0))
            values = {"model": "digits", "role": "feature", "name": "who", "type": "text", "purpose": "subject"}
            transaction.execute(c.columns.insert().values(**values))
        assert forget(bench.folder, bench.engine, asked(subject=NAME)).lines == 1
        assert not places(bench.folder.root, [NAME])
        assert bench.ask("SELECT id FROM predictions") == [{"id": "p1"}]
    finally:
        os.close(handle)


def test_a_reader_that_parsed_the_lines_before_does_not_show_them_again(bench, writer):
    other = Bench(bench.folder.root)
    try:
        assert other.ask("SELECT count(*) AS n FROM predictions") == [{"n": 40}]
        subject(bench, "fraud", "who")
        forget(bench.folder, bench.engine, asked(subject=NAME))
        assert other.ask("SELECT count(*) AS n FROM predictions") == [{"n": 30}]
    finally:
        other.close()


def test_a_process_that_asks_all_the_while_never_fails(bench, writer):
    bench.ask("SELECT 1 AS one FROM predictions LIMIT 1")
    subject(bench, "fraud", "who")
    for first in range(4):
        rows = [
            prediction(1000 + 100 * first + i, model="fraud", features={"age": i, "who": f"guest {i % 3}"}, tags={})
            for i in range(100)
        ]
        bench.write("rows", rows + [label(1000 + 100 * first + i, 1, model="fraud") for i in range(100)])
        bench.compact()
    bench.follow()
    with running(ASKING, str(bench.folder.root), "30") as asking:
        assert asking.stdout.readline() == "ready\n"
        for guest in range(3):
            time.sleep(0.1)
            forget(bench.folder, bench.engine, asked(subject=f"guest {guest}"))
        forget(bench.folder, bench.engine, asked(subject=NAME))
        said = asking.stdout.readline()
        asking.stdin.close()
        assert asking.wait(timeout=60) == 0
    seen = {tuple(row) for row in json.loads(said)}
    assert (30, 30, 30) in seen
    assert all(n == w and n - 30 in range(411) for n, w, _ in seen)
