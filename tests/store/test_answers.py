"""An answer in every form: dicts, Arrow, pandas, polars, JSON, files; large ones by columns, parameters bound, questions saved."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from tests.store.bench import BEGIN, Bench, prediction
from watchglass.errors import BadInput, QueryRefused, StoreError, UnknownName
from watchglass.reading import Store
from watchglass.store import answers
from watchglass.store.asking.formats import FORMATS

KINDS = (
    "SELECT 1 AS whole, 1.5 AS exact, 0.1::DOUBLE AS number, 'ä' AS text, true AS yes, NULL::DOUBLE AS none,"
    " TIMESTAMP '2026-06-01 00:00:00.000001' AS time, TIMESTAMPTZ '2026-06-01 02:00:00+02' AS zoned, DATE '2026-06-01' AS day,"
    " [1, 2] AS list, {'a': 1} AS struct, '{\"a\": [1, null]}'::JSON AS json, 'nan'::DOUBLE AS nan, 170141183460469231731687303715884105727::HUGEINT AS huge"
)


@pytest.fixture
def store(tmp_path):
    made = Bench(tmp_path / "store")
    made.model()
    made.write("rows", [prediction(n) for n in range(50)])
    made.close()
    with Store(tmp_path / "store") as opened:
        yield opened


def test_values_are_pythons_own_and_times_aware(store):
    (row,) = store.sql(KINDS).rows()
    assert (row["whole"], row["number"], row["text"], row["yes"], row["none"]) == (1, 0.1, "ä", True, None)
    assert row["time"] == datetime(2026, 6, 1, 0, 0, 0, 1, UTC)
    assert row["zoned"] == datetime(2026, 6, 1, tzinfo=UTC)
    assert row["zoned"].tzinfo is UTC
    assert (row["list"], row["struct"]) == ([1, 2], {"a": 1})


@pytest.mark.parametrize("rows", [3, answers.AT_ONCE + 1])
def test_a_frame_has_types_and_order_in_every_library(store, rows):
    table = store.sql(
        f"SELECT range AS n, 'x' || range AS text, make_timestamp({BEGIN} + range) AS time, NULL::DOUBLE AS none FROM range({rows}) ORDER BY n DESC"
    )
    assert len(table) == rows
    polars, arrow, pandas = (table.frame(library) for library in ("polars", "arrow", "pandas"))
    assert polars.schema["time"] == pl.Datetime("us", "UTC") or str(polars.schema["time"].time_zone).endswith("UTC")
    assert polars.schema["none"] == pl.Float64
    assert arrow.schema.field("n").type == pa.int64()
    assert polars["n"].to_list() == arrow["n"].to_pylist() == pandas["n"].tolist() == [row["n"] for row in table]
    assert polars["n"].to_list() == list(range(rows - 1, -1, -1))
    assert pl.DataFrame(table).equals(polars)
    assert pa.table(table).equals(arrow)
    assert str(pandas["time"].dt.tz).endswith("UTC")
    assert table.values[-1] == (0, "x0", datetime(2026, 6, 1, tzinfo=UTC), None)


def test_a_large_answer_stays_columns_until_it_is_asked_for_as_rows(store):
    table = store.sql("SELECT range AS n FROM range(200000)")
    assert table._values is None
    assert next(iter(table)) == {"n": 0}
    assert table.frame("polars")["n"].sum() == 199_999 * 100_000
    assert table._values is None
    assert len(table.values) == 200_000


def test_no_library_is_needed_but_the_one_that_is_named(store):
    code = (
        "import sys\nsys.modules.update(pandas=None, pyarrow=None)\nfrom watchglass.reading import Store\n"
        "with Store(sys.argv[1]) as store:\n    table = store.sql('SELECT id, time, features FROM predictions WHERE score > $s', values={'s': 0})\n"
        "    print(len(table.rows()), len(table.to_json()) > 9, table.frame('polars').shape)\n"
        "    try:\n        table.frame('pandas')\n    except ImportError as error:\n        print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, store.path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "50 True (50, 3)"
    assert "install pandas" in done.stdout


def test_small_answers_outlive_the_store_a_fork_and_a_pickle(store):
    table = store.sql("SELECT id FROM predictions ORDER BY id LIMIT 2")
    large = store.sql("SELECT range AS n FROM range(20000)")
    assert pickle.loads(pickle.dumps(table)) == table
    child = os.fork()
    if not child:
        try:
            large.rows()
        except StoreError:
            os._exit(0 if table.rows() == [{"id": "p0"}, {"id": "p1"}] else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    store.close()
    assert table.rows() == [{"id": "p0"}, {"id": "p1"}]
    assert table.frame("polars")["id"].to_list() == ["p0", "p1"]


def test_json_has_times_with_offset_and_nothing_that_is_no_json(store):
    (row,) = json.loads(store.sql(KINDS).to_json(), parse_constant=pytest.fail)
    assert row["time"] == "2026-06-01T00:00:00.000001+00:00"
    assert (row["json"], row["nan"], row["day"]) == ({"a": [1, None]}, None, "2026-06-01")
    assert row["huge"] == 2**127 - 1
    found = json.loads(store.sql("SELECT features FROM predictions WHERE id = 'p5'").to_json())
    assert found == [{"features": {"ink": 0.5}}]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_holds_what_the_table_does(store, tmp_path, kind):
    query = "SELECT id, time, score, 'nan'::DOUBLE AS nan, features FROM predictions WHERE score > $least ORDER BY time"
    table = store.sql(query, values={"least": 0.5})
    path = tmp_path / f"answer.{kind}"
    assert store.write_sql(query, path, values={"least": 0.5}) == 50
    text = path.read_bytes()
    if kind == "parquet":
        read = duckdb.sql(f"SELECT id, epoch_us(time), score FROM '{path}'").fetchall()
        assert str(duckdb.sql(f"SELECT time FROM '{path}'").types[0]) == "TIMESTAMP WITH TIME ZONE"
        assert read == [(row["id"], BEGIN + n, 0.9) for n, row in enumerate(table)]
    elif kind == "csv":
        read = list(csv.DictReader(io.StringIO(text.decode())))
        assert [row["id"] for row in read] == [row["id"] for row in table]
        assert datetime.fromisoformat(read[7]["time"]) == table.values[7][1]
    else:
        read = json.loads(text) if kind == "json" else [json.loads(line) for line in text.splitlines()]
        assert [datetime.fromisoformat(row["time"]) for row in read] == [row["time"] for row in table]
        assert read[3] == {"id": "p3", "time": "2026-06-01T00:00:00.000003+00:00", "score": 0.9, "nan": None, "features": {"ink": 0.3}}  # fmt: skip
    assert list(tmp_path.glob("*.part")) == list(tmp_path.glob(".*.part")) == []


def test_a_file_that_cannot_be_is_told_and_nothing_is_left(store, tmp_path):
    with pytest.raises(BadInput, match="does not tell a format"):
        store.write_sql("SELECT 1", tmp_path / "answer.xls")
    with pytest.raises(BadInput, match="cannot be written: No such file"):
        store.write_sql("SELECT 1", tmp_path / "no" / "answer.csv")
    before = tmp_path / "answer.csv"
    before.write_text("as it was")
    with pytest.raises(QueryRefused):
        store.write_sql("SELECT nope FROM predictions", before)
    with pytest.raises(BadInput, match="as 'xml'"):
        store.write_sql("SELECT 1", before, "xml")
    assert before.read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["store", "answer.csv"] or len(list(tmp_path.iterdir())) == 2


def test_a_limit_is_put_around_whatever_the_question_ends_with(store):
    for end in ("", ";", " -- all", "; -- all", " /* all */ ;\n"):
        query = f"SELECT id FROM predictions ORDER BY time DESC{end}"
        assert [row["id"] for row in store.sql(query, limit=2, offset=3)] == ["p46", "p45"]
    assert len(store.sql("SELECT id FROM predictions", limit=0)) == 0
    pages = [store.sql("SELECT id FROM predictions", limit=20, offset=offset).values for offset in (0, 20, 40)]
    assert len({row for page in pages for row in page}) == 50
    with pytest.raises(BadInput, match="limit cannot be -1"):
        store.sql("SELECT 1", limit=-1)


def test_two_columns_of_one_name_are_both_there(store):
    assert store.sql("SELECT 1 AS a, 2 AS a").rows() == [{"a": 1, "a_1": 2}]


def test_a_saved_question_is_asked_with_its_values(store):
    text = "SELECT count(*) AS n FROM predictions WHERE features.ink >= $least AND id != $id"
    assert store.save_question("thick", text, "digits", "how many have much ink") == {"least", "id"}
    assert store.ask("thick", least=3.0, id="p49").values == ((19,),)
    assert "thick" in [row["name"] for row in store.questions()]
    assert store.sql("SELECT name, model, description FROM questions").values == (
        ("thick", "digits", "how many have much ink"),
    )
    with pytest.raises(BadInput, match=r"\$id has no value"):
        store.ask("thick", least=3)
    store.save_question("thick", "SELECT 7 AS n")
    assert store.ask("thick").values == ((7,),)
    store.delete_question("thick")
    with pytest.raises(UnknownName, match="no question 'thick'"):
        store.delete_question("thick")


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 81, "1st", "traffic", "a;b"])
def test_a_name_that_would_not_do_is_refused(store, name):
    with pytest.raises(BadInput, match="cannot be named"):
        store.save_question(name, "SELECT 1")


def test_what_is_saved_is_one_select_of_a_model_that_is_there(store):
    with pytest.raises(QueryRefused):
        store.save_question("bad", "DROP TABLE runs")
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        store.save_question("bad", "SELECT 1", "digitz")
    assert store.sql("SELECT count(*) FROM questions").values == ((0,),)


def test_a_table_that_was_made_by_hand_is_one_too():
    table = answers.Table(("a", "b"), [(1, math.nan), (2, None)])
    assert (len(table), json.loads(table.to_json())) == (2, [{"a": 1, "b": None}, {"a": 2, "b": None}])
    assert pl.DataFrame(table)["a"].to_list() == table.frame("pandas")["a"].tolist() == [1, 2]
    assert table.first(1).rows()[0]["a"] == 1
    assert (hash(table), repr(table)) == (hash(answers.Table(("a", "b"), [(0, 0), (0, 0)])), "<2 rows: a, b>")
