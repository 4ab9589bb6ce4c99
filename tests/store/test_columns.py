"""Columns that lines show and nobody announced: found in every line where they were not promised."""

from __future__ import annotations

import json

import pytest

from tests.store.bench import prediction


@pytest.mark.parametrize("written", ["before this machine began to run", "since"])
def test_a_promise_of_columns_from_before_a_power_cut_is_not_believed(bench, written):
    """The announcement of a column may be among what a power cut took, the rows that need it not."""
    bench.model()
    row = prediction(1, features={"ink": 1.0, "fresh": 2.5})
    rows = [prediction(number) for number in range(2, 9000)]
    path = bench.write("rows", [*rows, row, *rows])
    if written != "since":
        path.rename(path.with_name("0" * 12 + path.name[12:]))
    bench.compact()
    (found,) = bench.ask("SELECT features FROM predictions WHERE id = 'p1'")
    kept = json.loads(found["features"])
    assert kept == ({"ink": 1.0} if written == "since" else {"ink": 1.0, "fresh": 2.5})


def test_values_of_several_types_make_text_and_a_column_without_a_value_waits(bench):
    bench.model()
    rows = [prediction(number, features={"odd": value, "void": None}) for number, value in enumerate([1, "a", True])]
    path = bench.write("rows", rows)
    path.rename(path.with_name("by-hand.jsonl"))
    bench.compact()
    found = bench.ask("SELECT features FROM predictions ORDER BY id")
    assert [json.loads(row["features"]) for row in found] == [
        {"ink": None, "odd": value} for value in ("1", "a", "true")
    ]
