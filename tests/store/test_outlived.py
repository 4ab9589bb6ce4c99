"""Counts of days whose rows are gone are held against what is counted anew: nobody merges them meanwhile, and nobody counts beside."""

from __future__ import annotations

import sqlalchemy as sa

from tests.store.labels.test_repeats import FEATURES, row_of
from tests.store.published import declare, publish
from watchglass.store import catalog as c
from watchglass.store.doctor.outlived import settle
from watchglass.store.labels import late
from watchglass.store.leases import hold
from watchglass.store.manifest import OUTLIVED
from watchglass.store.merge import merge
from watchglass.store.transactions import writing


def counted(bench, files=12):
    declare(bench, FEATURES, ("site",), ("site",))
    for number in range(files):
        publish(bench, "predictions", [row_of(number, 1)], FEATURES, ("site",))
        bench.follow()
    late.count(bench.folder, bench.engine)


def cells(bench):
    files = c.files.c
    with bench.engine.connect() as connection:
        found = sa.select(files.seq).where(files.kind == "cells", files.removed.is_(None)).order_by(files.seq)
        return connection.execute(found).scalars().all()


def hold_back(bench, seq):
    with writing(bench.engine) as transaction:
        transaction.execute(c.watermarks.insert().values(name=f"{OUTLIVED}m", seq=seq))


def marks(bench):
    with bench.engine.connect() as connection:
        query = sa.select(c.watermarks.c.name).where(c.watermarks.c.name.startswith(OUTLIVED))
        return connection.execute(query).scalars().all()


def test_a_file_of_cells_that_counts_are_held_against_is_not_merged(bench):
    counted(bench)
    first = cells(bench)[0]
    hold_back(bench, first)
    assert merge(bench.folder, bench.engine) > 0
    left = cells(bench)
    assert first in left
    assert len(left) < 12


def test_while_another_process_merges_the_counts_wait_for_the_next_time(bench):
    counted(bench, 2)
    hold_back(bench, cells(bench)[0])
    for name in ("cells", "merger", "retention"):
        with hold(bench.engine, name):
            assert settle(bench.folder, bench.engine) == 0
        assert marks(bench) == [f"{OUTLIVED}m"]
    assert settle(bench.folder, bench.engine) == 1
    assert marks(bench) == []
