"""A file from elsewhere is taken in by what its columns are: once, its broken rows counted, by the rules of redaction."""

from __future__ import annotations

import json

import polars as pl
import pytest
from click.testing import CliRunner

from watchglass.capture.redaction import hashed
from watchglass.cli.main import commands
from watchglass.errors import BadInput
from watchglass.reading import Store

KEY = "a secret of more than sixteen characters"
SECRET = "s3cr3t"
ROWS = pl.DataFrame(
    {
        "tx": ["a", "b", "c"],
        "at": ["2026-06-01T00:00:00Z", "2026-06-01T01:00:00+02:00", "2026-06-02"],
        "p": [1, 0, 1],
        "amount": [1.5, None, 2.5],
        "country": ["IT", "FR", ""],
    }
)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store", create=True) as opened:
        yield opened


def write(frame, path):
    {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}[path.suffix](path)
    return path


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl", "delta"])
def test_predictions_come_from_any_kind_of_file_and_the_same_file_again_changes_nothing(store, tmp_path, ending):
    if ending == "delta":
        path = tmp_path / "table"
        ROWS.write_delta(path)
    else:
        path = write(ROWS, tmp_path / f"rows{ending}")
    roles = {"id": "tx", "time": "at", "prediction": "p", "tags": ["country"], "version": "3"}
    taken = store.import_(path, model="fraud", **roles)
    assert (taken.files, taken.rows, taken.rejected) == (1, 3, 0)
    again = store.import_(path, model="fraud", **roles)
    assert (again.rows, again.already) == (0, 1)
    rows = store.sql(
        "SELECT id, epoch_us(time) AS t, version, prediction_number AS p, features, tags FROM predictions ORDER BY id",
        "fraud",
    ).rows()
    assert [row["t"] for row in rows] == [1_780_272_000_000_000, 1_780_268_400_000_000, 1_780_358_400_000_000]
    assert [(row["id"], row["p"], row["features"]["amount"]) for row in rows] == [
        ("a", 1.0, 1.5),
        ("b", 0.0, None),
        ("c", 1.0, 2.5),
    ]
    assert {row["version"] for row in rows} == {"3"}
    store.compact()
    assert store.label_coverage("fraud").predictions == 3


def test_labels_join_the_predictions_they_are_of(store, tmp_path):
    store.import_(write(ROWS, tmp_path / "rows.csv"), model="fraud", id="tx", time="at", prediction="p")
    labels = pl.DataFrame({"tx": ["a", "b", "c"], "y": ["1", "1", None], "known": [1.7803e9] * 3})
    path = write(labels, tmp_path / "labels.parquet")
    taken = store.import_(path, table="labels", model="fraud", id="tx", label="y", time="known")
    assert taken.rows == 2  # one without a label says nothing yet
    query = "SELECT count(*) AS n FROM predictions JOIN labels USING (model, environment, id) WHERE label = '1'"
    assert store.sql(query).rows() == [{"n": 2}]


def test_rows_that_cannot_be_taken_cost_only_themselves_and_are_counted(store, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,time,prediction,x\na,2026-06-01,1,0.5\n,2026-06-01,1,0.5\nc,someday,1,0.5\nd,2026-06-01,1\ne,2026-06-01,0,1\n"
    )
    taken = store.import_(path, model="m")
    assert (taken.rows, taken.rejected) == (2, 3)
    (tmp_path / "rows.jsonl").write_text(
        '{"id":"a","time":"2026-06-01","prediction":1}\n{"id":\n{"id":"b","time":"2026-06-01","prediction":1}\n'
    )
    taken = store.import_(tmp_path / "rows.jsonl", model="n")
    assert (taken.rows, taken.rejected) == (2, 1)


def test_what_cannot_be_taken_in_says_what_would_do(store, tmp_path):
    path = write(ROWS.with_columns(label=pl.lit(1)), tmp_path / "rows.csv")
    for words, said in (
        ({"model": "m", "id": "amont"}, "Did you mean 'amount'"),
        ({"model": "m", "table": "runs"}, "predictions, labels would do"),
        ({"model": "m", "table": ["labels", "predictions"]}, "'predictions' or 'labels' would do"),
        ({"model": "m", "time": "at"}, "looks like the truth"),
        ({"model": "m", "time": "at", "label": "label"}, "--table labels"),
        ({"model": "m", "table": "labels", "label": "label"}, "no column of ids"),
    ):
        with pytest.raises(BadInput) as refused:
            store.import_(path, **words)
        assert said in str(refused.value)
    with pytest.raises(BadInput, match="there is no file"):
        store.import_(tmp_path / "none.csv", model="m")


def test_a_file_is_taken_in_by_the_rules_of_redaction(store, tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", KEY)
    store.set(
        "redaction",
        [
            {"field": "id", "action": "hash"},
            {"field": "features.name", "action": "drop"},
            {"field": "features.ssn", "action": "hash"},
            {"field": "*", "action": "mask", "pattern": "email"},
        ],
    )
    path = tmp_path / "rows.csv"
    path.write_text(
        f"id,time,prediction,name,ssn,mail,x\n{SECRET},2026-06-01,1,{SECRET},123456789,to ana@mail.org,0.5\n{SECRET},2026-06-01,{SECRET}\n"
    )
    taken = store.import_(path, model="m")
    assert (taken.rows, taken.rejected) == (1, 1)
    (row,) = store.sql("SELECT id, features FROM predictions", "m").rows()
    assert row == {"id": hashed(SECRET, KEY), "features": {"mail": "to ***", "ssn": hashed(123456789, KEY), "x": 0.5}}
    held = b"".join(found.read_bytes() for found in (tmp_path / "store").rglob("*") if found.is_file())
    for gone in (SECRET, "123456789", "mail.org"):
        assert gone.encode() not in held


def test_the_commands_take_out_and_in_and_say_how_many(tmp_path):
    runner = CliRunner()
    write(ROWS, tmp_path / "rows.csv")

    def ran(*words):
        done = runner.invoke(commands, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    roles = ["--id", "tx", "--time", "at", "--prediction", "p", "--feature", "amount", "--tag", "country"]
    said = ran("import", tmp_path / "rows.csv", "--model", "fraud", *roles, "--store", tmp_path / "a")
    assert said == "3 rows of 1 file taken in, 0 rows rejected, 0 files had been before\n"
    words = [
        "export",
        tmp_path / "out",
        "--format",
        "jsonl",
        "--table",
        "predictions",
        "--from",
        "2026-06-01",
        "--to",
        "2026-06-02",
    ]
    told = json.loads(ran(*words, "--store", tmp_path / "a", "--json"))
    assert (told["rows"], told["tables"], told["format"]) == (1, {"predictions": 1}, "jsonl")
    assert json.loads(ran("import", tmp_path / "out", "--store", tmp_path / "b", "--json"))["rows"] == 1
    assert "1 file had been before" in ran("import", tmp_path / "out", "--store", tmp_path / "b")
