"""The catalog's large tables lie in Parquet too: a question sees each row once, as it is now, whatever was mirrored when."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN
from watchglass.store import catalog as c
from watchglass.store.asking.views import DOCUMENTED
from watchglass.store.cells import follow
from watchglass.store.doctor.examine import diagnose
from watchglass.store.merge import merge
from watchglass.store.mirror import drop, mirror
from watchglass.store.overview import overview
from watchglass.store.sweep import sweep
from watchglass.store.transactions import writing

TABLES = ("runs", "reads", "writes", "artifacts")


def run(number, *, ended=None, status="running", **fields):
    edges = {
        name: [
            {
                "name": f"{name}{number % 3}",
                "version": f"v{number}",
                "time": BEGIN + number,
                "artifact": {"rows": number},
            }
        ]
        for name in ("reads", "writes")
    }
    about = {"kind": "run", "id": f"r{number}", "component": f"c{number % 4}", "started": BEGIN + number}
    return {**about, **edges, "ended": ended, "status": status, "params": {"n": number / 3}, **fields}


def truth(bench, table):
    """The rows as the catalog has them, in the order of their keys."""
    listed = DOCUMENTED[table].names
    source = c.META.tables[table]
    with bench.engine.connect() as connection:
        rows = connection.execute(sa.select(*(source.c[name] for name in listed)).order_by(*source.primary_key)).all()
    return [tuple(row) for row in rows]


def asked(bench, table):
    """The rows as a question has them, times as the catalog's numbers."""
    shown = ", ".join(
        f"epoch_us({column.name})" if column.type == "TIMESTAMP" else column.name
        for column in DOCUMENTED[table].columns
    )
    keys = ", ".join(column.name for column in c.META.tables[table].primary_key)
    return [tuple(row.values()) for row in bench.ask(f"SELECT {shown} FROM {table} ORDER BY {keys}")]


def agrees(bench):
    for table in TABLES:
        assert asked(bench, table) == truth(bench, table), table


def live(bench, table="runs"):
    query = sa.select(c.files.c.rows, c.files.c.origin).where(c.files.c.kind == table, c.files.c.removed.is_(None))
    with bench.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(c.files.c.origin))]


def test_a_run_that_ends_after_it_was_mirrored_is_there_once_and_ended(bench):
    bench.write("graph", [run(number) for number in range(100)])
    agrees(bench)
    assert mirror(bench.folder, bench.engine, late=0) == 4
    agrees(bench)
    bench.write("graph", [run(number, ended=BEGIN + 999, status="ok") for number in range(0, 100, 10)])
    agrees(bench)
    assert mirror(bench.folder, bench.engine, late=0) == 4
    agrees(bench)
    assert [rows for rows, _ in live(bench)] == [100, 10]
    bench.write("graph", [run(5, ended=BEGIN + 7, status="error"), run(500)])
    agrees(bench)
    assert bench.ask("SELECT count(*) AS n, count(ended) AS done FROM runs") == [{"n": 101, "done": 11}]


def test_the_base_is_written_anew_once_a_quarter_of_it_changed(bench):
    bench.write("graph", [run(number) for number in range(40)])
    bench.ask("SELECT 1 FROM runs")
    mirror(bench.folder, bench.engine, late=0)
    seen = []
    for first in range(0, 40, 4):
        bench.write("graph", [run(number, ended=BEGIN + 50, status="ok") for number in range(first, first + 4)])
        agrees(bench)
        mirror(bench.folder, bench.engine, late=0)
        seen.append([rows for rows, _ in live(bench)])
    assert seen == [[40, 4], [40, 8], [40], [40, 4], [40, 8], [40], [40, 4], [40, 8], [40], [40, 4]]


def test_few_rows_stay_in_the_catalog(bench):
    bench.write("graph", [run(number) for number in range(20)])
    bench.ask("SELECT 1 FROM runs")
    assert mirror(bench.folder, bench.engine) == 0
    assert mirror(bench.folder, bench.engine, late=19) == 4
    assert mirror(bench.folder, bench.engine, late=19) == 0


