"""With the catalog lost, runs, reads, writes and artifacts are had back from their mirrors, and what comes later is seen beside them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from tests.store.bench import BEGIN, Bench
from tests.store.test_mirror import TABLES, asked, run, truth
from watchglass.store.doctor.examine import diagnose
from watchglass.store.mirror import mirror


def everything(bench):
    return {table: asked(bench, table) for table in TABLES}


def lose(bench, how):
    """Spoil the catalog, and take away the log it was made of."""
    for path in bench.folder.graph_log.iterdir():
        path.unlink()
    bench.close()
    if how == "gone":
        for path in bench.folder.root.glob("catalog.db*"):
            path.unlink()
    else:
        bench.folder.catalog.write_bytes(b"no catalog " * 1000)


@pytest.mark.parametrize("how", ["gone", "overwritten"])
def test_what_was_mirrored_outlives_the_catalog_as_it_was_changed_last(tmp_path, how):
    with closing(Bench(tmp_path / "store")) as bench:
        bench.write("graph", [run(number) for number in range(12)])
        before = everything(bench)
        assert mirror(bench.folder, bench.engine, late=0) == 4
        bench.write("graph", [run(3, ended=BEGIN + 50, status="ok"), run(12)])
        before = everything(bench)
        assert mirror(bench.folder, bench.engine, late=0) == 4
        lose(bench, how)
    report = diagnose(str(tmp_path / "store"), now=datetime.now(UTC), mend=True)
    assert report.sound
    (finding,) = [one for one in report.findings if one.what == "broken catalog"]
    assert "26 artifacts, 13 reads, 13 runs, 13 writes from copies" in finding.means
    with closing(Bench(tmp_path / "store")) as bench:
        assert everything(bench) == before
        assert {table: len(truth(bench, table)) for table in TABLES} == {table: len(before[table]) for table in TABLES}
        bench.write("graph", [run(4, ended=BEGIN + 70, status="error"), run(99)])
        now = everything(bench)["runs"]
        assert sorted(row[0] for row in now if row not in before["runs"]) == ["r4", "r99"]
        assert len(now) == 14
        assert mirror(bench.folder, bench.engine, late=0) > 0
        assert everything(bench)["runs"] == now
    assert diagnose(str(tmp_path / "store"), now=datetime.now(UTC)).sound


def test_what_the_old_catalog_or_the_log_still_tells_is_newer_than_a_mirror(tmp_path):
    with closing(Bench(tmp_path / "store")) as bench:
        bench.write("graph", [run(1), run(2)])
        everything(bench)
        assert mirror(bench.folder, bench.engine, late=0) == 4
        bench.write("graph", [run(1, ended=BEGIN + 50, status="ok")])
        bench.close()
        bench.folder.catalog.write_bytes(b"no catalog " * 1000)
    assert diagnose(str(tmp_path / "store"), now=datetime.now(UTC), mend=True).sound
    with closing(Bench(tmp_path / "store")) as bench:
        found = bench.ask("SELECT id, status FROM runs ORDER BY id")
        assert found == [
            {"id": "r1", "status": "ok"},
            {"id": "r2", "status": "running"},
        ]
