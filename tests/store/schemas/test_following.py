"""What changes about a model's columns is told once each, in order, whatever the files are and whoever died on the way."""

from __future__ import annotations

import shutil

import pytest
from sqlalchemy.exc import IntegrityError

from tests.store.bench import BEGIN, DAY, prediction
from watchglass.store import catalog as c
from watchglass.store.leases import hold
from watchglass.store.merge import merge
from watchglass.store.schemas.following import follow_schemas
from watchglass.store.schemas.registered import schema_of
from watchglass.store.transactions import writing

THE_SAME = ("ink", "site")


@pytest.fixture
def watched(bench):
    bench.model(features=(("ink", "number"), ("slant", "number"), ("word", "text")))
    return bench


def put(bench, rows, **each):
    """Write rows with these features, a file of their own, and look at it."""
    start = each.pop("time", BEGIN)
    step = each.pop("step", 1)
    events = [
        prediction(n, time=start + n * step, id=f"{start}-{n}", features={"ink": n + 0.5, **features})
        for n, features in enumerate(rows)
    ]
    bench.write("rows", events)
    bench.compact()
    follow_schemas(bench.folder, bench.engine)


def schema(bench, model="digits"):
    return schema_of(bench.folder, bench.engine, model)


def told(bench, *leave_out):
    """What was told of the columns that a test is about, oldest first."""
    changes = [change for change in reversed(schema(bench).changes) if change.name not in (*THE_SAME, *leave_out)]
    return [(change.change, change.name, change.before, change.after, change.rows) for change in changes]


def column(bench, name):
    return next(found for found in schema(bench).columns if found.name == name)


def test_a_column_is_new_at_the_time_of_its_first_value(watched):
    put(watched, [{}, {}, {"slant": 1}, {"slant": 2}], step=1000)
    assert told(watched) == [("new", "slant", None, "integer", 2)]
    assert (column(watched, "slant").since.microsecond, column(watched, "ink").since.microsecond) == (2000, 0)
    assert column(watched, "word").since is None, "no value of it came yet"
    put(watched, [{"word": "a"}], time=BEGIN + DAY)
    assert told(watched)[1:] == [("new", "word", None, "text", 1)]
    before = schema(watched)
    assert follow_schemas(watched.folder, watched.engine) == 0
    assert schema(watched) == before


def test_rows_of_earlier_times_move_the_first_time_back_and_tell_nothing(watched):
    put(watched, [{"slant": 1}], time=BEGIN + DAY)
    put(watched, [{}, {"slant": 1}], step=7000)
    assert [change for change, *_ in told(watched)] == ["new"]
    assert column(watched, "slant").since.microsecond == 7000


@pytest.mark.parametrize("values", [[1.5], [1, 1.5, 2], [0.25, 7]], ids=str)
def test_whole_numbers_that_get_fractions_are_widened_once(watched, values):
    put(watched, [{"slant": 3}, {"slant": -4.0}])
    assert column(watched, "slant").whole
    put(watched, [{"slant": value} for value in values])
    put(watched, [{"slant": 5}])
    put(watched, [{"slant": 5.5}])
    assert told(watched) == [("new", "slant", None, "integer", 2), ("widened", "slant", "integer", "number", None)]
    assert column(watched, "slant").whole is False
    assert column(watched, "slant").type == "number", "a type never changes"


def test_a_declared_integer_that_begins_with_a_fraction_is_widened_too(bench):
    schema_of_it = [{"name": "n", "type": "integer"}, {"name": "ink", "type": "number"}]
    bench.write("graph", [{"kind": "model", "name": "digits", "schema": schema_of_it, "time": BEGIN}])
    put(bench, [{"n": 0.5}])
    assert told(bench) == [("new", "n", None, "integer", 1), ("widened", "n", "integer", "number", None)]


def test_a_column_without_a_value_in_a_thousand_rows_is_missing_until_it_is_back(watched):
    put(watched, [{"slant": 1}])
    put(watched, [{}] * 999, time=BEGIN + 10)
    assert [change for change, *_ in told(watched)] == ["new"], "too few rows to say so"
    for part in range(2):
        put(watched, [{}] * 1000, time=BEGIN + 2000 * (part + 1))
    assert column(watched, "slant").missing
    put(watched, [{}, {"slant": 2}], time=BEGIN + 9000)
    assert told(watched)[1:] == [("missing", "slant", None, None, 1000), ("back", "slant", None, None, 1)]
    assert not column(watched, "slant").missing


def test_rows_from_before_a_column_was_there_do_not_make_it_missing(watched):
    put(watched, [{"slant": 1}], time=BEGIN + DAY)
    put(watched, [{}] * 1000)
    assert [change for change, *_ in told(watched)] == ["new"]


