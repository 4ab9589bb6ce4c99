"""A repeated id is kept, counted once by its earliest row, and told in the catalog; the filter that finds it may be lost at any time."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
import sqlalchemy as sa

from tests.store.published import declare, frozen_of, moment, oracle, publish, summed
from tests.store.test_cells_oracle import labels_of
from watchglass.store import catalog as c
from watchglass.store import cells, labelled
from watchglass.store.labels import filters
from watchglass.store.labels.filters import filter_of

FEATURES = {"shape": "number", "colour": "text"}


def row_of(number, day, second=0.0, **more):
    return {
        "id": f"p{number}",
        "time": moment(day, second),
        "environment": "live",
        "version": "1",
        "prediction": "a",
        "features": {"shape": float(number), "colour": "red"},
        "tags": {"site": "harbour"},
        **more,
    }


def told_by_catalog(bench):
    with bench.engine.connect() as connection:
        rows = connection.execute(sa.select(c.repeats)).all()
    return {(row.environment, row.id): row.rows for row in rows}


def earliest(rows):
    """Keep the row of each id that comes first by time, version and prediction."""
    best = {}
    for row in rows:
        key = row["environment"], row["id"]
        order = row["time"], row["version"], row["prediction"]
        if key not in best or order < best[key][0]:
            best[key] = order, row
    return [row for _, row in best.values()]


def test_a_repeat_is_counted_once_by_its_earliest_row_whatever_came_first(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    late, early = row_of(1, 3, prediction="b"), row_of(1, 1)
    publish(bench, "predictions", [late, row_of(2, 3)], FEATURES, ("site",))
    publish(bench, "labels", [{"id": "p1", "environment": "live", "label": "a", "time": moment(4)}])
    bench.follow()
    assert summed(bench)["1", "live", moment(3).date(), "", "", "rows", 0, None, None] == 2
    publish(bench, "predictions", [early], FEATURES, ("site",))
    bench.follow()
    labels = [{"id": "p1", "environment": "live", "label": "a", "time": moment(4)}]
    assert summed(bench) == oracle([early, row_of(2, 3)], labels, FEATURES, ("site",), frozen_of(bench))
    publish(bench, "predictions", [row_of(1, 2)], FEATURES, ("site",))
    bench.follow()
    assert summed(bench) == oracle([early, row_of(2, 3)], labels, FEATURES, ("site",), frozen_of(bench))
    assert told_by_catalog(bench) == {("live", "p1"): 3}


def test_one_id_in_two_environments_is_no_repeat_and_one_row_sent_twice_is(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    rows = [row_of(1, 1), row_of(1, 1, environment="shadow"), row_of(2, 1), row_of(2, 1)]
    publish(bench, "predictions", rows, FEATURES, ("site",))
    publish(bench, "predictions", rows, FEATURES, ("site",))
    bench.follow()
    assert summed(bench) == oracle(rows[:3], [], FEATURES, ("site",), frozen_of(bench))
    assert told_by_catalog(bench) == {("live", "p1"): 2, ("shadow", "p1"): 2, ("live", "p2"): 4}


def test_rows_that_differ_in_nothing_but_a_feature_give_one_answer_in_any_order(tmp_path):
    from contextlib import closing

    from tests.store.bench import Bench

    twins = [row_of(1, 1, features={"shape": float(n), "colour": colour}) for n in (1, 2, 12) for colour in "xy"]
    answers = []
    for seed in range(3):
        with closing(Bench(tmp_path / str(seed))) as store:
            declare(store, FEATURES, ("site",), ("site",))
            publish(store, "predictions", [row_of(9, 1)], FEATURES, ("site",))
            store.follow()
            random.Random(seed).shuffle(twins)
            for twin in twins:
                publish(store, "predictions", [twin], FEATURES, ("site",))
                if seed:
                    store.follow()
            store.follow()
            counts = Counter()
            for key, n in summed(store).items():
                counts[key[4:8]] += n
            answers.append(counts)
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("join", ["all joined", "looked up"])
def test_many_repeats_with_labels_give_the_counts_of_the_earliest_rows(bench, monkeypatch, join):
    monkeypatch.setattr(labelled, "MANY", 1 << 40 if join == "all joined" else 0)
    chance = random.Random(3)
    declare(bench, FEATURES, ("site",), ("site",))
    sent, labels = [], []
    for _ in range(6):
        rows = [
            row_of(
                chance.randrange(300), chance.randrange(9), chance.uniform(0, 80_000), prediction=chance.choice("ab")
            )
            for _ in range(150)
        ]
        rows += chance.sample(sent, 20) if sent else []
        told = labels_of(chance, chance.sample(rows, 50))
        publish(bench, "predictions", rows, FEATURES, ("site",))
        publish(bench, "labels", told)
        sent += rows
        labels += told
        if chance.random() < 0.7:
            bench.follow()
    bench.follow()
    assert summed(bench) == oracle(earliest(sent), labels, FEATURES, ("site",), frozen_of(bench))
    counts = Counter((row["environment"], row["id"]) for row in sent)
    assert told_by_catalog(bench) == {key: count for key, count in counts.items() if count > 1}


@pytest.mark.parametrize("harm", ["lost", "torn", "of another start", "ahead", "full"])
def test_a_filter_that_is_gone_or_wrong_is_made_anew(bench, monkeypatch, harm):
    monkeypatch.setattr(filters, "LEAST", 64)
    declare(bench, FEATURES, ("site",), ("site",))
    rows = [row_of(number, 1) for number in range(100)]
    publish(bench, "predictions", rows, FEATURES, ("site",))
    bench.follow()
    (path,) = (bench.folder.root / "filters").glob("*")
    if harm == "lost":
        path.unlink()
    elif harm == "torn":
        path.write_bytes(path.read_bytes()[:-8])
    elif harm == "full":
        publish(bench, "predictions", [row_of(number, 1) for number in range(100, 300)], FEATURES, ("site",))
        rows += [row_of(number, 1) for number in range(100, 300)]
        bench.follow()
    else:
        data = np.frombuffer(path.read_bytes(), dtype="<u8").copy()
        if harm == "ahead":
            data[5] += 7
        else:
            data[1] ^= np.uint64(1)
            data[8:] = 0
        path.write_bytes(data.tobytes())
    publish(bench, "predictions", rows, FEATURES, ("site",))
    bench.follow()
    assert summed(bench) == oracle(rows, [], FEATURES, ("site",), frozen_of(bench))
    assert set(told_by_catalog(bench).values()) == {2}


def test_ids_whose_hashes_are_equal_are_not_repeats(bench):
    declare(bench, FEATURES, ("site",), ("site",))
    ends = "8000-00000000000a"
    rows = [row_of(0, 1, second, id=f"{second:08d}-0000-1000-{ends}") for second in range(40)]
    for begin in (0, 20):
        publish(bench, "predictions", rows[begin : begin + 20], FEATURES, ("site",))
        bench.follow()
    assert summed(bench) == oracle(rows, [], FEATURES, ("site",), frozen_of(bench))
    assert told_by_catalog(bench) == {}


def test_the_filter_knows_all_it_was_given_and_few_others(tmp_path):
    from watchglass.store.folder import prepare

    chance = np.random.default_rng(1)
    folder = prepare(tmp_path / "store", create=True)
    known = filter_of(folder, "m", [], 200_000)
    mine = np.sort(chance.integers(0, 1 << 64, 200_000, dtype=np.uint64))
    uuids = np.sort((mine >> np.uint64(2)) | np.uint64(2 << 62))
    others = chance.integers(0, 1 << 64, 200_000, dtype=np.uint64)
    for hashes in (mine[::2], uuids[::2]):
        known.add(np.ascontiguousarray(hashes), 0)
    assert known.may_have(mine[::2]).all()
    assert known.may_have(uuids[::2]).all()
    assert known.may_have(others).mean() < 0.01
    again = filter_of(folder, "m", [], 0)
    assert again.room == known.room


def test_a_file_of_nothing_but_repeats_does_not_stop_a_count_in_batches(bench, monkeypatch):
    monkeypatch.setattr(cells, "BATCH_ROWS", 6)
    numbers = {"shape": "number"}
    declare(bench, numbers, (), ())
    rows = [row_of(number, 1, features={"shape": float(number)}) for number in range(6)]
    for sent in (rows[:3], rows[:3], rows[3:], rows[3:]):
        publish(bench, "predictions", sent, numbers)
    bench.follow()
    assert summed(bench) == oracle(rows, [], numbers, (), frozen_of(bench))
    assert told_by_catalog(bench) == {("live", f"p{number}"): 2 for number in range(6)}
