"""Cells hold exactly what one pass over the rows counts, bit for bit, whatever values, days, versions, tags and weights come."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import sqlalchemy as sa

from tests.store.published import declare, frozen_of, moment, oracle, publish, summed
from watchglass.profile.columns import frame_of
from watchglass.store import catalog as c
from watchglass.store import cells, countable
from watchglass.store.transactions import writing

FEATURES = {
    "shape": "number",
    "odd": "number",
    "constant": "number",
    "never": "number",
    "colour": "text",
    "many": "text",
    "new": "boolean",
}
TAGS = ("channel", "site", "only")
ODD = (0.0, -0.0, math.inf, -math.inf, math.nan, None, 5e-324, -1e308, 1e308, 1.5)


def rows_of(chance, count, first_id, days=45, weights=(None,)):
    """Make rows of every sort."""
    made = []
    for number in range(count):
        weight = chance.choice(weights)
        made.append(
            {
                "id": f"p{first_id + number}",
                "time": moment(chance.randrange(days), chance.uniform(0, 86_399)),
                "environment": chance.choice(("live", "shadow")),
                "version": chance.choice(("1", "2", None)),
                "prediction": chance.choice("abc"),
                "features": {
                    "shape": chance.gauss(5, 2),
                    "odd": chance.choice(ODD),
                    "constant": 7.0,
                    "never": None,
                    "colour": chance.choice(("red", "blue", "größer", "", None)),
                    "many": f"value {chance.randrange(1500)}",
                    "new": chance.choice((True, False, None)),
                },
                "tags": {
                    "channel": chance.choice(("web", "app", None)),
                    "site": f"site {chance.randrange(7)}",
                    "only": chance.choice(("one", None)),
                },
                **({"weight": weight} if weights != (None,) else {}),
            }
        )
    return made


def labels_of(chance, predictions, share=0.7):
    """Make labels for some of the rows, corrected now and then, each at a time of its own."""
    made = []
    for row in predictions:
        while chance.random() < share:
            made.append(
                {
                    "id": row["id"],
                    "environment": row["environment"],
                    "label": chance.choice("abc"),
                    "time": moment(chance.randrange(60), len(made) / 1000),
                }
            )
            share *= 0.5
        share = 0.7
    chance.shuffle(made)
    return made


@pytest.mark.parametrize("weights", [(None,), (1, 1, 3, 17, None)], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "file by file"])
def test_cells_hold_what_one_pass_over_all_rows_counts(bench, weights, together):
    chance = random.Random(11)
    declare(bench, FEATURES, TAGS, TAGS)
    predictions = rows_of(chance, 1500, 0, weights=weights)
    labels = labels_of(chance, predictions)
    published, told = [], []
    for part in range(3):
        for kind, all_rows, taken, size in (
            ("labels", labels, told, 200),
            ("predictions", predictions, published, 500),
        ):
            rows = all_rows[part * size : (part + 1) * size]
            publish(bench, kind, rows, FEATURES, TAGS)
            taken.extend(rows)
            if not together:
                assert bench.follow() == 1
    if together:
        assert bench.follow() == 6
    found, wanted = summed(bench), oracle(published, told, FEATURES, TAGS, frozen_of(bench))
    assert {key: (found.get(key), n) for key, n in wanted.items() if found.get(key) != n} == {}
    assert set(found) == set(wanted)
    assert any(key[5] == "rows2" for key in found) == (weights != (None,))
    assert {key[5] for key in found} >= {"rows", "number", "coarse", "category", "missing", "labelled", "correct"}


def test_the_frame_comes_from_the_earliest_rows_alone_and_stays(bench):
    declare(bench, {"shape": "number"}, (), (), reference=2)
    rows = [
        {
            "id": f"p{number}",
            "time": moment(number // 100),
            "environment": "live",
            "version": "1",
            "features": {"shape": float(number)},
        }
        for number in range(1000)
    ]
    publish(bench, "predictions", rows, {"shape": "number"})
    bench.follow()
    learnt = frame_of(np.arange(200.0))
    centre, edges, _ = frozen_of(bench)["shape"]
    assert (centre, tuple(edges)) == (learnt.centre, learnt.edges)
    later = [{**row, "id": f"later {row['id']}", "features": {"shape": -1e6}} for row in rows]
    publish(bench, "predictions", later, {"shape": "number"})
    bench.follow()
    assert frozen_of(bench)["shape"][0] == centre
    assert summed(bench) == oracle([*rows, *later], [], {"shape": "number"}, (), frozen_of(bench))


def test_a_file_read_in_stretches_gives_the_cells_of_the_whole(bench, monkeypatch):
    monkeypatch.setattr(countable, "VALUES", 1)  # two row groups at a time
    chance = random.Random(5)
    features = {"shape": "number", "colour": "text"}
    declare(bench, features, ("site",), ("site",))
    rows = [
        {**row, "features": {name: row["features"][name] for name in features}, "tags": {"site": row["tags"]["site"]}}
        for row in rows_of(chance, 40_000, 0, days=3)
    ]
    publish(bench, "predictions", rows, features, ("site",))
    bench.follow()
    assert summed(bench) == oracle(rows, [], features, ("site",), frozen_of(bench))


def test_a_merged_file_is_no_new_data_and_a_late_label_finds_its_row_there(bench):
    chance = random.Random(2)
    declare(bench, FEATURES, TAGS, ("site",))
    predictions = rows_of(chance, 300, 0)
    labels = labels_of(chance, predictions)
    seqs = [publish(bench, "predictions", predictions[at : at + 100], FEATURES, TAGS) for at in (0, 100, 200)]
    seqs += [publish(bench, "labels", labels[:100])]
    assert bench.follow() == 4
    with writing(bench.engine) as transaction:
        transaction.execute(c.files.update().where(c.files.c.seq.in_(seqs)).values(removed=1.0))
    publish(bench, "predictions", predictions, FEATURES, TAGS, origin=seqs[2])
    publish(bench, "labels", labels[:100], origin=seqs[3])
    assert bench.follow() == 0
    publish(bench, "labels", labels[100:])
    assert bench.follow() == 1
    assert summed(bench) == oracle(predictions, labels, FEATURES, ("site",), frozen_of(bench))


def test_files_of_two_models_and_of_older_columns_are_counted_together(bench):
    chance = random.Random(4)
    declare(bench, FEATURES, TAGS, TAGS)
    older = [{**row, "features": {"shape": row["features"]["shape"]}, "tags": None} for row in rows_of(chance, 50, 0)]
    newer = rows_of(chance, 50, 50, weights=(2,))
    publish(bench, "predictions", older, {"shape": "number"})
    publish(bench, "predictions", newer, FEATURES, TAGS)
    with writing(bench.engine) as transaction:
        transaction.execute(c.models.insert(), [{"name": "other", "slices": "[]", "time": 0}])
    publish(bench, "predictions", older, {"shape": "number"}, model="other")
    assert bench.follow() == 3
    found = summed(bench)
    whole = {key[4:6]: 0 for key in found}
    for key, n in found.items():
        if key[3] == "":
            whole[key[4:6]] += n
    assert whole["", "rows"] == 50 + 100 + 50
    assert whole["", "rows2"] == 100
    assert whole["shape", "number"] == 150
    assert whole["never", "missing"] == 100


def test_a_batch_ends_where_a_transaction_would_hold_too_many_rows(bench, monkeypatch):
    monkeypatch.setattr(cells, "BATCH_ROWS", 150)
    chance = random.Random(9)
    declare(bench, FEATURES, TAGS, ("site",))
    predictions = rows_of(chance, 300, 0)
    for at in (0, 100, 200):
        publish(bench, "predictions", predictions[at : at + 100], FEATURES, TAGS)
    assert bench.follow() == 3
    with bench.engine.connect() as connection:
        files = connection.execute(sa.select(sa.func.count()).where(c.files.c.kind == "cells")).scalar_one()
        named = c.watermarks.c.name.in_(("cells", "rows"))
        marks = dict(connection.execute(sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(named)).all())
    assert (files, marks) == (3, {"cells": 3, "rows": 3})
    assert summed(bench) == oracle(predictions, [], FEATURES, ("site",), frozen_of(bench))
