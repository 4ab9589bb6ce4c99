"""What is in the log and not yet in the tables: seen at once, parsed once, gone from memory when it is in the tables."""

from __future__ import annotations

import gc
import os
import threading
import time

import pytest

from tests.store.bench import BEGIN, prediction
from watchglass.store.reader import reader_of
from watchglass.store.segments import opened


def parsed(bench):
    return reader_of(bench.folder, bench.engine)._tail._parsed


def count(bench):
    row = bench.ask("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions")[0]
    assert row["n"] == row["ids"], "a row was seen twice"
    return row["n"]


def append(path, events, raw=b""):
    import json

    with path.open("ab") as file:
        file.write(b"".join(json.dumps(event).encode() + b"\n" for event in events) + raw)


def test_a_question_parses_only_what_came_since_the_one_before(bench):
    bench.model()
    path = bench.write("rows", [prediction(n) for n in range(10)])
    assert count(bench) == 10
    append(path, [prediction(n) for n in range(10, 15)])
    assert count(bench) == 15
    ranges = [(start, end) for item in parsed(bench) for _, start, end in item.ranges]
    assert [start for start, _ in ranges] == [0, ranges[0][1]]
    assert ranges[-1][1] == path.stat().st_size
    assert count(bench) == 15
    assert len(ranges) == 2, "nothing new, nothing parsed"


def test_what_is_appended_is_parsed_ahead_of_the_question_while_questions_come(bench):
    bench.model()
    path = bench.write("rows", [prediction(n) for n in range(10)])
    assert count(bench) == 10
    append(path, [prediction(n) for n in range(10, 20)])
    deadline = time.monotonic() + 20
    while max(end for item in parsed(bench) for _, _, end in item.ranges) < path.stat().st_size:
        assert time.monotonic() < deadline, "nobody parsed it"
        time.sleep(0.02)
        if time.monotonic() > deadline - 18:
            count(bench)  # the machine was so slow that the thread had gone: ask again
    assert count(bench) == 20


def test_half_a_line_waits_for_its_end(bench):
    bench.model()
    path = bench.write("rows", [prediction(0)], raw=b'{"kind":"prediction","model":"digits","id":"p1"')
    assert count(bench) == 1
    append(path, [], raw=b',"time":%d,"features":{},"tags":{}}\n' % BEGIN)
    assert count(bench) == 2


def test_rows_that_are_in_the_tables_by_now_are_left_out_and_their_memory_is_given_back(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(10)])
    assert count(bench) == 10
    bench.compact()
    assert count(bench) == 10
    assert parsed(bench) == []


def test_one_segment_of_two_is_compacted_while_the_other_lives(bench):
    import fcntl

    bench.model()
    bench.write("rows", [prediction(n) for n in range(10)])
    living = bench.write("rows", [prediction(n) for n in range(10, 13)])
    with living.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert count(bench) == 13
        assert bench.compact().segments == 1
        assert count(bench) == 13
        append(living, [prediction(13)])
        assert count(bench) == 14
    bench.compact()
    assert count(bench) == 14


def test_features_are_parsed_when_they_are_asked_for(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(10)])
    assert count(bench) == 10
    assert [item.needed is None for item in parsed(bench)] == [False]
    assert bench.ask("SELECT sum((features->>'ink')::DOUBLE) AS ink FROM predictions")[0]["ink"] == pytest.approx(4.5)
    assert [item.needed is None for item in parsed(bench)] == [True]
    assert bench.ask("SELECT sum(features.ink) AS ink FROM predictions", model="digits")[0]["ink"] == pytest.approx(4.5)


def test_a_bad_line_in_the_tail_costs_only_itself(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(3)], raw=b'{"kind":"prediction"}\nnot json\n')
    assert count(bench) == 3
    assert bench.compact().rejected == 2
    assert count(bench) == 3


def test_more_segments_than_are_parsed_at_once(bench):
    bench.model()
    for number in range(40):
        bench.write("rows", [prediction(number)])
    assert count(bench) == 40
    bench.compact()
    assert count(bench) == 40


def test_questions_of_several_threads_see_every_row_once_while_segments_come_and_go(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(100)])
    errors, done = [], threading.Event()

    def ask():
        try:
            while not done.is_set():
                assert count(bench) >= 100
        except BaseException as error:  # noqa: BLE001 - told in the main thread
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for round_ in range(5):
        bench.write("rows", [prediction(n) for n in range(100 * (round_ + 1), 100 * (round_ + 2))])
        bench.compact()
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert count(bench) == 600


