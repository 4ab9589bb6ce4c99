"""A store whose catalog lies in PostgreSQL answers, counts, forgets and is backed up as one that has it in a file."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

import watchglass as wg
from tests import postgres
from tests.store.bench import Bench, prediction
from tests.store.lineage.told import run
from watchglass.errors import BadInput, StoreError, StoreTooNew
from watchglass.reading import create_store
from watchglass.store.catalog import watermarks
from watchglass.store.graph import take_in
from watchglass.store.transactions import writing

pytestmark = postgres.NEEDED


@pytest.fixture(scope="module")
def url():
    with postgres.postgres() as found:
        yield found


@pytest.fixture
def catalog(url, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_CATALOG", url)
    return url


def filled(root):
    bench = Bench(root)
    bench.model()
    bench.write("rows", [prediction(n) for n in range(50)])
    bench.compact()
    bench.follow()
    bench.write("rows", [prediction(n) for n in range(50, 60)])
    bench.close()
    return root


COUNT = "SELECT count(*) AS n FROM predictions"


def test_rows_are_found_in_files_and_log_with_no_catalog_in_the_folder(catalog, tmp_path):
    root = filled(tmp_path / "store")
    with wg.open(root) as store:
        assert store.sql(COUNT).rows() == [{"n": 60}]
        assert store.status().predictions == 50
        assert store.doctor().sound
    assert not (root / "catalog.db").exists()
    told = json.loads((root / "catalog.url").read_text())
    assert told["schema"].startswith("watchglass_")


def test_the_store_remembers_where_its_catalog_is_but_no_password(url, tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_CATALOG", url.replace("watchglass@", "watchglass:geheim@"))
    root = filled(tmp_path / "store")
    assert "geheim" not in (root / "catalog.url").read_text()
    monkeypatch.delenv("WATCHGLASS_CATALOG")
    with wg.open(root) as store:
        assert store.sql(COUNT).rows() == [{"n": 60}]


def test_two_stores_in_one_database_know_nothing_of_each_other(catalog, tmp_path):
    one = filled(tmp_path / "one")
    with create_store(tmp_path / "two") as store:
        assert store.sql(COUNT).rows() == [{"n": 0}]
    with wg.open(one) as store:
        assert store.sql(COUNT).rows() == [{"n": 60}]


def test_a_store_that_has_a_catalog_keeps_it(url, tmp_path, monkeypatch):
    root = filled(tmp_path / "store")
    monkeypatch.setenv("WATCHGLASS_CATALOG", url)
    with wg.open(root) as store:
        assert store.sql(COUNT).rows() == [{"n": 60}]
    assert not (root / "catalog.url").exists()


COUNTING = """
import sys
import watchglass as wg
from watchglass.reading import create_store
with create_store(sys.argv[1]) as store:
    for _ in range(5):
        store.compact()
    print(store.sql("SELECT count(*) AS n FROM predictions").rows()[0]["n"])