def test_rows_of_before_there_were_numbers_are_mirrored_too(bench):
    bench.write("graph", [run(number) for number in range(9)])
    bench.ask("SELECT 1 FROM runs")
    with bench.engine.connect() as connection, connection.execution_options(writing=True).begin():
        for table in TABLES:
            connection.execute(c.META.tables[table].update().values(changed=0))
        connection.execute(c.watermarks.delete().where(c.watermarks.c.name == "graph"))
    assert mirror(bench.folder, bench.engine, late=0) == 4
    assert all(origin > 0 for table in TABLES for _, origin in live(bench, table))
    bench.write("graph", [run(3, ended=BEGIN + 4, status="ok"), run(77)])
    agrees(bench)


def test_a_mirror_is_no_new_data_for_anybody(bench):
    bench.write("graph", [run(number) for number in range(30)])
    bench.ask("SELECT 1 FROM runs")
    before = overview(bench.folder, bench.engine)
    mirror(bench.folder, bench.engine, late=0)
    after = overview(bench.folder, bench.engine)
    assert (after.runs, after.artifacts, after.predictions, after.labels) == (before.runs, before.artifacts, 0, 0)
    assert follow(bench.folder, bench.engine) == 0
    assert merge(bench.folder, bench.engine) == 0
    sweep(bench.folder, bench.engine, now=time() + 5000)
    assert [len(live(bench, table)) for table in TABLES] == [1, 1, 1, 1]
    agrees(bench)
    assert diagnose(str(bench.folder.root), now=datetime.now(UTC)).findings == ()


@pytest.mark.parametrize("harm", ["lost", "changed"])
def test_a_spoilt_mirror_is_found_and_made_anew(bench, harm):
    bench.write("graph", [run(number) for number in range(40)])
    bench.ask("SELECT 1 FROM runs")
    mirror(bench.folder, bench.engine, late=0)
    bench.write("graph", [run(1, ended=BEGIN + 9, status="ok")])
    bench.ask("SELECT 1 FROM runs")
    mirror(bench.folder, bench.engine, late=0)
    spoilt = max((bench.folder.tables / "runs").glob("*.parquet"), key=lambda path: path.stat().st_size)
    spoilt.unlink() if harm == "lost" else spoilt.write_bytes(spoilt.read_bytes()[:-9] + b"123456789")
    report = diagnose(str(bench.folder.root), now=datetime.now(UTC), mend=True)
    assert [finding.severity for finding in report.findings if "runs" in finding.means] == ["error"]
    assert report.sound
    agrees(bench)
    assert mirror(bench.folder, bench.engine, late=0) == 1
    agrees(bench)


def test_whoever_deletes_rows_lets_go_of_the_mirrors(bench):
    bench.write("graph", [run(number) for number in range(10)])
    bench.ask("SELECT 1 FROM runs")
    mirror(bench.folder, bench.engine, late=0)
    with writing(bench.engine) as transaction:
        transaction.execute(c.runs.delete().where(c.runs.c.id == "r4"))
        assert drop(transaction) == 4
    agrees(bench)
    assert bench.ask("SELECT count(*) AS n FROM runs WHERE id = 'r4'") == [{"n": 0}]
    mirror(bench.folder, bench.engine, late=0)
    agrees(bench)
    assert len(list(bench.folder.tables.glob("*/*.parquet"))) == 8
    sweep(bench.folder, bench.engine, now=time() + 5000)
    assert len(list(bench.folder.tables.glob("*/*.parquet"))) == 4


def test_two_stores_at_once_mirror_once(bench, tmp_path):
    bench.write("graph", [run(number) for number in range(10)])
    bench.ask("SELECT 1 FROM runs")
    from watchglass.store.leases import hold

    with hold(bench.engine, "mirror") as lease:
        assert lease is not None
        assert mirror(bench.folder, bench.engine, late=0) == 0
    assert mirror(bench.folder, bench.engine, late=0) == 4


@pytest.mark.many_stores
@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["begin", "end", "mirror"]), st.integers(0, 12)), max_size=12))
def test_any_order_of_runs_and_mirrors_gives_what_the_catalog_has(tmp_path_factory, steps):
    from tests.store.bench import Bench

    bench = Bench(tmp_path_factory.mktemp("store") / "store")
    try:
        for verb, number in steps:
            if verb == "begin":
                bench.write("graph", [run(number + place) for place in range(3)])
            elif verb == "end":
                bench.write("graph", [run(number, ended=BEGIN + number + 1, status="ok")])
            else:
                mirror(bench.folder, bench.engine, late=number // 4)
            agrees(bench)
    finally:
        bench.close()
