"""Every question comes page by page: the pages joined are the whole, in one order, whatever was recorded between two of them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN, DAY
from tests.store.questions.conftest import HOUR, NOW, counted, served, truth
from watchglass.errors import BadInput, QueryRefused
from watchglass.store.answers import Table
from watchglass.store.questions.answering import QUESTIONS, answer
from watchglass.store.questions.paging import Order, Page, place_of

GIVEN = {
    "model": "digits",
    "name": "rows",
    "run": "train-3",
    "id": "p1",
    "subject": "u1",
    "column": "customer",
    "start": "300d",
    "end": None,
    "least": 1,
}
FEW = {"prediction_path", "inputs_of_run", "disagreement"}


def pages(store, name, given, limit):
    """Ask for one page after the other."""
    rows, after = [], None
    for _ in range(500):
        found = answer(store.folder, store.engine, name, {**given, "limit": limit, "after": after}, NOW)
        rows += found.values
        after = found.next
        assert len(found) == limit or after is None
        if after is None:
            return rows
    raise AssertionError(name)


def wanted(name):
    found = {p.name: GIVEN[p.name] for p in QUESTIONS[name].parameters if p.name in GIVEN}
    return {"model": "digits"} if name == "new_values" else found  # of all columns, on the newest day


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A store in which every question has several rows, some alike in all but one column, some in all."""
    from tests.store.questions.conftest import Asking

    store = Asking(tmp_path_factory.mktemp("paged") / "store")
    columns = (("ink", "number"), ("pen", "text"), ("paper", "number"))
    store.model("digits", slices=("site",), features=columns, tags=("site", "customer"))
    for n in (1, 2, 3):
        store.run(f"clean-{n}", "clean", at=BEGIN + n * HOUR, version=str(n), wrote=[("rows", f"r{n}")])
        read = [("rows", f"r{n}"), ("names", "n1"), ("names", f"n{n}")]
        store.run(
            f"train-{n}", "train", at=BEGIN + n * HOUR + 7, version=str(n % 2), read=read, wrote=[("net", f"m{n}")]
        )
        event = {"kind": "model", "name": "digits", "version": str(n), "run": f"train-{n}", "slices": ["site"]}
        store.write("graph", [{**event, "time": BEGIN}])
        deployed = {"kind": "deployment", "model": "digits", "version": str(n), "time": BEGIN + n * DAY}
        store.write("graph", [deployed])
        for also in range(3):
            at, status = BEGIN + n * HOUR, "error" if also else "ok"
            store.run(f"load-{n}-{also}", f"load-{also}", at=at, read=[("rows", f"r{n}")], status=status, error="full")
    store.run("all", "train", at=BEGIN + 5 * HOUR, read=[("net", f"m{n}") for n in (1, 2, 3)], wrote=[("rows", "r9")])
    rows = []
    for n in range(48):
        fields = {
            "day": n % 3,
            "version": str(n % 4),
            "run": f"train-{n % 3 + 1}",
            "site": f"s{n % 5}",
            "score": 0.6 + n % 2 / 10,
            "time": BEGIN + n % 3 * DAY + n % 7 * HOUR,
            "features": {"ink": 1.0, "pen": f"blue {n % 6}", "paper": None if n % 2 else 2},
        }
        rows.append(served(n, "abc"[n % 3], **fields))
        if n % 5:
            rows.append(truth(n, "ab"[n % 2], at=n % 3 * 24 + 30 + n % 4))
        if n % 3 == 0:
            rows.append(served(n, "a", **{**fields, "environment": "shadow", "version": f"s{n % 4}"}))
    store.write("rows", rows)
    counted(store)
    again = {"features": {"ink": 2.0, "pen": "new", "paper": 1}, "score": None, "version": None, "run": None}
    late = [
        served(n, "b", day=3, **{**again, "features": {**again["features"], "pen": f"new {n}"}}) for n in range(50, 56)
    ]
    store.write("rows", [*late, late[0], *[served(1, "b", score=0.7)] * 3])
    counted(store)
    yield store
    store.close()


@pytest.mark.parametrize("name", QUESTIONS)
def test_pages_joined_are_the_whole(name, full):
    given = wanted(name)
    whole = answer(full.folder, full.engine, name, {**given, "limit": 100_000}, NOW)
    assert whole.next is None
    assert len(whole) >= (2 if name in FEW else 3), whole.rows()
    for limit in (1, 2, 3, len(whole), len(whole) + 1):
        assert pages(full, name, given, limit) == list(whole.values), limit


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_a_limit_and_an_after(name, full):
    assert [p.name for p in QUESTIONS[name].parameters][-2:] == ["limit", "after"]
    with pytest.raises(BadInput, match=f"the `next` of a page of question '{name}' would do"):
        answer(full.folder, full.engine, name, {**wanted(name), "after": "elsewhere"}, NOW)


