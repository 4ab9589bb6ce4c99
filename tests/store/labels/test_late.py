"""A label whose prediction was let go is counted as too late, once; one whose prediction may still come waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from tests.store.bench import BEGIN, label, prediction
from watchglass.store import catalog as c
from watchglass.store.labels import late
from watchglass.store.life.retention import expire
from watchglass.store.merge import merge
from watchglass.store.transactions import writing
from watchglass.store.tuning import replace_settings
from watchglass.store.upkeep import keep

HOUR = 3_600_000_000


def ours(hours):
    """An id as the recorder gives one at a time."""
    milliseconds = (BEGIN + hours * HOUR) // 1000
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7abc-8def-0123456789ab"


def let_go(bench, hours, model="digits"):
    """Say what retention says when it has let the predictions before a time go."""
    with writing(bench.engine) as transaction:
        name = f"expired:predictions:{model}"
        transaction.execute(c.watermarks.delete().where(c.watermarks.c.name == name))
        transaction.execute(c.watermarks.insert(), [{"name": name, "seq": BEGIN + hours * HOUR}])


def told(ident, hours, **fields):
    return label(0, 1, id=ident, time=BEGIN + hours * HOUR, **fields)


def take(bench, *events):
    bench.write("rows", events)
    bench.compact()


def counted(bench):
    with bench.engine.connect() as connection:
        rows = connection.execute(sa.select(c.late_labels)).all()
    return {(row.model, row.environment): row.rows for row in rows}


def test_of_an_id_of_ours_the_time_in_it_decides_and_of_any_other_its_own(bench):
    let_go(bench, 10)
    take(bench, told(ours(9), 50), told(ours(11), 50), told("tx-1", 9), told("tx-2", 11))
    assert late.count(bench.folder, bench.engine) == 2
    assert counted(bench) == {("digits", "live"): 2}
    assert late.too_late(bench.engine) == late.too_late(bench.engine, "digits", "live") == 2
    assert late.too_late(bench.engine, "digits", "shadow") == late.too_late(bench.engine, "other") == 0


def test_a_label_whose_prediction_is_there_is_not_too_late_whatever_its_time(bench):
    let_go(bench, 10)
    take(bench, prediction(1, id="tx-1"), prediction(2, id=ours(9), environment="shadow"))
    take(bench, told("tx-1", 9), told(ours(9), 50), told(ours(9), 50, environment="shadow"), told("tx-9", 9))
    late.count(bench.folder, bench.engine)
    assert counted(bench) == {("digits", "live"): 2}


def test_each_file_is_looked_at_once(bench):
    let_go(bench, 10)
    take(bench, told("tx-1", 9))
    assert [late.count(bench.folder, bench.engine) for _ in range(2)] == [1, 0]
    take(bench, told("tx-1", 9.5), told("tx-2", 9, model="other"))
    assert late.count(bench.folder, bench.engine) == 1
    assert counted(bench) == {("digits", "live"): 2}


def test_a_label_that_came_in_time_is_not_counted_when_its_prediction_is_let_go_after_it(bench):
    take(bench, prediction(1, id="tx-1"), told("tx-1", 9))
    assert late.count(bench.folder, bench.engine) == 0
    let_go(bench, 10)
    with writing(bench.engine) as transaction:
        transaction.execute(c.files.update().where(c.files.c.kind == "predictions").values(removed=1.0))
    assert late.count(bench.folder, bench.engine) == 0
    take(bench, told("tx-1", 9.5))
    assert late.count(bench.folder, bench.engine) == 1


def test_files_that_nobody_looked_at_are_not_merged_with_others(bench):
    keep(bench.folder, bench.engine)
    take(bench, told("tx-0", 0))
    late.count(bench.folder, bench.engine)
    for number in range(1, 9):
        take(bench, told(f"tx-{number}", 0))
    bench.follow()
    assert merge(bench.folder, bench.engine) == 0
    let_go(bench, 10)
    assert late.count(bench.folder, bench.engine) == 8
    assert merge(bench.folder, bench.engine) > 0
    assert late.count(bench.folder, bench.engine) == 0


def test_what_retention_lets_go_is_what_labels_are_too_late_for(bench):
    bench.model()
    replace_settings(bench.folder, {"retention": {"predictions": {"days": 5}}})
    take(bench, *(prediction(n, time=BEGIN + n * 24 * HOUR) for n in range(10)))
    take(bench, label(1, 1, time=BEGIN + 25 * HOUR))
    bench.follow()
    assert late.count(bench.folder, bench.engine) == 0
    now = datetime.fromtimestamp(BEGIN / 1e6, UTC) + timedelta(days=10)
    assert expire(bench.folder, bench.engine, now).rows > 0
    take(bench, label(0, 1, time=BEGIN + HOUR), label(1, 0, time=BEGIN + 26 * HOUR), label(9, 1, time=BEGIN + HOUR))
    late.count(bench.folder, bench.engine)
    assert counted(bench) == {("digits", "live"): 2}


def test_upkeep_counts_them_and_another_process_at_it_leaves_them_for_the_next_time(bench):
    from watchglass.store.leases import hold

    let_go(bench, 10)
    take(bench, told("tx-1", 9))
    with hold(bench.engine, "cells"):
        assert late.count(bench.folder, bench.engine) == 0
    assert counted(bench) == {}
    keep(bench.folder, bench.engine)
    assert counted(bench) == {("digits", "live"): 1}


def test_a_label_that_waits_is_too_late_when_the_predictions_of_its_time_are_let_go(bench):
    bench.model()
    replace_settings(bench.folder, {"retention": {"predictions": {"days": 5}}})
    begin = datetime.fromtimestamp(BEGIN / 1e6, UTC)
    take(bench, *(prediction(n, id=ours(24 * n), time=BEGIN + n * 24 * HOUR) for n in range(0, 10, 2)))
    take(
        bench,
        *(told(ours(24 * n), 240) for n in range(10)),
        told("tx-1", 20),
        told(ours(25), 240, environment="shadow"),
    )
    bench.follow()
    assert late.count(bench.folder, bench.engine) == 0
    assert expire(bench.folder, bench.engine, begin + timedelta(days=8)).rows == 2
    assert counted(bench) == {("digits", "live"): 1, ("digits", "shadow"): 1}, (
        "that of the second day; the fourth's may come"
    )
    assert expire(bench.folder, bench.engine, begin + timedelta(days=8)).rows == 0
    assert expire(bench.folder, bench.engine, begin + timedelta(days=12)).rows == 2
    assert counted(bench) == {("digits", "live"): 3, ("digits", "shadow"): 1}
    take(bench, told(ours(24 * 3), 250))
    assert late.count(bench.folder, bench.engine) == 1, "another of the same id comes too late as well"


def begun(days):
    return datetime.fromtimestamp(BEGIN / 1e6, UTC) + timedelta(days=days)


def test_a_label_that_comes_while_predictions_go_is_counted_once_whoever_looks_first(bench, monkeypatch):
    """Two processes in the order that loses: retention counts what waits, another compacts and looks at a new file, then it publishes."""
    bench.model()
    replace_settings(bench.folder, {"retention": {"predictions": {"days": 5}}})
    take(bench, *(prediction(n, id=ours(24 * n), time=BEGIN + n * 24 * HOUR) for n in range(0, 10, 2)))
    bench.follow()
    counting, came = late.in_vain, []

    def counted_beside(*given):
        found = counting(*given)
        if not came:
            came.append(1)
            take(bench, told(ours(25), 240))
            late.count(bench.folder, bench.engine)
        return found

    monkeypatch.setattr(late, "in_vain", counted_beside)
    assert expire(bench.folder, bench.engine, begun(8)).rows == 2
    late.count(bench.folder, bench.engine)
    assert counted(bench) == {("digits", "live"): 1}


def test_predictions_that_go_while_labels_are_looked_at_leave_them_for_the_next_look(bench, monkeypatch):
    """The other order: another process has asked what is new, predictions go, then it publishes what it found."""
    take(bench, told(ours(9), 50))
    asking, went = late._new, []

    def asked_before(engine):
        found = asking(engine)
        if len(went) < 2:
            went.append(1)
        if len(went) == 2:
            went.append(1)
            let_go(bench, 10)
        return found

    monkeypatch.setattr(late, "_new", asked_before)
    assert late.count(bench.folder, bench.engine) == 0
    assert late.count(bench.folder, bench.engine) == 1
    assert late.count(bench.folder, bench.engine) == 0
    assert counted(bench) == {("digits", "live"): 1}


def test_nothing_is_let_go_while_labels_come_in_that_nobody_looks_at(bench):
    from watchglass.store.leases import hold

    bench.model()
    replace_settings(bench.folder, {"retention": {"predictions": {"days": 5}}})
    take(bench, prediction(1, id="tx-1"), told("tx-1", 1))
    bench.follow()
    with hold(bench.engine, "cells"):
        assert expire(bench.folder, bench.engine, begun(30)).rows == 0
    assert expire(bench.folder, bench.engine, begun(30)).rows == 1
    assert counted(bench) == {}, "it came in time"
