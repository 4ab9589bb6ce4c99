"""What is taken away from the cells leaves those of a store that never had it, bit for bit."""

from __future__ import annotations

import random
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests.store.bench import Bench
from tests.store.published import declare, frozen_of, oracle, publish, summed
from tests.store.test_cells_oracle import FEATURES, TAGS, labels_of, rows_of
from watchglass.store import catalog as c
from watchglass.store import merge
from watchglass.store.compact import engine_room
from watchglass.store.labels.uncount import uncount
from watchglass.store.leases import hold
from watchglass.store.models import features_of
from watchglass.store.transactions import writing


def take_away(bench, chosen):
    """Take ids (environment, id) out of the cells as who forgets them does."""
    with hold(bench.engine, "cells") as lease, engine_room() as connection:
        connection.execute("CREATE TEMP TABLE ids (environment VARCHAR, id VARCHAR)")
        if chosen:
            connection.executemany("INSERT INTO ids VALUES (?, ?)", [list(key) for key in chosen])
        values = uncount(bench.folder, bench.engine, connection, "m", "ids")
        with writing(bench.engine) as transaction:
            lease.check(transaction)
            if values is not None:
                transaction.execute(c.files.insert(), [values])
    return values


def store_of(bench, predictions, labels, parts=3):
    for part in range(parts):
        rows = predictions[part::parts]
        old = [{**row, "features": {"shape": row["features"]["shape"]}, "tags": None} for row in rows[:20]]
        publish(bench, "predictions", old, {"shape": "number"})
        publish(bench, "predictions", rows[20:], FEATURES, TAGS)
        publish(bench, "labels", labels[part::parts])


@pytest.mark.parametrize("weights", [(None,), (1, 3, 17, None)], ids=["unweighted", "weighted"])
def test_ids_taken_away_leave_the_cells_of_a_store_that_never_had_them(bench, tmp_path, weights):
    chance = random.Random(7)
    predictions = rows_of(chance, 600, 0, weights=weights)
    labels = labels_of(chance, predictions)
    gone = {(row["environment"], row["id"]) for row in predictions if chance.random() < 0.3}
    declare(bench, FEATURES, TAGS, TAGS)
    store_of(bench, predictions, labels)
    bench.follow()
    before = frozen_of(bench)
    assert take_away(bench, gone)["rows"] > 1000
    assert frozen_of(bench) == before

    rest = [row for row in predictions if (row["environment"], row["id"]) not in gone]
    with closing(Bench(tmp_path / "without")) as without:
        declare(without, FEATURES, TAGS, TAGS)
        with bench.engine.connect() as one, writing(without.engine) as other:
            for feature in features_of(one, "m"):
                row = one.execute(sa.select(c.columns).where(c.columns.c.name == feature.name)).mappings().one()
                other.execute(c.columns.update().where(c.columns.c.name == feature.name).values(**row))
        kept = {(row["environment"], row["id"]) for row in rest}
        for part in range(3):
            rows = predictions[part::3]
            old = [{**row, "features": {"shape": row["features"]["shape"]}, "tags": None} for row in rows[:20]]
            for listed, features, tags in ((old, {"shape": "number"}, ()), (rows[20:], FEATURES, TAGS)):
                publish(
                    without,
                    "predictions",
                    [row for row in listed if (row["environment"], row["id"]) in kept],
                    features,
                    tags,
                )
            publish(without, "labels", labels[part::3])
        without.follow()
        assert summed(bench) == summed(without)


def test_all_ids_taken_away_leave_nothing_and_none_take_nothing(bench):
    chance = random.Random(8)
    predictions = rows_of(chance, 200, 0)
    declare(bench, FEATURES, TAGS, TAGS)
    store_of(bench, predictions, labels_of(chance, predictions))
    bench.follow()
    before = summed(bench)
    assert take_away(bench, []) is None
    assert take_away(bench, [("live", "nobody"), ("shadow", "p5 ")]) is None
    assert summed(bench) == before
    take_away(bench, [(row["environment"], row["id"]) for row in predictions])
    assert summed(bench) == {}


def test_rows_that_are_not_counted_yet_are_not_taken_away(bench):
    chance = random.Random(9)
    predictions = rows_of(chance, 300, 0)
    labels = labels_of(chance, predictions)
    declare(bench, FEATURES, TAGS, TAGS)
    publish(bench, "predictions", predictions[:200], FEATURES, TAGS)
    publish(bench, "labels", labels[:50])
    bench.follow()
    publish(bench, "predictions", predictions[200:], FEATURES, TAGS)
    publish(bench, "labels", labels[50:])
    take_away(bench, [(row["environment"], row["id"]) for row in predictions])
    assert summed(bench) == {}
    assert oracle([], [], FEATURES, TAGS, frozen_of(bench)) == {}


def test_files_of_different_columns_are_merged_apart_so_that_rows_taken_away_still_leave_exact_counts(
    bench, monkeypatch
):
    monkeypatch.setattr(merge, "FAN_IN", 2)
    chance = random.Random(10)
    predictions = rows_of(chance, 240, 0, days=2)
    declare(bench, FEATURES, TAGS, TAGS)
    older = [{**row, "features": {"shape": row["features"]["shape"]}, "tags": None} for row in predictions[:120]]
    for part in range(3):
        publish(bench, "predictions", older[part::3], {"shape": "number"})
        publish(bench, "predictions", predictions[120 + part :: 3], FEATURES, TAGS)
    bench.follow()
    assert merge.merge(bench.folder, bench.engine) == 6
    take_away(bench, [(row["environment"], row["id"]) for row in predictions[::2]])
    kept = [older[number] for number in range(1, 120, 2)]
    rest = oracle(predictions[121::2], [], FEATURES, TAGS, frozen_of(bench))
    before = oracle(kept, [], {"shape": "number"}, (), frozen_of(bench))
    assert summed(bench) == {key: rest.get(key, 0) + before.get(key, 0) for key in {**rest, **before}}
