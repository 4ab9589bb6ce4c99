"""Old days of the cells are on a coarser grid: what is counted stays, what is judged stays, and it is done once."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN, DAY, Bench
from tests.store.published import declare, judged, publish, summed
from watchglass.alert.rounds import due
from watchglass.profile.grid import keys_of, midpoints
from watchglass.store import catalog as c
from watchglass.store.histories import cells_of, history
from watchglass.store.life import coarsening
from watchglass.store.life.coarsening import coarsen
from watchglass.store.life.coarser import coarser_keys, expression, first_fine_day
from watchglass.store.merge import merge
from watchglass.store.models import moment
from watchglass.store.tuning import replace_settings

FEATURES = {"amount": "number", "colour": "text"}
NOW = moment(BEGIN) + timedelta(days=400)
DAYS = 120


def fill(bench, days=range(DAYS), rows=60, seed=3):
    chance = random.Random(seed)
    made = [
        {
            "id": f"{seed}-{day}-{n}",
            "time": (moment(BEGIN) + timedelta(days=day, seconds=n)).replace(tzinfo=None),
            "environment": "live",
            "version": "1",
            "prediction": "a",
            "features": {"amount": chance.choice((chance.gauss(50, 10), 7.0, None)), "colour": chance.choice("rgb")},
            "tags": {"site": chance.choice("xy")},
        }
        for day in days
        for n in range(rows)
    ]
    publish(bench, "predictions", made, FEATURES, ("site",))
    bench.follow()


@pytest.fixture
def filled(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    fill(bench)
    judged(bench)
    return bench


def live(bench):
    query = sa.select(c.files.c.path, c.files.c.rows, c.files.c.bytes).where(
        c.files.c.removed.is_(None), c.files.c.kind == "cells"
    )
    with bench.engine.connect() as connection:
        return connection.execute(query.order_by(c.files.c.seq)).all()


def without_buckets(cells):
    """Sum cells over the buckets of each column of numbers."""
    total = Counter()
    for (*who, name, kind, bucket, value, known), n in cells.items():
        total[*who, name, kind, None if kind == "number" else bucket, value, known] += n
    return total


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(-1e6, 1e6))
def test_keys_of_one_bucket_stay_together_in_order_and_near_their_values(values, centre):
    array = np.array(values)
    keys = keys_of(array, centre)[0].astype(np.int64)
    coarse = coarser_keys(keys)
    assert np.array_equal(coarser_keys(coarse), coarse)
    order = np.argsort(keys, kind="stable")
    assert (np.diff(coarse[order]) >= 0).all()
    assert np.array_equal(np.signbit(coarse), np.signbit(keys))
    with np.errstate(over="ignore", invalid="ignore"):
        distance, told = array - centre, midpoints(coarse)
    near = (np.abs(distance) > 1e-300) & np.isfinite(distance) & (np.abs(distance) < 1e300)
    assert (np.abs(told[near] / distance[near] - 1) <= 0.04).all()
    assert np.array_equal(np.isinf(distance), np.isinf(told))


@settings(deadline=None)
@given(st.lists(st.integers(-131_009, 131_008), min_size=1))
def test_sql_and_numpy_give_the_same_key(keys):
    listed = ", ".join(f"({key}::BIGINT)" for key in keys)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {expression()} FROM (VALUES {listed}) t(bucket)").fetchnumpy()
    assert next(iter(found.values())).tolist() == coarser_keys(np.array(keys)).tolist()


def test_every_sum_stays_and_only_old_numbers_lose_their_fineness(filled):
    before = summed(filled)
    assert coarsen(filled.folder, filled.engine, NOW) == 1
    after = summed(filled)
    assert without_buckets(after) == without_buckets(before)
    edge = (moment(BEGIN) + timedelta(days=DAYS - 1 - 90)).date()
    is_old = lambda key: key[2] < edge and key[5] == "number"  # noqa: E731 - said once
    assert {key: n for key, n in after.items() if not is_old(key)} == {
        key: n for key, n in before.items() if not is_old(key)
    }
    told = Counter()
    for key, n in before.items():
        if is_old(key):
            told[*key[:6], int(coarser_keys(np.array([key[6]]))[0]), *key[7:]] += n
    assert {key: n for key, n in after.items() if is_old(key)} == told


def test_it_is_done_once_a_week_of_days_and_again_where_rows_came_since(filled):
    assert coarsen(filled.folder, filled.engine, NOW) == 1
    files = live(filled)
    assert coarsen(filled.folder, filled.engine, NOW) == 0
    fill(filled, range(DAYS, DAYS + 6), seed=4)
    assert coarsen(filled.folder, filled.engine, NOW) == 0
    fill(filled, (0, DAYS + 6), seed=5)  # the first day's rows are late
    assert len(live(filled)) == 3
    assert coarsen(filled.folder, filled.engine, NOW) == 2, "the file with that week's days, and the one with late rows"
    assert len(live(filled)) == 3
    assert files[0] not in live(filled)


def test_late_rows_and_old_ones_are_told_on_one_grid_before_their_files_are_written_anew(filled):
    coarsen(filled.folder, filled.engine, NOW)
    fill(filled, (0,), seed=6)
    with duckdb.connect() as connection:
        keys = connection.execute(
            f"SELECT bucket FROM {cells_of(filled.folder, filled.engine, 'm')} WHERE kind = 'number' AND day = DATE '2026-06-01'"
        ).fetchnumpy()["bucket"]
    assert np.array_equal(keys, coarser_keys(keys))
    merge(filled.folder, filled.engine)
    told = history(filled.folder, filled.engine, "m")
    assert told.rows[0] == 120


def test_a_history_has_all_its_days_on_one_grid(filled):
    fine = history(filled.folder, filled.engine, "m")
    coarsen(filled.folder, filled.engine, NOW)
    coarse = history(filled.folder, filled.engine, "m")
    for one, other in zip(fine.columns, coarse.columns, strict=True):
        assert np.array_equal(one.counts.sum(axis=1), other.counts.sum(axis=1))
        assert np.array_equal(one.missing, other.missing)
    number = coarse.columns[0]
    assert np.array_equal(number.keys, coarser_keys(number.keys))
    assert len(number.keys) < len(fine.columns[0].keys) / 2


def test_a_run_that_was_killed_goes_on(filled, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(coarsening, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        coarsen(filled.folder, filled.engine, NOW)
    monkeypatch.undo()
    half = history(filled.folder, filled.engine, "m")
    assert coarsen(filled.folder, filled.engine, NOW) == 1
    whole = history(filled.folder, filled.engine, "m")
    assert np.array_equal(half.columns[0].keys, whole.columns[0].keys)
    assert np.array_equal(half.columns[0].counts, whole.columns[0].counts)
    assert coarsen(filled.folder, filled.engine, NOW) == 0


def test_days_are_old_by_the_models_own_newest_and_by_the_setting(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    fill(bench, range(40))
    judged(bench)
    assert coarsen(bench.folder, bench.engine, NOW) == 0, "a model that rests keeps its cells, however late it is"
    replace_settings(bench.folder, {"retention": {"cells": {"fine_days": 20}}})
    assert coarsen(bench.folder, bench.engine, NOW) == 1


def test_days_stay_fine_until_every_window_that_needs_them_so_is_judged(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    fill(bench)
    assert coarsen(bench.folder, bench.engine, NOW) == 0, "nobody has judged it"
    judged(bench, 96)
    assert coarsen(bench.folder, bench.engine, NOW) == 0
    judged(bench, 97)
    assert coarsen(bench.folder, bench.engine, NOW) == 1


def stream(day):
    chance = random.Random(day)
    features = {"amount": lambda: chance.gauss(50 + 12 * (day >= 70), 10), "colour": lambda: chance.choice("rgb")}
    about = {"environment": "live", "version": "1", "prediction": "a", "tags": {"site": "x"}}
    return [
        {
            "id": f"{day}-{n}",
            "time": datetime(2024, 1, 1) + timedelta(days=day, seconds=n),
            "features": {name: value() for name, value in features.items()},
            **about,
        }
        for n in range(40)
    ]


def verdicts_of(bench, stretches):
    """Record and judge a stream of days, some at a time, with upkeep between; gives what was found of each window."""
    replace_settings(bench.folder, {"retention": {"cells": {"fine_days": 40}}})
    declare(bench, FEATURES, ("site",), ("site",))
    for days in stretches:
        for day in days:
            publish(bench, "predictions", stream(day), FEATURES, ("site",))
        bench.follow()
        now = datetime(2024, 1, 1, 2, tzinfo=UTC) + timedelta(days=days[-1] + 1)
        coarsen(bench.folder, bench.engine, now)
        due(bench.folder, bench.engine, now)
    return bench.ask('SELECT "window", status, evidence FROM verdicts WHERE kind = \'drift\' ORDER BY "window"')


def test_a_store_that_grew_and_a_replay_of_its_rows_give_the_same_verdicts(bench, tmp_path):
    grown = verdicts_of(bench, [range(first, first + 13) for first in range(0, 78, 13)])
    assert first_fine_day(bench.engine, "m") is not None
    other = Bench(tmp_path / "replayed")
    replayed = verdicts_of(other, [range(78)])
    other.close()
    assert [(row["window"], row["status"]) for row in grown] == [(row["window"], row["status"]) for row in replayed]
    assert {"met", "violated"} <= {row["status"] for row in grown}
    assert [row["evidence"] for row in grown] == pytest.approx([row["evidence"] for row in replayed], rel=1e-12)


def test_files_are_smaller_by_more_than_half_where_nothing_else_is_counted(bench):
    declare(bench, {"amount": "number"}, (), ())
    chance = random.Random(1)
    made = [
        {
            "id": f"{day}-{n}",
            "time": (moment(BEGIN) + timedelta(days=day, seconds=n)).replace(tzinfo=None),
            "environment": "live",
            "version": "1",
            "prediction": "a",
            "features": {"amount": chance.gauss(0, 1)},
        }
        for day in (*range(12), 110)
        for n in range(1500)
    ]
    publish(bench, "predictions", made, {"amount": "number"})
    bench.follow()
    (before,) = live(bench)
    judged(bench)
    coarsen(bench.folder, bench.engine, NOW)
    (after,) = live(bench)
    assert after.rows < before.rows / 2
    assert after.bytes < before.bytes / 1.6
    assert BEGIN % DAY == 0
