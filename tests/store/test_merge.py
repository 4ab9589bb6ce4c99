"""Small files become few, the rows stay what they are, the cells do not notice, and nothing is counted twice."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
import sqlalchemy as sa

from tests.store.bench import BEGIN, DAY, label, prediction
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.histories import history
from watchglass.store.merge import A_DAY, FAN_IN, Part, groups, merge, packs
from watchglass.store.sweep import REPLACED_AGE, sweep


def live(bench, kind="predictions"):
    query = sa.select(c.files).where(c.files.c.removed.is_(None), c.files.c.kind == kind).order_by(c.files.c.seq)
    with bench.engine.connect() as connection:
        return connection.execute(query).all()


def fill(bench, files=FAN_IN, rows=20, apart=1000):
    for number in range(files):
        bench.write("rows", [prediction(number * rows + row, time=BEGIN + row * apart + number) for row in range(rows)])
        bench.compact()


def everything(bench):
    return bench.ask("SELECT * FROM predictions ORDER BY id")


def test_merging_leaves_every_row_as_it_was(bench):
    bench.model()
    fill(bench)
    bench.follow()
    before, counted = everything(bench), history(bench.folder, bench.engine, "digits").rows.copy()
    assert len(live(bench)) == FAN_IN
    assert merge(bench.folder, bench.engine) >= FAN_IN
    assert len(live(bench)) == 1
    assert everything(bench) == before
    bench.follow()
    assert np.array_equal(history(bench.folder, bench.engine, "digits").rows, counted), "merged rows were counted anew"


def test_rows_are_merged_only_once_they_are_in_the_cells(bench):
    bench.model()
    fill(bench)
    assert merge(bench.folder, bench.engine) == 0
    bench.follow()
    assert merge(bench.folder, bench.engine) >= FAN_IN


def test_a_merged_file_is_in_order_of_time_and_has_its_index_and_sum(bench):
    bench.model()
    fill(bench, apart=60_000_000)
    bench.follow()
    merge(bench.folder, bench.engine)
    (file,) = live(bench)
    path = bench.folder.tables / file.path
    times = [row["time"] for row in bench.ask("SELECT time FROM predictions")]
    assert times == sorted(times), "rows that lie further apart than some minutes are in order"
    assert file.rows == FAN_IN * 20
    assert file.sum == parquet.sum_of(path)
    assert parquet.index_path(path).stat().st_size == 12 * file.rows


def test_labels_that_come_after_a_merge_meet_the_merged_predictions(bench):
    bench.model()
    fill(bench)
    bench.follow()
    merge(bench.folder, bench.engine)
    bench.write("rows", [label(number, number % 10) for number in range(FAN_IN * 20)])
    bench.compact()
    bench.follow()
    told = history(bench.folder, bench.engine, "digits").labels
    slices = len(told.slices)
    assert (slices, int(told.labelled.sum())) == (2, 2 * FAN_IN * 20), (
        "each label counts once for all rows, once for its slice"
    )
    assert bench.ask("SELECT count(*) AS n FROM predictions JOIN labels USING (model, environment, id)")[0]["n"] == 160


def test_predictions_that_come_after_merged_labels_are_joined_once(bench):
    bench.model()
    for number in range(FAN_IN):
        bench.write("rows", [label(number, 1, time=BEGIN + DAY + number)])
        bench.compact()
    bench.follow()
    merge(bench.folder, bench.engine)
    assert len(live(bench, "labels")) == 1
    bench.write("rows", [prediction(number) for number in range(FAN_IN)])
    bench.compact()
    bench.follow()
    told = history(bench.folder, bench.engine, "digits")
    assert told.labels.labelled.sum() >= FAN_IN


def test_replaced_files_lie_there_for_a_while_and_then_are_swept(bench):
    bench.model()
    fill(bench)
    bench.follow()
    merge(bench.folder, bench.engine)
    there = len(list((bench.folder.tables / "predictions").glob("*.parquet")))
    assert there == FAN_IN + 1
    sweep(bench.folder, bench.engine)
    assert len(list((bench.folder.tables / "predictions").glob("*.parquet"))) == there, "a question may still read them"
    sweep(bench.folder, bench.engine, now=time.time() + REPLACED_AGE + 1)
    assert len(list((bench.folder.tables / "predictions").iterdir())) == 2, "the merged file and its index"
    assert len(everything(bench)) == FAN_IN * 20


def test_a_question_whose_file_is_gone_is_planned_again(bench, monkeypatch):
    from watchglass.store import query

    bench.model()
    fill(bench)
    bench.follow()
    took = query.prediction_parts

    def late(*arguments):
        parts = took(*arguments)
        if len(live(bench)) > 1:
            merge(bench.folder, bench.engine)
            sweep(bench.folder, bench.engine, now=time.time() + REPLACED_AGE + 1)
        return parts

    monkeypatch.setattr(query, "prediction_parts", late)
    assert bench.ask("SELECT count(*) AS n FROM predictions")[0]["n"] == FAN_IN * 20


def test_cells_are_merged_by_adding_up(bench):
    bench.model()
    for number in range(FAN_IN):
        bench.write("rows", [prediction(number)])
        bench.compact()
        bench.follow()
    before = history(bench.folder, bench.engine, "digits")
    assert len(live(bench, "cells")) == FAN_IN
    merge(bench.folder, bench.engine)
    assert len(live(bench, "cells")) == 1
    after = history(bench.folder, bench.engine, "digits")
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.columns[0].counts, after.columns[0].counts)


def part(seq, rows=100, day=0, days=1):
    return Part(seq, f"{seq}", rows, day * DAY, (day + days) * DAY - 1, seq)


def test_too_few_files_of_a_size_are_left_alone():
    assert groups([part(seq) for seq in range(FAN_IN - 1)]) == []
    assert groups([*(part(seq) for seq in range(7)), part(8, rows=100_000)]) == []


def test_days_that_are_large_enough_are_not_joined():
    assert groups([part(seq, rows=A_DAY, day=seq) for seq in range(20)]) == []


@pytest.mark.parametrize("days", [[(0, 10)], [(0, A_DAY), (1, 1)], [(day, 30_000) for day in range(10)]])
def test_packs_hold_every_day_once(days):
    found = packs(days)
    held = [day for first, end in found for day, _ in days if first <= day < end]
    assert held == [day for day, _ in days]
    assert all(a[1] <= b[0] for a, b in pairwise(found))
