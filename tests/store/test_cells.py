"""Cells give the same counts whatever the order in which predictions, labels, corrections and compactions come."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN, DAY, Bench, label, prediction
from watchglass.store.histories import history

SITES = ("harbour", "office")


def truth(events, known_day):
    """Count labelled and correct predictions by site as one pass over the final truth as known on a day."""
    served = {e["id"]: e for e in events if e["kind"] == "prediction"}
    latest = {}
    for event in sorted((e for e in events if e["kind"] == "label"), key=lambda e: (e["time"], str(e["label"]))):
        if event["time"] < BEGIN + (known_day + 1) * DAY:
            latest[event["id"]] = event["label"]
    labelled, correct = Counter(), Counter()
    for ident, event in served.items():
        if ident in latest:
            for name in ("", event["tags"]["site"]):
                labelled[name] += 1
                correct[name] += event["prediction"] == latest[ident]
    return {name: (labelled[name], correct[name]) for name in labelled}


def counted(whole, known_day):
    labels = whole.labels
    labelled, correct = labels.known_at(known_day - (whole.first - date(2026, 6, 1)).days)
    names = [dict(chosen).get("site", "") for chosen in labels.slices]
    sums = zip(names, labelled.sum(axis=0).tolist(), correct.sum(axis=0).tolist(), strict=True)
    return {name: (n, good) for name, n, good in sums if n}


@st.composite
def stories(draw):
    count = draw(st.integers(1, 12))
    events = [
        prediction(
            n,
            time=BEGIN + draw(st.integers(0, 2)) * DAY + n,
            tags={"site": draw(st.sampled_from(SITES))},
            prediction=draw(st.integers(0, 2)),
        )
        for n in range(count)
    ]
    for time in draw(st.lists(st.integers(0, 4 * 24), max_size=20, unique=True)):
        events.append(label(draw(st.integers(0, count - 1)), draw(st.integers(0, 2)), time=BEGIN + time * DAY // 24))
    order = draw(st.permutations(events))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    return order, cuts


@pytest.mark.slow
@pytest.mark.many_stores
@settings(
    max_examples=200 if os.environ.get("WATCHGLASS_TORTURE") else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stories())
def test_any_interleaving_gives_the_counts_of_one_pass_as_known_on_every_day(tmp_path_factory, story):
    events, cuts = story
    with closing(Bench(tmp_path_factory.mktemp("interleaved") / "store")) as bench:
        bench.model()
        for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
            bench.write("rows", events[start:end])
            bench.compact()
            bench.follow()
        whole = history(bench.folder, bench.engine, "digits")
        for day in range(5):
            assert counted(whole, day) == truth(events, day), f"as known on day {day}"


def test_cells_of_parts_equal_the_cells_of_the_whole(bench, tmp_path):
    chance = np.random.default_rng(3)
    events = [
        prediction(n, time=BEGIN + n * DAY // 40, features={"ink": float(x)}, tags={"site": SITES[n % 2]})
        for n, x in enumerate(chance.normal(5, 2, 200))
    ]
    events[7]["features"] = {"ink": None}
    with closing(Bench(tmp_path / "whole")) as whole:
        for store, parts in ((bench, [events[:120], events[120:]]), (whole, [events])):
            store.model()
            for part in parts:
                store.write("rows", part)
                store.compact()
                store.follow()
        one, other = (history(store.folder, store.engine, "digits") for store in (bench, whole))
    assert one.rows.tolist() == other.rows.tolist() == [40] * 5
    assert one.columns[0].missing.tolist() == [1, 0, 0, 0, 0]
    assert one.columns[0].counts.sum() == other.columns[0].counts.sum() == 199


def test_categories_and_booleans_are_counted_by_value_and_follow_is_idempotent(bench):
    bench.model(features=(("colour", "text"), ("new", "boolean")))
    rows = [prediction(n, features={"colour": ("red", "blue", None)[n % 3], "new": n % 2 == 0}) for n in range(9)]
    bench.write("rows", rows)
    bench.compact()
    assert bench.follow() == 1
    assert bench.follow() == 0
    colour, new = history(bench.folder, bench.engine, "digits").columns
    assert dict(zip(colour.values, colour.counts[0].tolist(), strict=True)) == {"blue": 3, "red": 3}
    assert colour.missing.tolist() == [3]
    assert dict(zip(new.values, new.counts[0].tolist(), strict=True)) == {"false": 4, "true": 5}


def test_pairs_of_declared_tags_have_their_own_counts(bench):
    bench.model(slices=("site", "channel"), tags=("site", "channel"))
    bench.write(
        "rows",
        [prediction(n, tags={"site": SITES[n % 2], "channel": "post"}) for n in range(6)]
        + [label(n, n % 10) for n in range(6)],
    )
    bench.compact()
    bench.follow()
    labels = history(bench.folder, bench.engine, "digits").labels
    pair = (("channel", "post"), ("site", "harbour"))
    labelled, correct = labels.known_at(1)
    place = labels.slices.index(pair)
    assert (labels.rows[0, place], labelled[0, place], correct[0, place]) == (3, 3, 3)
    assert len(labels.slices) == 1 + 2 + 1 + 2


def test_a_clock_that_stood_at_zero_does_not_make_a_window_of_every_day_since():
    from datetime import date, timedelta

    from watchglass.store.histories import STRAY, first_day

    begin = date(2026, 3, 1)
    days = [begin + timedelta(days=number) for number in range(30)]
    assert first_day([date(1, 1, 1), date(1970, 1, 1), *days]) == begin
    assert first_day(days) == begin
    before = [date(2024, 1, 1) + timedelta(days=number) for number in range(STRAY + 1)]
    assert first_day([*before, *days]) == before[0], "a model that paused is no broken clock"
    assert first_day([date(1970, 1, 1)]) == date(1970, 1, 1)
