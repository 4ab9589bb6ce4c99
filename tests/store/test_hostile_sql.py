"""Exactly one SELECT over the views: nothing is written, read, told or reached outside, and what takes too much ends."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from contextlib import suppress

import duckdb
import pytest
from click.testing import CliRunner

from tests.store.bench import prediction
from watchglass.cli.asking import sql
from watchglass.errors import BadInput, QueryRefused
from watchglass.reading import Store
from watchglass.store.asking import guard, limits
from watchglass.store.query import Question, ask
from watchglass.store.reader import reader_of

ALLOWED = {"range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row"}
WRITES = [
    "COPY (SELECT 1) TO '{out}'",
    "COPY predictions TO '{out}' (FORMAT parquet)",
    "ATTACH '{out}' AS x",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{out}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL pragma_version()",
    "PRAGMA database_list",
    "PRAGMA show_tables",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "USE temp",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO f(x) AS x",
    "CREATE SECRET s (TYPE s3)",
    "INSERT INTO runs VALUES (1)",
    "DELETE FROM predictions",
    "UPDATE runs SET id = '1'",
    "DROP VIEW runs",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
    "EXPLAIN ANALYZE SELECT 1",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "WITH x AS (INSERT INTO runs VALUES ('1') RETURNING *) SELECT * FROM x",
    "WITH x AS (COPY (SELECT 1) TO '{out}') SELECT * FROM x",
    "SELECT * FROM (COPY (SELECT 1) TO '{out}')",
]
SEVERAL = [
    "SELECT 1; DROP TABLE runs",
    "SELECT 1; SELECT 2",
    "SELECT 1 -- one\n; COPY (SELECT 1) TO '{out}'",
    "SELECT 1 /* ; */; /* */ ATTACH '{out}'",
    "/* SELECT 1 */ COPY (SELECT 1) TO '{out}'",
    "-- SELECT 1\nPRAGMA database_list",
    "",
    ";",
    "-- nothing",
    "/* nothing */",
]
OUTSIDE = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "FROM '{other}'",
    "TABLE '{other}'",
    "SELECT * FROM read_parquet('{other}')",
    "SELECT * FROM parquet_scan('{other}')",
    "SELECT * FROM parquet_metadata('{other}')",
    "SELECT * FROM parquet_schema('{mine}')",
    "SELECT * FROM read_parquet('{mine}')",
    "SELECT * FROM '{mine}'",
    "SELECT * FROM '{link}'",
    "SELECT * FROM read_parquet('{link}')",
    "SELECT * FROM read_text('{catalog}')",
    "SELECT * FROM 'https://example.org/x.parquet'",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT 1 WHERE EXISTS (FROM read_text('/etc/passwd'))",
    "WITH x AS (SELECT * FROM read_text('/etc/passwd')) FROM x",
    "SELECT * FROM predictions UNION ALL BY NAME SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM (PIVOT read_text('/etc/passwd') ON size IN (1) USING count(*))",
    "SELECT * FROM runs, LATERAL (SELECT * FROM read_text(runs.id))",
]
TELLING = [
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_storage_info('runs')",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('runs')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM (SHOW TABLES)",
    "SELECT * FROM (SHOW ALL TABLES)",
    "SELECT * FROM histogram(runs, id)",
    "SELECT current_setting('allowed_directories')",
    "SELECT 'allowed_directories'.current_setting()",
    "SELECT getenv('HOME')",
    "SELECT getvariable('x')",
    "SELECT pg_get_viewdef(1)",
    "SELECT pg_sleep(1)",
    "SELECT json_serialize_plan('SELECT 1')",
    "SELECT write_log('x')",
    "SELECT list_transform([1], lambda x: current_setting('temp_directory'))",
    "SELECT sum(1) OVER (ORDER BY current_setting('temp_directory'))",
    "SELECT 1 ORDER BY getenv('HOME')",
    "SELECT 1 LIMIT (SELECT length(current_setting('temp_directory')))",
    "SELECT * FROM temp.runs",
    "SELECT * FROM main.runs",
    "SELECT * FROM sqlite_master, (WITH sqlite_master AS (SELECT 1) FROM sqlite_master) AS x",
    "WITH a AS (WITH duckdb_tables AS (SELECT 1) FROM duckdb_tables) SELECT * FROM a, duckdb_tables",
    "WITH duckdb_views AS (SELECT * FROM duckdb_views) SELECT * FROM duckdb_views",
    "WITH duckdb_views AS MATERIALIZED (FROM duckdb_views) FROM duckdb_views",
    "WITH a AS (FROM sqlite_master), sqlite_master AS (SELECT 1) FROM a",
    "WITH a AS (SELECT 1), b AS (FROM a, pragma_database_list), pragma_database_list AS (FROM a) FROM b",
    "WITH RECURSIVE sqlite_master AS (SELECT name FROM sqlite_master UNION ALL SELECT name FROM sqlite_master WHERE false) FROM sqlite_master",
    'WITH "{mine}" AS (FROM "{mine}") FROM "{mine}"',
    "SELECT * FROM (WITH a AS (SELECT 1) FROM a) x, a",
    "SELECT system.main.getenv('HOME')",
    "SELECT main.current_setting('temp_directory')",
    "SELECT * FROM told_runs, runs",
    "SELECT * FROM answer",
]


COSTLY = [
    "SELECT length(repeat('x', 3000000000))",
    "SELECT repeat('x', weight * 1000000000) FROM predictions",
    "SELECT 'x'.repeat(1000000000)",
    "SELECT main.repeat('x', 1000000000)",
    "SELECT error(repeat('x', 50000000))",
    "SELECT lpad('x', 2000000000, 'y')",
    "SELECT rpad('x', length(id) * 10000, 'y') FROM predictions",
    "SELECT bitstring('1', 2000000000)",
    "SELECT format('{{:1000000000}}', 1)",
    "SELECT format('{{:{{}}}}', 1, 1000000000)",
    "SELECT printf('%1500000000d', 1)",
    "SELECT printf('%*d', 1500000000, 1)",
    "SELECT format(id, 1) FROM predictions",
    "SELECT damerau_levenshtein(id, id) FROM predictions",
    "SELECT jaro_winkler_similarity(id, id) FROM predictions",
    "SELECT levenshtein(string_agg('ab', ''), string_agg('cd', '')) FROM range(200000)",
    "SELECT editdist3(id, version) FROM predictions",
    "SELECT replace(replace(repeat('x', 10000), 'x', repeat('y', 10000)), 'y', repeat('z', 10000))",
    f"SELECT replace(replace(repeat('x', 10000), 'x', '{'y' * 99}'), 'y', '{'z' * 99}')",
    f"WITH a AS (SELECT repeat('x', 10000) AS s), b AS (SELECT replace(s, 'x', '{'y' * 999}') AS s FROM a) FROM b",
    f"SELECT regexp_replace(repeat('x', 10000), '.', '{'yy' * 99}', 'g')",
    "SELECT repeat(repeat('x', 10000), 10000)",
    "SELECT replace(id, 'x', version) FROM predictions",
    "SELECT list_sort(range(50000000))",
    "SELECT list_sort(list(range)) FROM range(50000000)",
    "SELECT list_reverse_sort(generate_series(0, 50000000))",
    "SELECT range(-50000000, 10)",
    "SELECT range(a.range) FROM range(50000000) a",
    "SELECT generate_series(min(time), max(time), INTERVAL 1 microsecond) FROM predictions",
    "SELECT list_transform(range(1000000), lambda x: range(1000))",
    f"SELECT count(*) FROM range(9) t(a) GROUP BY CUBE ({', '.join(f'a % {n}' for n in range(2, 17))})",
]
"""What one call of takes gigabytes or minutes, though the question has a limit of memory and of time."""

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"


@pytest.fixture
def places(bench, tmp_path):
    bench.model()
    bench.write("rows", [prediction(1)])
    bench.compact()
    mine = next((bench.folder.tables / "predictions").glob("*.parquet"))
    other, link = tmp_path / "other.parquet", bench.folder.tables / "link.parquet"
    other.write_bytes(mine.read_bytes())
    link.symlink_to(other)
    return {"out": tmp_path / "out", "other": other, "mine": mine, "link": link, "catalog": bench.folder.catalog}


@pytest.mark.parametrize(
    "texts",
    [WRITES, SEVERAL, OUTSIDE, TELLING, COSTLY],
    ids=["writes", "several", "outside", "telling", "costly"],
)
def test_anything_but_one_select_over_the_views_is_refused_before_it_runs(bench, places, texts):
    for text in texts:
        hostile, answered = text.format(**places), []
        with suppress(QueryRefused), reader_of(bench.folder, bench.engine).cursor() as cursor:
            answered.append(guard.checked(cursor, hostile))
        with suppress(QueryRefused):
            answered.append(bench.ask(hostile))
        assert answered == [], hostile
        assert not places["out"].exists(), hostile


def test_the_connection_itself_reaches_nothing_outside_the_store(bench, places):
    with reader_of(bench.folder, bench.engine).cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE predictions AS SELECT 1 AS x")
        cursor.execute("CREATE TEMP TABLE runs AS SELECT '/etc/passwd' AS id")
        for text in OUTSIDE:
            if "{mine}" in text or "{link}" in text:
                continue  # the store's own folder is in its reach: the guard alone refuses it
            with pytest.raises(duckdb.Error):
                cursor.execute(text.format(**places)).fetchall()


@pytest.mark.parametrize(
    "setting", ["enable_external_access = true", "lock_configuration = false", "memory_limit = '1TB'"]
)
def test_the_connection_itself_cannot_be_unlocked(bench, setting):
    with reader_of(bench.folder, bench.engine).cursor() as cursor, pytest.raises(duckdb.Error):
        cursor.execute(f"SET {setting}")


def test_every_function_that_gives_a_table_is_refused_unless_it_only_counts(bench):
    found = duckdb.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro')"
    ).fetchall()
    names = {name for (name,) in found}
    assert names >= ALLOWED
    with reader_of(bench.folder, bench.engine).cursor() as cursor:
        for name in names - ALLOWED:
            for call in (
                f"SELECT * FROM {name}('runs')",
                f'SELECT * FROM "{name.upper()}"()',
                f"FROM main.{name}(1, x := 2)",
            ):
                with pytest.raises(QueryRefused):
                    guard.checked(cursor, call)


def test_a_python_variable_is_no_table(bench):
    frame = {"x": [1]}
    assert frame
    with pytest.raises(QueryRefused, match="no view 'frame'"):
        bench.ask("SELECT * FROM frame")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) AS n FROM range(3)",
        "WITH a AS (SELECT 1 AS n), b AS (FROM a) SELECT count(*) AS n FROM b, range(3)",
        "WITH RECURSIVE c AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM c WHERE i < 3) SELECT count(*) AS n FROM c",
        "WITH predictions AS (SELECT unnest([1, 2, 3])) SELECT count(*) AS n FROM predictions",
        "SELECT count(*) AS n FROM (VALUES (1), (2), (3)) AS v(x)",
        "SELECT count(*) AS n FROM unnest([1, 2, 3])",
        "SELECT count(*) AS n FROM json_each('[1, 2, 3]')",
        "SELECT count(*) AS n FROM (DESCRIBE SELECT id, time, model FROM runs_) AS d".replace("runs_", "predictions"),
        "SELECT 3 AS n WHERE NOT EXISTS (FROM runs)",
        "SELECT length(pg_typeof('a')) - 4 AS n",
        'SELECT 3 AS n FROM (SELECT 1) AS "read_csv"',
        "SELECT count(*) AS n FROM repeat('x', 3)",
        "SELECT length(repeat('x', 3)) AS n",
        "SELECT lpad('3', 2, '0')::INT AS n",
        "SELECT length(format('{:>3}', 1)) AS n",
        "SELECT length(printf('%3d', 1)) AS n",
        "SELECT levenshtein('abc', repeat('d', 3)) AS n",
        "SELECT levenshtein(left(id, 100), id) + 3 AS n FROM (SELECT 'a' AS id)",
        "SELECT length(replace(replace('a b', ' ', '  '), '  ', '_')) AS n",
        "SELECT length(regexp_replace('abc', '[ab]', 'x', 'g')) AS n",
        "SELECT list_sort([3, 1, 2])[3] AS n",
        "SELECT len(list_sort(string_split('c,b,a', ','))) AS n",
        "SELECT len(range(-1, 2)) AS n",
        "SELECT len(generate_series(DATE '2026-01-01', DATE '2026-01-03', INTERVAL 1 day)) AS n",
        "SELECT len(generate_series(a, b, INTERVAL '1 day')) AS n FROM (SELECT DATE '2026-01-01' AS a, DATE '2026-01-03' AS b)",
        "SELECT count(*) - 5 AS n FROM (SELECT 1 FROM (SELECT 1 AS a, 2 AS b, 3 AS c) GROUP BY CUBE (a, b, c))",
        "WITH a AS (SELECT 1 AS x), b AS (FROM a), c AS (FROM a, b) SELECT 3 AS n FROM c",
        "WITH a AS (SELECT 3 AS n) SELECT * FROM (WITH b AS (FROM a) FROM b)",
        "WITH a AS (SELECT 3 AS n) (SELECT * FROM a) INTERSECT (WITH b AS (FROM a) FROM b)",
        "WITH RECURSIVE c AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM c WHERE i < 3), d AS (FROM c) SELECT count(*) AS n FROM d",
    ],
)
def test_what_is_harmless_is_answered(bench, text):
    assert bench.ask(text) == [{"n": 3}]


DEEP = """
import sys
from contextlib import suppress
import duckdb
from watchglass.errors import QueryRefused
from watchglass.store.asking.guard import checked
n = int(sys.argv[1])
deep = [
    "SELECT " + "(" * n + "1" + ")" * n, "SELECT " + " -" * n + "1", "SELECT " + "[" * n + "]" * n,
    "SELECT " + "NOT " * n + "true", "SELECT 1 FROM " + "(SELECT 1 FROM " * n + "runs" + ")" * n,
    " UNION ".join(["SELECT 1"] * n), "SELECT " + " + ".join("1" * n), "SELECT " + "abs(" * n + "1" + ")" * n,
]
with duckdb.connect() as connection:
    for text in deep:
        try:
            checked(connection, text)
        except QueryRefused as error:
            print("refused", repr(str(error)[:60]))
        else:
            print("answered", len(connection.execute(text).fetchall()))
