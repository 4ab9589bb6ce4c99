"""From sampled predictions to the numbers that a store tells: counts by weight, and accuracy of all rows with an honest interval."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest

import watchglass as wg
from tests.store.published import declare, moment, publish
from watchglass.capture import recorder
from watchglass.monitor.weighting import weighted_count, weighted_mean
from watchglass.reading import open_store
from watchglass.store.histories import history

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
DAYS, A_DAY = 6, 500
RULES = {
    "head": {"model": "*", "method": "head", "rate": 0.1, "keep": {"slower_than": 0.5}},
    "reservoir": {"model": "*", "method": "reservoir", "rows": 400, "seconds": 3600, "keep": {"slower_than": 0.5}},
}


def served(folder, rule):
    """Record days of a model whose slow rows are mostly wrong; gives how many rows were right, and the sum of a feature."""
    wg.init(folder, sampling=[rule])
    chance = random.Random(23)
    random.seed(29)
    wg.log_model("fraud", version="1", slices=["site"], label_delay="0d")
    right = total = 0
    for number in range(DAYS * A_DAY):
        slow = chance.random() < 0.05
        truth = int(chance.random() < (0.1 if slow else 0.9))
        time = BEGIN + timedelta(days=number // A_DAY, seconds=number % A_DAY)
        made = wg.log_prediction(
            "fraud",
            id=f"p{number}",
            version="1",
            features={"ink": number % 7 + 10.0 * slow},
            prediction=1,
            latency=0.9 if slow else 0.1,
            tags={"site": f"site {number % 3}"},
            time=time,
        )
        wg.log_label("fraud", made, truth, time=time + timedelta(hours=1))
        right += truth
        total += number % 7 + 10.0 * slow
    recorder.close()
    return right / (DAYS * A_DAY), total / (DAYS * A_DAY)


@pytest.mark.parametrize("name", RULES)
def test_a_store_tells_what_all_rows_would_have_told(tmp_path, name):
    accuracy, mean = served(tmp_path / "store", RULES[name])
    with open_store(tmp_path / "store") as store:
        store.compact()
        rows = store.sql(
            "SELECT weight, (features->>'ink')::DOUBLE AS ink, prediction = label AS good, latency FROM predictions JOIN labels USING (model, environment, id)"
        ).rows()
        (summed,) = store.sql(
            "SELECT sum(weight)::BIGINT AS n, sum(weight * (features->>'ink')::DOUBLE) / sum(weight) AS mean FROM predictions"
        ).rows()
        (model,) = store.models()
    weights = [row["weight"] for row in rows]
    assert 150 < len(rows) < 700
    assert {row["weight"] for row in rows if row["latency"] > 0.5} == {1}
    counted = weighted_count(weights)
    assert counted.low <= DAYS * A_DAY <= counted.high
    assert summed["n"] == counted.value
    found = weighted_mean([row["ink"] for row in rows], weights)
    assert math.isclose(found.value, summed["mean"])
    assert found.low <= mean <= found.high
    told = model.performance
    weighted = sum(row["weight"] * row["good"] for row in rows) / sum(weights)
    assert math.isclose(told.value, weighted, rel_tol=1e-9)
    assert told.low <= accuracy <= told.high
    assert not told.low <= sum(row["good"] for row in rows) / len(rows) <= told.high, (
        "unweighted it would be told wrong"
    )
    assert told.rows < 1000
    assert model.predictions_a_day == pytest.approx(counted.value / DAYS)


def test_a_window_of_a_column_counts_for_as_many_rows_as_its_weights_are_worth(bench):
    declare(bench, {"ink": "number"}, (), ())
    rows = [
        {
            "id": f"p{day}-{number}",
            "time": moment(day, number),
            "environment": "live",
            "features": {"ink": float(number)},
            "weight": weight,
        }
        for day, weights in enumerate(([1] * 5, [10] * 5, [1, 1, 10]))
        for number, weight in enumerate(weights)
    ]
    publish(bench, "predictions", rows, {"ink": "number"})
    bench.follow()
    whole = history(bench.folder, bench.engine, "m")
    assert whole.rows.tolist() == [5, 50, 12]
    assert whole.columns[0].counts.sum(axis=1).round(9).tolist() == [5, 5, round(144 / 102, 9)]
    assert (whole.columns[0].counts[2] / whole.columns[0].counts[2].sum()).max().round(9) == round(10 / 12, 9)
