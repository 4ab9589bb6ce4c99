"""An id that came again goes whole: while one of its rows is young, the one that counts stays, so that the cells stay right."""

from __future__ import annotations

import os
import random
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tests.store.labels.test_repeats import FEATURES, earliest, row_of
from tests.store.published import declare, frozen_of, moment, oracle, publish, summed
from tests.store.test_cells_oracle import labels_of
from watchglass.store import catalog as c
from watchglass.store.life.retention import expire
from watchglass.store.tuning import replace_settings

SEEDS = 40 if os.environ.get("WATCHGLASS_TORTURE") else 4


def kept(bench, days=5, **more):
    replace_settings(bench.folder, {"retention": {"predictions": {"days": days, **more}, "labels": {"days": days}}})


def ids(bench):
    """Read the rows that are left from their files."""
    live = (c.files.c.kind == "predictions") & c.files.c.removed.is_(None)
    with bench.engine.connect() as connection:
        paths = connection.execute(sa.select(c.files.c.path).where(live)).scalars().all()
    found = [pq.read_table(bench.folder.tables / path, columns=["id", "time"]).to_pylist() for path in paths]
    return sorted((row["id"], row["time"]) for rows in found for row in rows)


def truth(rows, labels, bench):
    return oracle(earliest(rows), labels, FEATURES, ("site",), frozen_of(bench))


def test_the_row_that_counts_stays_while_another_of_its_id_is_young(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    kept(bench)
    old = [row_of(1, 1), row_of(2, 1), row_of(3, 1)]
    publish(bench, "predictions", old, FEATURES, ("site",))
    young = [row_of(1, 8, prediction="b")]
    publish(bench, "predictions", young, FEATURES, ("site",))
    told = [{"id": "p1", "environment": "live", "label": "a", "time": moment(8)}]
    publish(bench, "labels", told, FEATURES)
    bench.follow()
    assert expire(bench.folder, bench.engine, moment(10)).rows == 2
    assert ids(bench) == [("p1", moment(1)), ("p1", moment(8))]
    assert expire(bench.folder, bench.engine, moment(10)).rows == 0, "what is held is not written again and again"
    told += [{"id": "p1", "environment": "live", "label": "b", "time": moment(9)}]
    publish(bench, "labels", told[1:], FEATURES)
    bench.follow()
    assert summed(bench) == truth(old + young, told, bench)
    assert expire(bench.folder, bench.engine, moment(14)).rows >= 2
    assert ids(bench) == []
    bench.follow()
    assert summed(bench) == truth(old + young, told, bench)


def test_one_that_came_again_and_is_not_counted_yet_holds_it_too(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    kept(bench)
    rows = [row_of(1, 1), row_of(2, 1), row_of(3, 1), row_of(1, 8)]
    publish(bench, "predictions", rows[:3], FEATURES, ("site",))
    bench.follow()
    publish(bench, "predictions", rows[3:], FEATURES, ("site",))
    assert expire(bench.folder, bench.engine, moment(10)).rows == 2
    bench.follow()
    assert summed(bench) == truth(rows, [], bench)


def test_by_size_it_stays_likewise(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    replace_settings(bench.folder, {"retention": {"predictions": {"bytes": 1}}})
    publish(bench, "predictions", [row_of(1, 1), row_of(2, 1)], FEATURES, ("site",))
    publish(bench, "predictions", [row_of(1, 2)], FEATURES, ("site",))
    bench.follow()
    expire(bench.folder, bench.engine, moment(3))
    assert ids(bench) == [], "where all its rows go at once, none is held"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_goes_the_cells_are_those_of_the_rows_and_labels_that_ever_counted(bench, seed):
    chance = random.Random(seed)
    declare(bench, FEATURES, ("site",), ("site",))
    kept(bench, 4)
    sent, labels, dead = [], [], set()
    for day in range(1, 16):
        fresh = [
            row_of(day * 100 + n, day, chance.uniform(0, 80_000), prediction=chance.choice("ab")) for n in range(6)
        ]
        alive = sorted({row["id"] for row in sent} - dead)
        again = [
            row_of(
                int(name[1:]), day - chance.choice((0, 0, 1)), chance.uniform(0, 80_000), prediction=chance.choice("ab")
            )
            for name in chance.sample(alive, min(3, len(alive)))
        ]
        publish(bench, "predictions", fresh + again, FEATURES, ("site",))
        sent += fresh + again
        rows = [row for row in sent if row["id"] not in dead]
        told = labels_of(chance, chance.sample(rows, min(5, len(rows))))
        publish(bench, "labels", told)
        labels += told
        if chance.random() < 0.7:
            bench.follow()
            expire(bench.folder, bench.engine, moment(day) + timedelta(days=1))
            there = {name for name, _ in ids(bench)}
            dead = {row["id"] for row in sent} - there
    bench.follow()
    assert dead
    assert summed(bench) == truth(sent, labels, bench)