def forged(*told):
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("label_lag", forged("label_lag", 0, ["monday"], 1)),
        ("failed_runs", forged("failed_runs", 0, ["monday", 7], 1)),
        ("label_lag", forged("label_lag", 0, [{"day": "monday"}], 1)),
        ("label_lag", forged("label_lag", 0, [{"moment": 1}], 1)),
        ("label_lag", forged("label_lag", 10**30, [None], 1)),
        ("label_lag", forged("label_lag", 0, [None], 10**30)),
        ("label_lag", forged("label_lag", 0, [None], -1)),
        ("label_lag", forged("label_lag", 0, [[]], 1)),
        ("label_lag", forged("label_lag", 0, None, 1)),
        ("confusion", forged("confusion", 0, ["\ud800", 1, "a"], 1)),
        ("confusion", forged("traffic", 0, [{"time": 1}], 1)),
        ("confusion", "%%%"),
        ("confusion", 7),
    ],
)
def test_a_place_that_no_page_ended_with_is_refused(name, word, full):
    with pytest.raises((BadInput, QueryRefused)):
        answer(full.folder, full.engine, name, {**wanted(name), "after": word}, NOW)


def test_the_next_page_is_the_next_page_whatever_came_meanwhile(labelled):
    given = {"model": "digits", "subject": "u0", "column": "customer", "limit": 2}
    first = answer(labelled.folder, labelled.engine, "predictions_of_subject", given, NOW)
    assert [row["id"] for row in first] == ["p6", "p4"]
    labelled.write("rows", [served(n, "a", day=2, tags={"customer": "u0"}) for n in (20, 22, 24)])
    after = {**given, "after": first.next}
    assert [row["id"] for row in answer(labelled.folder, labelled.engine, "predictions_of_subject", after, NOW)] == [
        "p2",
        "p0",
    ]


def test_a_length_before_now_is_one_before_the_first_page(labelled):
    given = {"start": "9d", "limit": 1}
    for n in range(4):
        labelled.run(f"bad-{n}", "load", at=BEGIN + DAY + n * HOUR, status="error", error="full")
    first = answer(labelled.folder, labelled.engine, "failed_runs", given, NOW)
    later = datetime(2026, 7, 30, tzinfo=UTC)
    second = answer(labelled.folder, labelled.engine, "failed_runs", {**given, "after": first.next}, later)
    assert [row["run"] for row in (*first, *second)] == ["bad-3", "bad-2"]


def test_a_row_that_went_meanwhile_takes_none_with_it(labelled):
    given = {"model": "digits", "end": "1d", "limit": 1}
    labelled.write("rows", [served(n, "a", day=2) for n in range(30, 34)])
    first = answer(labelled.folder, labelled.engine, "predictions_without_label", {**given, "limit": 2}, NOW)
    assert [row["id"] for row in first] == ["p7", "p30"]
    labelled.write("rows", [truth(30, "a", at=60)])
    second = answer(labelled.folder, labelled.engine, "predictions_without_label", {**given, "after": first.next}, NOW)
    assert [row["id"] for row in second] == ["p31"]


def test_a_saved_question_has_pages_too(labelled):
    from watchglass.store import catalog as c
    from watchglass.store.transactions import writing

    saved = {"name": "mine", "sql": "SELECT id FROM predictions ORDER BY id", "time": BEGIN}
    with writing(labelled.engine) as transaction:
        transaction.execute(c.questions.insert(), [saved])
    whole = answer(labelled.folder, labelled.engine, "mine", {}, NOW)
    assert len(whole) == 8
    for limit in (1, 3, 8):
        assert pages(labelled, "mine", {}, limit) == list(whole.values)
    with pytest.raises(BadInput, match="limit and after would do"):
        answer(labelled.folder, labelled.engine, "mine", {"after": "x"}, NOW)


texts = st.sampled_from(["", "a", "A", "é", "z", "\U0001f642", "it's"])
numbers = st.sampled_from([-1.5, 0.0, 0.1, 1e300, 2.0])
times = st.sampled_from([datetime(2026, 6, d, tzinfo=UTC) for d in (1, 2, 3)])
days = st.sampled_from([date(2026, 6, d) for d in (1, 2, 3)])
ROWS = st.lists(st.tuples(*(st.one_of(st.none(), kind) for kind in (texts, numbers, times, days))), max_size=12)


@given(rows=ROWS, limit=st.integers(1, 4), signs=st.lists(st.booleans(), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_sql_and_a_list_have_the_same_pages(rows, limit, signs):
    names = ("a", "b", "c", "d")
    order = Order(tuple(f"{'-' if falls else ''}{name}" for name, falls in zip(names, signs, strict=True)))
    whole = order.sorted(names, rows, None)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (a VARCHAR, b DOUBLE, c TIMESTAMP, d DATE)")
        for a, b, c, d in rows:
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?)", [a, b, c.replace(tzinfo=None) if c else None, d])
        place, joined, in_sql = None, [], []
        while True:
            asked = Page("q", NOW, limit, place)
            page = order.page(Table(names, order.sorted(names, rows, place)[: asked.most]), asked)
            sql = f"SELECT * FROM t {order.sql(place)} LIMIT {asked.most}"
            told = connection.execute(sql, asked.values) if asked.values else connection.execute(sql)
            aware = [(a, b, c.replace(tzinfo=UTC) if c else None, d) for a, b, c, d in told.fetchall()]
            same = order.page(Table(names, aware), asked)
            joined += page.values
            in_sql += same.values
            assert page.next == same.next
            if page.next is None:
                break
            place = place_of(page.next, "q", 4)
    assert joined == in_sql == whole