def test_an_open_store_answers_in_a_forked_child_too(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(10)])
    assert count(bench) == 10
    child = os.fork()
    if child == 0:
        try:
            os._exit(count(bench))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 10
    assert count(bench) == 10


@pytest.mark.catalog_file
def test_a_forked_child_closes_none_of_its_parents_connections_to_the_catalog(bench):
    bench.ask("SELECT 1 FROM runs")
    assert bench.handles() > 0
    child = os.fork()
    if child == 0:
        try:
            gc.collect()
            os._exit(bench.handles())
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == bench.handles()


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_blob('{root}/catalog.db')",
        "SELECT * FROM read_json('/proc/self/environ')",
        "SELECT * FROM read_parquet('{root}/tables/../catalog.db')",
    ],
)
def test_a_question_reaches_nothing_but_the_store(bench, question):
    from watchglass.errors import QueryRefused

    with pytest.raises(QueryRefused):
        bench.ask(question.format(root=bench.folder.root))


def test_metric_points_and_log_lines_are_tables_too(bench):
    bench.write(
        "rows",
        [
            {"kind": "metric", "name": "depth", "value": 3, "time": BEGIN, "labels": {"host": "a"}},
            {"kind": "log", "message": "it's late", "level": "warning", "time": BEGIN, "tags": {"who": "ana"}},
            {"kind": "metric", "name": "depth", "value": 4.5, "time": BEGIN + 1, "step": 2},
        ],
    )
    for _ in range(2):
        assert bench.ask("SELECT sum(value) AS v, max(step) AS s FROM metrics WHERE name = 'depth'") == [
            {"v": 7.5, "s": 2}
        ]
        assert bench.ask("SELECT message, tags->>'who' AS who, level FROM logs") == [
            {"message": "it's late", "who": "ana", "level": "warning"}
        ]
        bench.compact()
    assert bench.ask("SELECT labels->>'host' AS host FROM metrics ORDER BY time")[0]["host"] == "a"


def test_a_question_gets_what_it_names_whatever_the_one_before_named(bench):
    bench.model()
    bench.write("rows", [prediction(n, latency=0.5, weight=2) for n in range(10)])
    asked = [
        ("SELECT count(*) AS x FROM predictions", 10),
        ("SELECT sum(score) AS x FROM predictions", 9.0),
        ("SELECT sum(weight) AS x FROM predictions", 20),
        ("SELECT max(latency) AS x FROM predictions WHERE version = '1'", 0.5),
        ("SELECT count(DISTINCT p) AS x FROM (SELECT prediction p FROM predictions)", 10),
        ("SELECT count(COLUMNS('^score$')) AS x FROM predictions", 10),
        ("SELECT x FROM (SELECT sum(#8) AS x FROM (FROM predictions))", 9.0),
        ("SELECT sum(sc) AS x FROM predictions AS t(i, t, m, v, e, p, n, sc)", 9.0),
    ]
    for _ in range(2):
        for question, answer in asked:
            assert bench.ask(question)[0]["x"] == pytest.approx(answer), question
        bench.compact()


def test_an_older_moment_that_asks_after_a_newer_one_finds_the_beginning_of_a_segment_too(bench):
    bench.model()
    first = bench.write("rows", [prediction(n) for n in range(10)])
    count(bench)
    tail = reader_of(bench.folder, bench.engine)._tail
    reader_of(bench.folder, bench.engine).stop()
    with opened(bench.folder.row_log) as older:
        kept = tail.take(older, None)  # in use: what comes next is parsed into a table of its own
        append(first, [prediction(n) for n in range(10, 15)])
        bench.write("rows", [prediction(n) for n in range(15, 20)])
        with opened(bench.folder.row_log) as both:
            tail.release(tail.take(both, None))
            tail.release(kept)
            tail.release(tail.take([segment for segment in both if segment.path != first], None))
        pieces = tail.take(older, None)
        cursor = reader_of(bench.folder, bench.engine)._connection.cursor()
        seen = [row for piece in pieces for row in cursor.execute(f"SELECT id FROM {piece.source}").fetchall()]
        tail.release(pieces)
    assert sorted(seen) == sorted((f"p{n}",) for n in range(15))
