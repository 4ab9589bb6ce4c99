"""A catalog that an older version made is opened by this one, with every row, and becomes what a new one is."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
import sqlalchemy as sa

from tests.store.bench import Bench, label, prediction
from watchglass.errors import StoreTooNew
from watchglass.store import catalog as c
from watchglass.store.transactions import SCHEMA_VERSION, writing

LATER = {
    "files": ("origin", "removed", "sum", "indexed"),
    "segments": (),
    "rejected": ("model", "role", "name", "time"),
    **dict.fromkeys(("reads", "writes"), ("changed",)),
    "runs": ("changed", "environment", "resources", "left_out", "tests", "links"),
    "artifacts": ("changed", "kept", "policy", "profile", "quarantined"),
    "model_versions": (),
    "models": ("feedback",),
    "columns": ("purpose", "unit", "whole", "declared", "since"),
}
"""Tables of the first version → columns that came later."""
ENDINGS = (
    "_live",
    "_taken",
    "_by_time",
    "_by_component",
    "_by_parent",
    "_not_ok",
    "_by_artifact",
    "_by_run",
    "artifacts_by_name",
)
"""Of the names of indexes that came later."""
TABLES = (
    *("ingested", "drops", "column_changes", "repeats", "late_labels", "questions", "audit"),
    *("run_links", "environments", "sources", "quarantines", "flags", "subject_tags", "retractions"),
)
"""That came later."""


def made_old(bench):
    """Take a catalog back to the first version's tables."""
    bench.close()
    with sqlite3.connect(bench.folder.catalog) as raw:
        raw.execute("UPDATE schema_version SET version = 1")
        for table, columns in LATER.items():
            for (index,) in raw.execute(
                f"SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = '{table}'"
            ).fetchall():
                if any(index.endswith(ending) for ending in (*columns, *ENDINGS)):
                    raw.execute(f"DROP INDEX {index}")
            for column in columns:
                raw.execute(f'ALTER TABLE {table} DROP COLUMN "{column}"')
        for table in TABLES:
            raw.execute(f"DROP TABLE {table}")
        for column in ("component", "started"):
            raw.execute(f"CREATE INDEX ix_runs_{column} ON runs ({column})")
    raw.close()


def shape(engine):
    found = sa.inspect(engine)
    return {
        table: (
            sorted((column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)),
            sorted(index["name"] for index in found.get_indexes(table)),
        )
        for table in found.get_table_names()
    }


@pytest.mark.catalog_file
def test_a_store_of_the_first_version_is_opened_with_every_row_and_goes_on(tmp_path):
    old = Bench(tmp_path / "store")
    old.model()
    old.write("rows", [prediction(n) for n in range(10)])
    old.compact()
    made_old(old)
    bench = Bench(tmp_path / "store")
    assert bench.ask("SELECT count(*) AS n FROM predictions") == [{"n": 10}]
    bench.write("rows", [label(n, n % 10) for n in range(10)])
    bench.compact()
    assert bench.follow() == 2
    assert bench.ask("SELECT count(*) AS n FROM predictions JOIN labels USING (model, environment, id)") == [{"n": 10}]
    fresh = Bench(tmp_path / "fresh")
    assert shape(bench.engine) == shape(fresh.engine)
    with bench.engine.connect() as connection:
        assert connection.execute(sa.select(c.schema_version.c.version)).scalars().all() == [SCHEMA_VERSION]
    bench.close()
    fresh.close()


def test_a_store_that_a_newer_package_wrote_is_refused_and_let_go(bench):
    with writing(bench.engine) as transaction:
        transaction.execute(c.schema_version.update().values(version=SCHEMA_VERSION + 1))
    bench.close()
    with pytest.raises(StoreTooNew, match="pip install --upgrade watchglass") as refused:
        Bench(bench.folder.root)
    assert refused.traceback, "it holds on to whatever was open"
    assert bench.handles() == 0


@pytest.mark.catalog_file
def test_two_processes_that_open_it_at_once_upgrade_it_once(tmp_path):
    import subprocess
    import sys

    old = Bench(tmp_path / "store")
    old.model()
    made_old(old)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "store", copy)
    script = "import sys, watchglass as wg\nwith wg.open(sys.argv[1]) as s: print(s.sql('SELECT count(*) AS n FROM models').rows())"
    runs = [subprocess.Popen([sys.executable, "-c", script, str(copy)], stdout=subprocess.PIPE) for _ in range(4)]
    assert {run.communicate()[0] for run in runs} == {b"[{'n': 1}]\n"}
    assert {run.returncode for run in runs} == {0}
