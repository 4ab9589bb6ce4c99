"""A window's verdicts, states and incidents are kept together or not at all, and only under a lease that still holds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.store.bench import DAY, Bench, prediction
from watchglass.alert.watch import Watch
from watchglass.store import judgements
from watchglass.store.catalog import leases
from watchglass.store.histories import history
from watchglass.store.leases import LeaseLost, hold
from watchglass.store.models import model_named
from watchglass.store.transactions import writing


@pytest.fixture
def watched(tmp_path):
    bench = Bench(tmp_path / "store")
    bench.model()
    chance = np.random.default_rng(1)
    begin = prediction(0)["time"]
    rows = [(day, chance.normal(1.0 if day >= 40 else 0.0)) for day in range(60) for _ in range(30)]
    bench.write(
        "rows", [prediction(n, time=begin + day * DAY + n, features={"ink": x}) for n, (day, x) in enumerate(rows)]
    )
    bench.compact()
    bench.follow()
    with bench.engine.connect() as connection:
        model = model_named(connection, "digits")
    yield bench, lambda: Watch.take_up(bench.folder, bench.engine, model, history(bench.folder, bench.engine, "digits"))
    bench.engine.dispose()


def test_nothing_is_kept_when_the_lease_was_lost_and_the_next_owner_finds_it_all_once(watched):
    bench, take_up = watched
    watch = take_up()
    with hold(bench.engine, "monitors") as lease:
        with writing(bench.engine) as transaction:
            transaction.execute(leases.update().values(epoch=lease.epoch + 1))
        with pytest.raises(LeaseLost):
            for window in range(60):
                watch.step(window, lease, newest=window == 59)
    assert watch.incidents, "the drift was found before it was to be kept"
    assert judgements.incidents(bench.engine) == []
    assert bench.ask("SELECT count(*) AS n FROM verdicts") == [{"n": 0}]
    with writing(bench.engine) as transaction:
        transaction.execute(leases.update().values(owner="", until=0.0))
    again = take_up()
    with hold(bench.engine, "monitors") as lease:
        for window in range(again.next_window(), 60):
            again.step(window, lease, newest=window == 59)
    kept = judgements.incidents(bench.engine)
    assert [incident.id for incident in kept] == [1]
    assert kept[0].sentence.startswith("Since 11 July 2026 the data of digits is different: ink")
    assert take_up().drift.state == again.drift.state
    assert again.drift.state.judged == 60