"""


@pytest.mark.parametrize("levels", [800, 5_000])
def test_deep_nesting_is_refused_and_kills_nothing(levels):
    done = subprocess.run([sys.executable, "-c", DEEP, str(levels)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused") + done.stdout.count("answered") == 8, done.stdout
    assert done.stdout.count("refused") >= (5 if levels > 1_000 else 1)


def test_many_comments_and_brackets_take_no_time(bench):
    begun = time.process_time()
    for text in (
        "/**/" * 900 + " SUMMARIZE predictions",
        "/**/" * 40_000 + " SUMMARIZE predictions",
        "SELECT " + "(" * 90_000 + "1" + ")" * 90_000,
        "/*" * 90_000,
    ):
        with pytest.raises(QueryRefused):
            bench.ask(text)
    assert time.process_time() - begun < 60  # the first took 16 s with 26 comments, twice as long with each one more


def test_half_a_surrogate_pair_is_no_text(bench):
    with pytest.raises(QueryRefused, match="character 8 is half a surrogate pair"):
        bench.ask("SELECT '\ud800'")


def test_a_reason_is_never_longer_than_one_can_read(bench):
    with pytest.raises(QueryRefused) as refused:
        bench.ask("SELECT error(string_agg('xxxxxxxxxx', '')) FROM range(100000)")
    assert 2_000 < len(str(refused.value)) < 3_000


def test_a_question_that_names_a_view_many_times_is_answered_or_refused(bench):
    many = ", ".join(f"runs r{n}" for n in range(300))
    with suppress(QueryRefused):
        assert len(ask(bench.folder, bench.engine, Question(f"SELECT count(*) FROM {many}", limit=5))) == 1


def test_a_text_without_end_is_not_even_parsed(bench):
    with pytest.raises(QueryRefused, match="too long"):
        bench.ask("SELECT '" + "x" * guard.LONGEST + "'")


def test_a_question_that_takes_too_long_is_stopped_and_the_next_is_answered(bench):
    with pytest.raises(QueryRefused, match=r"longer than 0\.3 seconds and was stopped"):
        ask(bench.folder, bench.engine, Question(ENDLESS, seconds=0.3))
    assert bench.ask("SELECT 1 AS one") == [{"one": 1}]


def test_a_question_that_makes_the_process_grow_is_stopped_whatever_duckdb_counts(bench, monkeypatch):
    monkeypatch.setattr(limits, "GROWN", 150 << 20)
    growing = "SELECT list(s) FROM (SELECT repeat('x', 10000) || range AS s FROM range(200000))"
    with pytest.raises(QueryRefused, match="needs more memory than 150 MiB and was stopped"):
        bench.ask(growing)
    assert bench.ask("SELECT 1 AS one") == [{"one": 1}]


def test_every_question_has_a_time_that_it_may_take_unless_it_says_any():
    assert Question("SELECT 1").seconds == limits.SECONDS
    assert {inspect.signature(asked).parameters["seconds"].default for asked in (Store.sql, Store.write_sql)} == {
        limits.SECONDS
    }
    assert next(option.default for option in sql.params if option.name == "seconds") == limits.SECONDS


def test_the_command_stops_a_question_after_its_seconds(bench):
    words = [ENDLESS, "--seconds", "0.3", "--store", str(bench.folder.root)]
    for form in ([], ["--format", "csv"]):
        done = CliRunner().invoke(sql, [*words, *form])
        assert isinstance(done.exception, QueryRefused), done.output
        assert "longer than 0.3 seconds" in str(done.exception)


def test_a_question_that_takes_too_much_memory_ends_with_a_sentence(bench):
    with pytest.raises(QueryRefused, match="needs more memory than"):
        bench.ask("SELECT list(range) FROM range(1000000000)")
    assert bench.ask("SELECT 1 AS one") == [{"one": 1}]


def test_values_are_bound_and_never_pasted(bench):
    bench.model()
    bench.write("rows", [prediction(1), prediction(2)])
    text = "SELECT count(*) AS n FROM predictions WHERE id = $id"
    for value, count in (("p1", 1), ("p1' OR '1' = '1", 0), ("'; COPY (SELECT 1) TO '/tmp/x", 0)):
        assert ask(bench.folder, bench.engine, Question(text, values={"id": value})).values == ((count,),)
    with pytest.raises(BadInput, match=r"\$id has no value, there is no \$ident in it"):
        ask(bench.folder, bench.engine, Question(text, values={"ident": "p1"}))


def test_what_a_question_leaves_behind_is_nothing(bench, places):
    before = sorted(bench.folder.tables.rglob("*"))
    bench.ask("SELECT * FROM predictions, models")
    assert sorted(bench.folder.tables.rglob("*")) == before
    room = reader_of(bench.folder, bench.engine)._room
    assert [path for path in room.rglob("*") if path.is_file()] == []