def test_small_files_that_lack_a_column_for_a_whole_day_are_seen_when_the_day_is_over(watched):
    put(watched, [{"slant": 1, "word": "a"}])
    for part in range(5):
        put(watched, [{}] * 24 + [{"word": "b"}], time=BEGIN + DAY + 1000 * part)
    assert "missing" not in [change for change, *_ in told(watched)], "the day is not over"
    put(watched, [{}], time=BEGIN + 2 * DAY)
    assert told(watched, "word")[1:] == [("missing", "slant", None, None, 125)]
    assert "missing" not in [change for change, *_ in told(watched, "slant")]


def test_a_day_inside_a_file_of_many_days_that_lacks_a_column_is_seen(watched):
    days = [{"slant": 1}] * 120 + [{}] * 120 + [{"slant": 2}] * 120 + [{"slant": 3}] * 60
    put(watched, days, step=DAY // 120)
    assert told(watched)[1:] == [("missing", "slant", None, None, 120), ("back", "slant", None, None, 120)]
    assert [change.time.day for change in reversed(schema(watched).changes) if change.name == "slant"] == [1, 2, 3]


def test_two_models_with_a_column_of_one_name_are_followed_apart(watched):
    watched.model("other", features=(("slant", "text"), ("ink", "number")))
    rows = [prediction(n, features={"slant": 1, "ink": 1}) for n in range(2)]
    rows += [prediction(n, model="other", features={"slant": "a", "ink": 0.5}) for n in range(3)]
    watched.write("rows", rows)
    watched.compact()
    follow_schemas(watched.folder, watched.engine)
    assert told(watched) == [("new", "slant", None, "integer", 2)]
    other = next(change for change in schema(watched, "other").changes if change.name == "slant")
    assert (other.change, other.after, other.rows) == ("new", "text", 3)


@pytest.mark.catalog_file
def test_a_transaction_that_fails_at_its_end_has_told_nothing_and_the_next_tells_all_of_it_once(watched):
    watched.write("rows", [prediction(1, features={"slant": 1})])
    watched.compact()
    with hold(watched.engine, "schemas"):
        assert follow_schemas(watched.folder, watched.engine) == 0, "another process is at it"
    full = "CREATE TRIGGER full BEFORE INSERT ON watermarks BEGIN SELECT RAISE(ABORT, 'no room'); END"
    with writing(watched.engine) as transaction:
        transaction.exec_driver_sql(full)
    with pytest.raises(IntegrityError, match="no room"):
        follow_schemas(watched.folder, watched.engine)
    with writing(watched.engine) as transaction:
        transaction.exec_driver_sql("DROP TRIGGER full")
    assert told(watched) == []
    assert column(watched, "slant").since is None
    assert follow_schemas(watched.folder, watched.engine) == 1
    assert told(watched) == [("new", "slant", None, "integer", 1)]


def test_files_that_were_merged_and_swept_before_anybody_looked_are_looked_at_in_their_new_place(watched):
    for n in range(8):
        watched.write("rows", [prediction(n, features={"slant": n + 0.5})])
        watched.compact()
    watched.follow()
    assert merge(watched.folder, watched.engine) == 8
    with writing(watched.engine) as transaction:
        transaction.execute(c.files.delete().where(c.files.c.removed.is_not(None)))
    assert follow_schemas(watched.folder, watched.engine) == 1
    assert told(watched) == [("new", "slant", None, "number", 8)]
    assert follow_schemas(watched.folder, watched.engine) == 0


def test_a_merged_file_of_parts_that_were_looked_at_is_no_news(watched):
    for n in range(8):
        put(watched, [{"slant": n}], time=BEGIN + n)
    watched.follow()
    assert merge(watched.folder, watched.engine) == 8
    assert follow_schemas(watched.folder, watched.engine) == 0


def test_a_file_that_is_gone_costs_only_what_it_would_have_told(watched):
    watched.write("rows", [prediction(1, features={"slant": 1})])
    watched.compact()
    shutil.rmtree(watched.folder.tables / "predictions")
    assert follow_schemas(watched.folder, watched.engine) == 1
    put(watched, [{"slant": 2}])
    assert told(watched) == [("new", "slant", None, "integer", 1)]


def test_files_that_are_looked_at_again_tell_nothing_twice(watched):
    put(watched, [{"slant": 1}])
    put(watched, [{}] * 1000, time=BEGIN + 2000)
    put(watched, [{"slant": 2.5}], time=BEGIN + 9000)
    put(watched, [{}] * 1000, time=BEGIN + 10_000)
    before = schema(watched)
    assert [change for change, *_ in told(watched)] == ["new", "missing", "widened", "back", "missing"]
    with writing(watched.engine) as transaction:
        transaction.execute(c.watermarks.delete().where(c.watermarks.c.name == "schemas"))
    assert follow_schemas(watched.folder, watched.engine) == 4
    assert schema(watched) == before
