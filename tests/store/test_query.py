"""Exactly one SELECT over the views; nothing else of the machine is in reach."""

from __future__ import annotations

import pytest

from tests.store.bench import prediction
from watchglass.errors import QueryRefused, UnknownName
from watchglass.store.query import VIEWS

HOSTILE = [
    "COPY (SELECT 1) TO '{out}'",
    "ATTACH '{out}' AS x",
    "PRAGMA database_list",
    "SELECT 1; DROP TABLE runs",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
    "SET enable_external_access = true",
    "INSTALL httpfs",
    "CREATE TABLE x AS SELECT 1",
    "DELETE FROM predictions",
    "EXPLAIN ANALYZE SELECT 1",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('{other}')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT no_such FROM predictions",
    "SELECT * FROM predictions WHERE",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_anything_but_one_select_over_the_views_is_refused(bench, tmp_path, text):
    bench.model()
    bench.write("rows", [prediction(1)])
    bench.compact()
    out, other = tmp_path / "out", tmp_path / "other.parquet"
    other.write_bytes(next((bench.folder.tables / "predictions").iterdir()).read_bytes())
    with pytest.raises(QueryRefused):
        bench.ask(text.format(out=out, other=other))
    assert not out.exists()


@pytest.mark.parametrize(
    "text",
    [
        "select 1 AS one",
        "-- why\n SELECT 1 AS one",
        "/* a\nb */ WITH x AS (SELECT 1 AS one) SELECT * FROM x",
        "FROM (SELECT 1 AS one)",
        "(SELECT 1 AS one)",
        "SELECT 1 AS one;",
    ],
)
def test_a_select_is_a_select_however_it_begins(bench, text):
    assert bench.ask(text) == [{"one": 1}]


def test_every_view_answers_in_an_empty_store_and_in_a_full_one(bench):
    for _ in range(2):
        for view in VIEWS:
            assert isinstance(bench.ask(f"SELECT * FROM {view}"), list)
        bench.model()
        bench.write("rows", [prediction(1)])


def test_an_unknown_model_is_named_with_the_nearest(bench):
    bench.model()
    bench.write("rows", [prediction(1)])
    with pytest.raises(UnknownName, match="no model 'digts' is recorded. Did you mean 'digits'"):
        bench.ask("SELECT 1", model="digts")


def test_names_with_quotes_are_names(bench):
    name, feature = 'it\'s "odd"', "a \"b\" 'c' $.x"
    bench.model(name, slices=("s'1",), features=((feature, "number"),), tags=("s'1",))
    bench.write("rows", [prediction(1, model=name, features={feature: 2}, tags={"s'1": 'v"1'})])
    for _ in range(2):
        assert bench.ask("SELECT count(*) AS n FROM predictions WHERE model = 'it''s \"odd\"'") == [{"n": 1}]
        assert list(bench.ask("SELECT features FROM predictions", model=name)[0]["features"].values()) == [2.0]
        bench.compact()
    assert bench.follow() == 1
