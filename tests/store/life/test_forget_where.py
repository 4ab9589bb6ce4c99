"""A condition of forget is one expression over the columns; whatever else it tries is refused before anything is done."""

from __future__ import annotations

import duckdb
import pytest

from tests.store.bench import prediction
from watchglass.errors import BadInput
from watchglass.store.life.forget import forget
from watchglass.store.life.forget_asked import asked
from watchglass.store.life.forget_where import condition

ONE = ("1, 2", "ATTACH '/tmp/x'", "true -- ) and")
"""To the parser a row, a text cast to a type that there is not, and a condition with a comment."""
HOSTILE = (
    "true; DROP TABLE x",
    "true) UNION SELECT (1",
    "true) OR (EXISTS (SELECT 1 FROM read_csv('/etc/passwd'))",
    "id IN (SELECT id FROM labels)",
    "id = (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT true",
    "1, 2",
    "true FROM predictions",
    "true -- ) and",
    "true /* open",
    "true) --",
    "*",
    "COLUMNS(*) > 1",
    "id = ?",
    "id = $1",
    "row_number() OVER () = 1",
    "",
    "   ",
    "COPY predictions TO '/tmp/x'",
    "ATTACH '/tmp/x'",
)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip() and text not in ONE])
def test_more_than_one_expression_is_refused(text):
    with duckdb.connect() as connection, pytest.raises(BadInput, match="where cannot be"):
        condition(connection, text)


@pytest.mark.parametrize(
    "text",
    [
        "features.age > 90 AND tags.site = 'a;b'",
        "id IN ('a', 'b')",
        "true -- ) and",
        "(time >= TIMESTAMP '2026-01-01') OR error IS NOT NULL",
    ],
)
def test_one_expression_is_taken_as_it_is(text):
    with duckdb.connect() as connection:
        assert condition(connection, text) == f"({text}\n)"


@pytest.fixture
def few(bench):
    bench.model()
    bench.write("rows", [prediction(i) for i in range(5)])
    return bench


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "where cannot be") for text in HOSTILE if text != "true -- ) and"),
        ("id", "it gives VARCHAR"),
        ("features.nothing > 1", "nothing"),
        ("sum(features.ink) > 1", "where cannot be"),
        ("features.ink = 'much' AND error('x')", "where cannot be"),
    ],
)
def test_nothing_is_forgotten_where_the_condition_will_not_do(few, text, why):
    with pytest.raises(BadInput, match=why):
        forget(few.folder, few.engine, asked(where=text, model="digits"))
    assert few.ask("SELECT count(*) AS n FROM predictions") == [{"n": 5}]


def test_a_condition_sees_the_types_of_the_model(few):
    done = forget(few.folder, few.engine, asked(where="features.ink BETWEEN 0.1 AND 0.2", model="digits"))
    assert done.predictions == 2