"""


def test_processes_that_open_and_compact_at_once_make_one_catalog_and_count_once(catalog, tmp_path):
    root = tmp_path / "store"
    bench = Bench(tmp_path / "other")
    for n in range(8):
        segment = bench.write("rows", [prediction(10 * n + k) for k in range(10)])
        target = root / "log" / "rows" / segment.name
        target.parent.mkdir(parents=True, exist_ok=True)
        segment.rename(target)
    bench.close()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        for _ in range(4)
    ]
    said = [child.communicate(timeout=300) for child in started]
    assert [out for out, _ in said] == ["80\n"] * 4, said
    with wg.open(root) as store:
        assert store.sql(
            "SELECT sum(rows) AS n FROM (SELECT count(*) AS rows, id FROM predictions GROUP BY id)"
        ).rows() == [{"n": 80}]


def test_a_backup_is_a_store_with_its_catalog_in_a_file(catalog, tmp_path, monkeypatch):
    root = filled(tmp_path / "store")
    with wg.open(root) as store:
        store.backup(tmp_path / "backups")
    monkeypatch.delenv("WATCHGLASS_CATALOG")
    from watchglass.store.life.restore import restore

    restore(tmp_path / "backups", tmp_path / "again")
    with wg.open(tmp_path / "again") as store:
        assert store.sql(COUNT).rows() == [{"n": 60}]
        assert store.doctor().sound
    assert (tmp_path / "again" / "catalog.db").exists()


def test_forgetting_takes_a_row_out_of_tables_and_counts(catalog, tmp_path):
    root = filled(tmp_path / "store")
    with wg.open(root) as store:
        done = store.forget(prediction="p7")
        assert store.sql(COUNT).rows() == [{"n": 59}]
        assert done.predictions == 1
        assert store.doctor().sound


def _ask(root, answer):
    with wg.open(root) as store:
        answer.put(store.sql(COUNT).rows()[0]["n"])


def test_a_forked_child_asks_on_a_connection_of_its_own(catalog, tmp_path):
    root = filled(tmp_path / "store")
    context = multiprocessing.get_context("fork")
    with wg.open(root) as store:
        assert store.sql(COUNT).rows() == [{"n": 60}]
        answer = context.Queue()
        child = context.Process(target=_ask, args=(root, answer))
        child.start()
        assert answer.get(timeout=120) == 60
        child.join(60)
        assert store.sql(COUNT).rows() == [{"n": 60}]


def test_a_newer_catalog_is_refused(catalog, tmp_path):
    root = filled(tmp_path / "store")
    schema = json.loads((root / "catalog.url").read_text())["schema"]
    engine = sa.create_engine(catalog.replace("postgresql:", "postgresql+psycopg:"))
    with wg.open(root) as store:
        with engine.begin() as connection:
            connection.execute(sa.text(f'UPDATE "{schema}".schema_version SET version = 999'))
        with pytest.raises(StoreTooNew):
            store.sql(COUNT)
        with pytest.raises(StoreTooNew):
            store.compact()
    with pytest.raises(StoreTooNew):
        wg.open(root)
    engine.dispose()


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("what", BadInput, "cannot lie at 'what'"),
        ("mysql://a@b/c", BadInput, "cannot lie in a database of 'mysql'"),
        ("postgresql://nobody:geheim@127.0.0.1:9/none", StoreError, "cannot be opened"),
    ],
)
def test_what_is_no_database_is_said_without_its_password(said, error, words, tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_CATALOG", said)
    with pytest.raises(error, match=words) as raised, contextlib.closing(create_store(tmp_path / "store")):
        pass
    assert "geheim" not in str(raised.value)


def test_numbers_go_on_after_those_that_came_from_elsewhere(catalog, tmp_path):
    from watchglass.store import catalog as c
    from watchglass.store.exchange.numbered import put_numbered

    bench = Bench(tmp_path / "store")
    line = {"segment": "s", "reason": "why", "rows": 1}
    with writing(bench.engine) as transaction:
        put_numbered(transaction, "rejected", [{"id": 7, **line}])
        given = transaction.execute(c.rejected.insert().values(**line).returning(c.rejected.c.id)).scalar_one()
    bench.close()
    assert given == 8


MARK = {"name": "here", "seq": 1}


def test_who_reads_cannot_write_and_what_fails_is_taken_back(catalog, tmp_path):
    bench = Bench(tmp_path / "store")
    with pytest.raises(sa.exc.InternalError, match="read-only"), bench.engine.connect() as connection:
        connection.execute(watermarks.insert().values(**MARK))
    with pytest.raises(ZeroDivisionError), writing(bench.engine) as transaction:
        transaction.execute(watermarks.insert().values(**MARK))
        _ = 1 / 0
    with bench.engine.connect() as connection:
        assert connection.execute(sa.select(watermarks.c.seq).where(watermarks.c.name == "here")).all() == []
    bench.close()


def test_what_is_asked_often_stays_prepared(catalog, tmp_path):
    with wg.open(filled(tmp_path / "store")) as store:
        for _ in range(12):
            store.runs()
        prepared = sa.text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT runs.id%'")
        with store._engine.connect() as connection:
            assert connection.execute(prepared).scalar() == 1


def test_a_join_goes_along_the_indexes_and_reads_no_table_as_a_whole(catalog, tmp_path):
    bench = Bench(tmp_path / "store")
    bench.write("graph", [run(f"r{n}", n, reads=[f"x{n}"], writes=[f"x{n + 1}"]) for n in range(2000)])
    take_in(bench.folder, bench.engine)
    with bench.engine.connect() as connection:
        plan = sa.text("EXPLAIN SELECT * FROM reads JOIN writes ON writes.name = reads.name WHERE reads.run = 'r7'")
        said = "\n".join(connection.execute(plan).scalars())
    assert "Seq Scan" not in said
    assert "Hash" not in said
    bench.close()
