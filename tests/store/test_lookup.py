"""One prediction by its id, and the newest rows page by page: from files and the log's tail, each once."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN, DAY, Bench, label, prediction
from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.asking.indexes import indexes_of
from watchglass.store.asking.latest import Cut, latest, newest
from watchglass.store.asking.lookup import look_up
from watchglass.store.merge import merge
from watchglass.store.parquet import index_path
from watchglass.store.snapshot import File
from watchglass.store.transactions import writing

OWN = "019ec4f9-1af0-7a9a-88b5-016ea5427fd9"


def found(bench, ident, model=None, environment=None):
    return look_up(bench.folder, bench.engine, ident, model, environment)


def test_a_prediction_is_told_with_all_that_is_known_of_it(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(50)])
    bench.write(
        "rows", [prediction(7, id=OWN, score={"7": 0.9, "1": 0.1}, run="r1", trace="t1", latency=0.25, time=BEGIN + 99)]
    )
    bench.write("rows", [label(0, "1", id=OWN), label(0, None, id=OWN, time=BEGIN + 2 * DAY), label(0, "7", id=OWN, time=BEGIN + 3 * DAY)])  # fmt: skip
    for step in range(3):
        (one,) = found(bench, OWN)
        assert (one.id, one.model, one.version, one.environment, one.prediction) == (OWN, "digits", "1", "live", "7")
        assert one.time.isoformat() == "2026-06-01T00:00:00.000099+00:00"
        assert (one.score, one.scores, one.latency, one.weight) == (0.9, {"7": 0.9, "1": 0.1}, 0.25, 1)
        assert (one.run, one.trace, one.features, one.tags) == ("r1", "t1", {"ink": 0.7}, {"site": "harbour"})
        assert (one.label, [each.label for each in one.labels]) == ("7", ["7", None, "1"])
        assert found(bench, "p49")[0].features == {"ink": 4.9}
        assert found(bench, "p50") == ()
        bench.compact() if step else bench.write("rows", [prediction(1000)])


def test_a_repeated_id_and_one_of_several_models_are_all_told(bench):
    for model in ("digits", "letters"):
        bench.model(model)
        bench.write("rows", [prediction(1, model=model), label(1, model, model=model)])
    bench.write(
        "rows", [prediction(1, environment="shadow", time=BEGIN + 5), prediction(1, prediction=8, time=BEGIN + 9)]
    )
    for _ in range(2):
        told = [(one.model, one.environment, one.prediction, one.label) for one in found(bench, "p1")]
        assert sorted(told, key=str) == [
            ("digits", "live", "1", "digits"), ("digits", "live", "8", "digits"), ("digits", "shadow", "1", None),
            ("letters", "live", "1", "letters"),
        ]  # fmt: skip
        assert len(found(bench, "p1", "letters")) == 1
        assert [one.prediction for one in found(bench, "p1", "digits", "live")] == ["1", "8"]
        bench.compact()
    with pytest.raises(UnknownName, match="Did you mean 'letters'"):
        found(bench, "p1", "leters")


@pytest.mark.parametrize(
    "ident", ["", "it's", "x" * 500, "🙂", "00000000-0000-0000-0000-000000000000", "'; DROP TABLE runs", "\n"]
)
def test_any_text_is_an_id(bench, ident):
    bench.model()
    bench.write("rows", [prediction(1), prediction(2, id=ident or "p2")])
    for _ in range(2):
        assert len(found(bench, ident)) == (1 if ident else 0)
        bench.compact()


def test_a_file_without_an_index_is_looked_through(bench):
    bench.model()
    for first in (0, 10):
        bench.write("rows", [prediction(n) for n in range(first, first + 10)])
        bench.compact()
    paths = sorted((bench.folder.tables / "predictions").glob("*.parquet"))
    index_path(paths[0]).unlink()
    index_path(paths[1]).write_bytes(b"12345")
    assert [found(bench, f"p{n}")[0].features["ink"] for n in (0, 19)] == [0.0, 1.9]
    with writing(bench.engine) as transaction:
        transaction.execute(c.files.update().values(indexed=0))
    assert [found(bench, f"p{n}")[0].features["ink"] for n in (0, 19)] == [0.0, 1.9]


def test_replaced_files_are_let_go_of(bench):
    bench.model(tags=(), slices=())
    for number in range(8):
        bench.write("rows", [prediction(number)])
        bench.compact()
    assert found(bench, "p3")
    bench.follow()
    assert merge(bench.folder, bench.engine) == 8
    assert [one.features for one in found(bench, "p3")] == [{"ink": 0.3}]
    assert len(indexes_of(bench.engine)._kept) == 1


def test_a_feature_of_two_types_in_two_models_is_each_its_own(bench):
    bench.model("a", features=(("x", "number"),), tags=(), slices=())
    bench.model("b", features=(("x", "text"),), tags=(), slices=())
    bench.write("rows", [prediction(1, model="a", features={"x": 1}, tags={}), prediction(1, model="b", features={"x": "one"}, tags={})])  # fmt: skip
    for _ in range(2):
        assert sorted(str(one.features) for one in found(bench, "p1")) == ["{'x': 'one'}", "{'x': 1.0}"]
        bench.compact()


def pages(bench, table, **cut):
    before, rows = None, []
    while True:
        page = latest(bench.folder, bench.engine, table, Cut(before=before, **cut))
        rows.append(page.rows.rows())
        before = page.next
        if before is None:
            return rows


def test_pages_give_every_row_once_newest_first(bench):
    bench.model()
    for day in range(4):
        bench.write("rows", [prediction(day * 100 + n, time=BEGIN + day * DAY + n // 3) for n in range(20)])
        bench.compact() if day < 3 else None
    found = pages(bench, "predictions", limit=7)
    assert [len(page) for page in found] == [7] * 11 + [3]
    rows = [row for page in found for row in page]
    assert len({row["id"] for row in rows}) == 80
    assert rows == sorted(rows, key=lambda row: (row["time"], row["id"]), reverse=True)
    assert rows[0]["features"] == '{"ink":31.9}'
    assert pages(bench, "predictions", limit=80, model="digits")[0][0]["features"] == {"ink": 31.9}


def test_a_row_that_comes_between_two_pages_moves_neither(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(10)])
    first = latest(bench.folder, bench.engine, "predictions", Cut(limit=4))
    bench.write("rows", [prediction(n, time=BEGIN + DAY) for n in range(100, 104)])
    second = latest(bench.folder, bench.engine, "predictions", Cut(limit=4, before=first.next))
    assert [row["id"] for page in (first, second) for row in page.rows] == [f"p{n}" for n in range(9, 1, -1)]


def test_rows_alike_in_all_are_given_as_often_as_they_came(bench):
    bench.write("rows", [{"kind": "metric", "name": "q", "value": 1, "time": BEGIN} for _ in range(11)])
    bench.write("rows", [{"kind": "log", "message": "m", "time": BEGIN} for _ in range(5)])
    assert [len(page) for page in pages(bench, "metrics", limit=3)] == [3, 3, 3, 2]
    assert [len(page) for page in pages(bench, "logs", limit=2)] == [2, 2, 1]


def test_a_page_begins_at_a_time_and_what_is_no_page_is_told(bench):
    bench.model()
    bench.write("rows", [prediction(n) for n in range(5)])
    page = latest(bench.folder, bench.engine, "predictions", Cut(before="2026-06-01T00:00:00.000002Z"))
    assert [row["id"] for row in page.rows] == ["p1", "p0"]
    for before in ("nonsense", "WzEsMl0=", "W10="):
        with pytest.raises(BadInput, match="before cannot be"):
            latest(bench.folder, bench.engine, "predictions", Cut(before=before))
    with pytest.raises(BadInput, match="limit cannot be 0"):
        latest(bench.folder, bench.engine, "predictions", Cut(limit=0))
    with pytest.raises(UnknownName, match="Did you mean 'predictions'"):
        latest(bench.folder, bench.engine, "prediction", Cut())


def test_runs_and_an_empty_store_page_too(bench):
    assert pages(bench, "logs") == [[]]
    bench.write("graph", [{"kind": "run", "id": f"r{n}", "component": "c", "started": BEGIN + n} for n in range(5)])
    assert [[row["id"] for row in page] for page in pages(bench, "runs", limit=2)] == [
        ["r4", "r3"],
        ["r2", "r1"],
        ["r0"],
    ]


def a_file(seq, first, last, rows, kind="predictions"):
    return File(seq, kind, "m", f"{seq}", "s", rows, first, last)


def test_only_the_newest_files_are_read():
    files = [a_file(day, day * 100, day * 100 + 99, 50) for day in range(30)]
    assert [file.seq for file in newest(files, "predictions", Cut(limit=60), None)] == [28, 29]
    other = a_file(99, 0, 5, 50, "labels")
    assert newest([*files, other], "predictions", Cut(limit=10), None) == [files[29], other]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20), st.integers(1, 6)), max_size=12),
    st.integers(1, 9),
    st.integers(0, 55),
)
def test_what_is_left_out_is_older_than_the_page(spans, limit, before):
    """Of rows that lie anywhere within their file's times, the newest `limit` + 1 before a place are in what is chosen."""
    from watchglass.store.asking.latest import _Place

    files = [a_file(number, first, first + length, rows) for number, (first, length, rows) in enumerate(spans)]
    chosen = {file.seq for file in newest(files, "predictions", Cut(limit=limit), _Place(before, (), 0))}
    for place in (lambda file: file.first, lambda file: file.last):
        rows = sorted(
            ((place(file), file.seq) for file in files for _ in range(file.rows) if place(file) < before), reverse=True
        )
        page = rows[: limit + 1]
        assert all(seq in chosen for time, seq in page if not page or time > page[-1][0] or len(rows) <= limit)


def test_a_look_up_opens_no_more_files_than_it_may(tmp_path):
    bench = Bench(tmp_path / "store")
    try:
        bench.model()
        indexes_of(bench.engine)._most = 2
        for number in range(5):
            bench.write("rows", [prediction(number)])
            bench.compact()
        assert [len(found(bench, f"p{number}")) for number in range(6)] == [1, 1, 1, 1, 1, 0]
        assert len(indexes_of(bench.engine)._kept) == 2
        with bench.engine.connect() as connection:
            assert connection.execute(sa.select(sa.func.sum(c.files.c.indexed))).scalar() == 5
    finally:
        bench.close()
