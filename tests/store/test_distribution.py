"""Distributions of columns: from cells and from rows the same, near what numpy says, merged by addition."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.store.bench import BEGIN, DAY, Bench, prediction
from watchglass.errors import BadInput, UnknownName
from watchglass.store.distribution import ERROR, Wanted, distribution
from watchglass.store.models import columns_of

INKS = (0.0, -0.0, 1.0, -1.0, 0.1, 1e-300, -1e300, 63.99999, 64.0, 2.0**-1060, 5e-324, 1.7976931348623157e308)


@pytest.fixture
def store(tmp_path):
    made = Bench(tmp_path / "store")
    made.model(features=(("ink", "number"), ("pen", "text"), ("wet", "boolean")))
    yield made
    made.close()


def filled(store, values, *, day=0, weights=None):
    """Write rows with these values of ink; every third has a pen, every fifth no ink."""
    rows = []
    for number, value in enumerate(values):
        features = {"ink": value, "pen": ("blue", "red", None)[number % 3], "wet": number % 2 == 0}
        weight = {} if weights is None else {"weight": weights[number]}
        rows.append(prediction(number + 10_000 * day, time=BEGIN + day * DAY + number, features=features, **weight))
    store.write("rows", rows)


def asked(store, *columns, **wanted):
    return distribution(store.folder, store.engine, "digits", Wanted(columns or None, **wanted))


def as_from(found, source):
    return tuple(replace(each, source=source) for each in found)


@pytest.mark.parametrize("centre", [0.0, 2.5, 1e6])
def test_rows_are_counted_in_the_very_buckets_of_the_cells(store, centre):
    generator = np.random.default_rng(7)
    values = [*(generator.normal(size=500) * 3 + centre), *INKS, *(centre + each for each in INKS), None]
    filled(store, [None if value is None else float(value) for value in values])
    store.compact()
    store.follow()
    for by in (None, "day"):
        from_cells, from_rows = asked(store, by=by), asked(store, by=by, source="rows")
        assert as_from(from_cells, "rows") == from_rows
        assert len(from_rows) == 3


def test_sampled_rows_count_as_many_as_they_stand_for(store):
    filled(store, [1.0, 2.0, 3.0], weights=[1, 5, 1])
    store.compact()
    store.follow()
    assert as_from(asked(store), "rows") == asked(store, source="rows")
    (ink,) = asked(store, "ink")
    assert (ink.rows, sum(ink.counts), dict(ink.quantiles)[0.5]) == (7, 7, pytest.approx(2.0, rel=ERROR))


def test_quantiles_mean_and_histogram_are_what_numpy_says_to_the_error_that_is_told(store):
    values = np.random.default_rng(3).gamma(2.0, 30.0, size=3000)
    filled(store, values.tolist())
    store.compact()
    store.follow()
    (ink,) = asked(store, "ink", bins=20)
    assert ink.error == ERROR
    for level, value in ink.quantiles:
        exact = float(np.quantile(values, level, method="inverted_cdf"))
        assert abs(value - exact) <= ERROR * abs(exact - ink.centre) + 1e-12
    assert ink.mean == pytest.approx(values.mean(), rel=ERROR)
    assert (len(ink.edges), len(ink.counts), sum(ink.counts), ink.missing) == (21, 20, 3000, 0)


def test_days_add_up_to_the_whole_and_share_their_edges(store):
    for day in range(3):
        filled(store, [float(number * (day + 1)) for number in range(50)], day=day)
    store.compact()
    store.follow()
    (whole,) = asked(store, "ink")
    days = asked(store, "ink", by="day")
    assert {each.edges for each in days} == {whole.edges}
    assert tuple(map(sum, zip(*(each.counts for each in days), strict=True))) == whole.counts
    assert [each.start for each in days] == [datetime(2026, 6, day, tzinfo=UTC) for day in (1, 2, 3)]
    (two,) = asked(store, "ink", start="2026-06-01", end="2026-06-03")
    assert two.rows == 100


def test_texts_have_their_commonest_values_and_missing_ones(store):
    filled(store, [1.0] * 9)
    store.compact()
    store.follow()
    pen, wet = asked(store, "wet", "pen")
    assert (pen.column, pen.values, pen.missing, pen.others) == ("pen", (("blue", 3), ("red", 3)), 3, 0)
    assert wet.values == (("true", 5), ("false", 4))


def test_rows_in_the_log_are_there_before_anything_was_counted(store):
    filled(store, [1.0, 2.0])
    assert [each.rows for each in asked(store, "ink", source="rows")] == [2]
    assert [each.rows for each in asked(store, "ink")] == [0]
    (some,) = asked(store, "ink", source="rows", start=(BEGIN + 1) / 1e6)
    assert some.rows == 1
    (none,) = asked(store, "ink", source="rows", environment="shadow")
    assert (none.rows, none.quantiles, none.mean) == (0, (), None)


def test_what_cannot_be_done_says_what_would(store):
    filled(store, [1.0])
    with store.engine.connect() as connection:
        assert columns_of(connection, "digits") is not None
    with pytest.raises(UnknownName, match="Did you mean 'ink'"):
        asked(store, "inc")
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        distribution(store.folder, store.engine, "digit", Wanted())
    for wanted, said in (
        ({"start": "2026-06-01T12:00"}, "a midnight .UTC. would do, or source='rows'"),
        ({"source": "log"}, "'cells' or 'rows' would do"),
        ({"by": "hour"}, "'day' would do"),
        ({"bins": 0}, "from 1 to 1000 would do"),
        ({"end": "soon"}, "end cannot be 'soon'"),
    ):
        with pytest.raises(BadInput, match=said):
            asked(store, **wanted)
