"""The columns that a question names are told from its syntax; where it may mean others, nothing is told."""

from __future__ import annotations

import json

import duckdb
import pytest

from watchglass.store.needed import names_of

VIEWS = ("predictions", "labels")


def names(sql):
    with duckdb.connect() as connection:
        (text,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    found = names_of(json.loads(text), VIEWS)
    return None if found is None else set(found)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT date_trunc('minute', time) AS m, avg(score) AS s FROM predictions GROUP BY 1", {"time", "score"}),
        ("SELECT count(*) FROM predictions JOIN labels USING (id)", {"id"}),
        ("SELECT p.score, predictions.id FROM predictions p", {"p", "score", "predictions", "id"}),
        ("SELECT count(*) FILTER (WHERE score > .5) FROM predictions", {"score"}),
        ("SELECT row_number() OVER (PARTITION BY model ORDER BY time) FROM predictions", {"model", "time"}),
        ("SELECT max(id) FROM predictions WHERE version IN (SELECT version FROM labels)", {"id", "version"}),
        ('SELECT "Latency" FROM predictions ORDER BY weight', {"latency", "weight"}),
    ],
)
def test_what_is_named_is_told(sql, named):
    assert names(sql) == named


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM predictions",
        "FROM predictions",
        "TABLE predictions",
        "SELECT #1 FROM predictions",
        "SELECT COLUMNS('s.*') FROM predictions",
        "SELECT predictions FROM predictions",
        "SELECT p FROM predictions p",
        "SELECT x FROM (SELECT id FROM predictions) x",
        "SELECT sum(b) FROM predictions AS t(a, b)",
        "SELECT count(*) FROM predictions NATURAL JOIN labels",
        "SELECT t.* EXCLUDE (id) FROM predictions t",
        "SUMMARIZE predictions",
        "SELECT count(*) FROM predictions PIVOT (count(id) FOR version IN ('1'))",
        "not SQL at all",
    ],
)
def test_where_more_may_be_meant_nothing_is_told(sql):
    assert names(sql) is None
