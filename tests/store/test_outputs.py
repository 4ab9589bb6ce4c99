"""What a model gave back, counted as its features are: in the same buckets, from its first value on, taken away as it was counted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.store.bench import BEGIN, DAY, Bench, prediction
from watchglass.errors import UnknownName
from watchglass.store import catalog as c
from watchglass.store.distribution import Wanted, distribution
from watchglass.store.eras import eras_of
from watchglass.store.life.forget import forget
from watchglass.store.life.forget_asked import Asked


@pytest.fixture
def store(tmp_path):
    made = Bench(tmp_path / "store")
    made.model()
    yield made
    made.close()


def counted(store):
    store.compact()
    store.follow()


def asked(store, *columns, **wanted):
    return distribution(store.folder, store.engine, "digits", Wanted(columns, **wanted))


def same(store, *columns):
    """Ask the cells, hold them against the rows, and give what they say by column."""
    from_cells, from_rows = asked(store, *columns), asked(store, *columns, source="rows")
    assert tuple(replace(each, source="rows") for each in from_cells) == from_rows
    return {each.column: each for each in from_cells}


def outputs(store):
    with store.engine.connect() as connection:
        query = sa.select(c.columns.c.name, c.columns.c.type).where(c.columns.c.role == "output")
        return {row.name: row.type for row in connection.execute(query)}


def row(number, **fields):
    return prediction(
        number, score=number / 100, prediction="yes" if number % 3 else "no", latency=0.01 * number, **fields
    )


def test_scores_latencies_and_classes_are_counted_on_the_very_grid_of_the_rows(store):
    store.write("rows", [row(number) for number in range(100)])
    counted(store)
    found = same(store, "score", "latency", "prediction")
    assert found["score"].mean == pytest.approx(0.495, rel=0.01)
    assert found["latency"].rows == 100
    assert dict(found["prediction"].values) == {"yes": 66, "no": 34}
    assert outputs(store) == {"score": "number", "latency": "number", "prediction": "text"}


def test_amounts_are_numbers_and_few_numbers_are_classes(store):
    store.write("rows", [prediction(number, prediction=number % 10) for number in range(200)])
    counted(store)
    assert outputs(store)["prediction"] == "text"
    assert dict(same(store, "prediction")["prediction"].values)["7"] == 20


def test_many_different_numbers_are_amounts(store):
    store.write("rows", [prediction(number, prediction=number * 1.5) for number in range(200)])
    counted(store)
    assert outputs(store)["prediction"] == "number"
    assert same(store, "prediction")["prediction"].mean == pytest.approx(149.25, rel=0.01)


def test_a_feature_of_that_name_goes_before(store):
    store.model(features=(("ink", "number"), ("score", "number")))
    store.write("rows", [row(number, features={"ink": 1.0, "score": 5.0}) for number in range(20)])
    counted(store)
    assert same(store, "score")["score"].mean == pytest.approx(5.0, rel=0.01)


def test_what_no_row_has_is_no_column(store):
    store.write("rows", [prediction(number, score=None) for number in range(20)])
    counted(store)
    assert set(outputs(store)) == {"prediction"}
    with pytest.raises(UnknownName, match="score"):
        asked(store, "score")


def test_an_output_is_counted_from_its_first_value_on_and_taken_away_only_where_it_was_counted(store):
    store.write("rows", [prediction(number, score=None) for number in range(10)])
    counted(store)
    store.write("rows", [row(number, time=BEGIN + DAY + number) for number in range(10, 30)])
    counted(store)
    before = asked(store, "score")[0]
    assert (before.rows, before.missing) == (20, 0)
    forget(store.folder, store.engine, Asked("prediction", "p3"))
    forget(store.folder, store.engine, Asked("prediction", "p12"))
    after = asked(store, "score")[0]
    assert (after.rows, after.missing) == (19, 0)
    assert (
        dict(asked(store, "prediction")[0].values)["yes"] == dict(same(store, "prediction")["prediction"].values)["yes"]
    )
    with store.engine.connect() as catalog:
        eras = eras_of(store.folder, catalog, None, "digits").found
    assert [len(era.outputs) for era in eras] == [1, 3]


def test_the_text_of_a_forgotten_prediction_leaves_the_dictionary(store):
    store.write("rows", [row(number) for number in range(10)] + [prediction(50, prediction="Ada Lovelace")])
    counted(store)
    forget(store.folder, store.engine, Asked("prediction", "p50"))
    with store.engine.connect() as connection:
        query = sa.select(c.columns.c.categories).where(c.columns.c.role == "output", c.columns.c.name == "prediction")
        kept = json.loads(connection.execute(query).scalar_one())
    assert sorted(kept) == ["no", "yes"]
    assert b"Lovelace" not in b"".join(p.read_bytes() for p in store.folder.root.rglob("*") if p.is_file())
