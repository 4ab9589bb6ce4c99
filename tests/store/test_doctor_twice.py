"""A store in which an older version counted every row of an id: the doctor says so, and mending counts the earliest row alone."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from contextlib import closing

import pytest

import watchglass as wg
from tests.store.bench import BEGIN, DAY, label, prediction
from tests.store.fixtures import make
from tests.store.published import summed
from watchglass.store.doctor.examine import examine
from watchglass.store.models import moment

ARCHIVES = sorted(make.HERE.glob("*.tar.gz"))


def again(root):
    """Bring every prediction of `fraud` once more, and count it and its labels, as versions did that knew no repeats."""
    with closing(sqlite3.connect(root / "catalog.db")) as catalog, catalog:
        catalog.row_factory = sqlite3.Row
        listed = "SELECT * FROM files WHERE model = 'fraud' AND kind IN ('predictions', 'cells') AND removed IS NULL"
        rows = [dict(row) for row in catalog.execute(listed)]
        for row in rows:
            path = root / "tables" / row["path"]
            copy = path.with_name(f"again-{path.name}")
            shutil.copy(path, copy)
            if path.with_suffix(".ids").exists():
                shutil.copy(path.with_suffix(".ids"), copy.with_suffix(".ids"))
            values = {**row, "path": f"{row['kind']}/{copy.name}", "seq": None}
            names, marks = ", ".join(f'"{name}"' for name in values), ", ".join(f":{name}" for name in values)
            catalog.execute(f"INSERT INTO files ({names}) VALUES ({marks})", values)
        (last,) = catalog.execute("SELECT max(seq) FROM files").fetchone()
        catalog.execute("UPDATE watermarks SET seq = ? WHERE name IN ('cells', 'rows')", [last])
    return sum(row["rows"] for row in rows if row["kind"] == "predictions")


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.gz"))
def test_old_repeats_are_found_and_mending_counts_the_earliest_row_alone(tmp_path, archive):
    for name in ("doubled", "plain"):
        with tarfile.open(archive) as packed:
            packed.extractall(tmp_path / name, filter="data")
    root, plain = tmp_path / "doubled" / "store", tmp_path / "plain" / "store"
    doubled = again(root)
    with wg.open(root) as store:
        before = store.doctor()
        (finding,) = [one for one in before.findings if one.what == "rows counted twice"]
        assert f"{doubled} rows of model 'fraud'" in finding.means
        assert not before.sound
        assert all(one.mended for one in store.doctor(mend=True).findings if one.severity == "error")
        store.compact()
        assert store.doctor().sound
    with wg.open(plain) as store:
        store.compact()
    assert make.answers(root)["fraud"] == make.answers(plain)["fraud"]


def test_repeats_that_are_counted_once_are_nothing_to_find(bench):
    bench.model()
    for _ in range(2):
        bench.write("rows", [prediction(1), prediction(2), label(1, 1)])
        bench.compact()
        bench.follow()
    bench.write("rows", [prediction(1)])
    bench.compact()
    before = summed(bench)
    report = examine(bench.folder, bench.engine, now=moment(BEGIN + 9 * DAY))
    assert [one for one in report.findings if one.severity == "error"] == []
    bench.follow()
    assert summed(bench) == before
