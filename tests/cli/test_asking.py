"""Questions on the command line: every format, from an argument, a file or standard input; one prediction; the newest rows."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass

import duckdb
import pytest

from tests.store.bench import BEGIN, Bench, label, prediction
from watchglass.cli.main import main


@pytest.fixture
def root(tmp_path):
    made = Bench(tmp_path / "store")
    made.model()
    made.write("rows", [prediction(n, score={"1": 0.5, "2": 0.25} if n == 1 else 0.9) for n in range(30)])
    made.write("rows", [label(1, "1"), label(1, None, time=BEGIN + 9)])
    made.close()
    return tmp_path / "store"


@dataclass
class Done:
    """What a command said."""

    stdout: bytes
    stderr: bytes


def ask(root, *words, given=b"", code=0):
    """Run a command as a shell would, but in this process: starting one takes longer than answering."""
    kept = sys.argv, sys.stdin, sys.stdout, sys.stderr
    files = [io.TextIOWrapper(io.BytesIO(data)) for data in (given, b"", b"")]
    sys.argv = ["watchglass", *words, "--store", str(root)]
    sys.stdin, sys.stdout, sys.stderr = files
    ended = 0
    try:
        main()
    except SystemExit as left:
        ended = left.code or 0
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = kept
    for file in files:
        file.flush()
    done = Done(files[1].buffer.getvalue(), files[2].buffer.getvalue())
    assert ended == code, done.stderr.decode()
    return done


def test_a_large_answer_goes_through_a_pipe(root, tmp_path):
    command = [
        sys.executable,
        "-c",
        "from watchglass.cli.main import main; main()",
        "sql",
        "--format",
        "parquet",
        "--store",
        str(root),
    ]
    done = subprocess.run(command, input=b"SELECT range AS n FROM range(300000)", capture_output=True, check=True)
    (tmp_path / "a.parquet").write_bytes(done.stdout)
    assert duckdb.sql(f"SELECT count(DISTINCT n) FROM '{tmp_path}/a.parquet'").fetchall() == [(300_000,)]


def test_a_query_is_answered_in_every_format(root, tmp_path):
    query = "SELECT id, time FROM predictions ORDER BY time"
    assert ask(root, "sql", query, "--limit", "1").stdout.decode().split()[:3] == ["id", "time", "p0"]
    assert ask(root, "sql", query, "--format", "csv").stdout.splitlines()[1] == b"p0,2026-06-01T00:00:00.000000+00:00"
    assert ask(root, "sql", query, "--csv").stdout == ask(root, "sql", query, "--format", "csv").stdout
    assert json.loads(ask(root, "sql", query, "--json").stdout)[29] == {
        "id": "p29",
        "time": "2026-06-01T00:00:00.000029+00:00",
    }
    assert len(ask(root, "sql", query, "--format", "jsonl").stdout.splitlines()) == 30
    path = tmp_path / "answer.parquet"
    path.write_bytes(ask(root, "sql", query, "--format", "parquet").stdout)
    assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(30,)]
    assert b"30 rows written" in ask(root, "sql", query, "--output", str(tmp_path / "a.csv")).stderr
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 31


def test_a_query_comes_from_a_file_or_from_standard_input(root, tmp_path):
    file = tmp_path / "query.sql"
    file.write_text("-- how many\nSELECT count(*) AS n FROM predictions;\n")
    assert json.loads(ask(root, "sql", "--file", str(file), "--json").stdout) == [{"n": 30}]
    assert json.loads(ask(root, "sql", "--json", given=file.read_bytes()).stdout) == [{"n": 30}]
    assert b"given twice" in ask(root, "sql", "SELECT 1", "--file", str(file), code=2).stderr
    assert b"exactly one SELECT" in ask(root, "sql", "DROP TABLE runs", code=2).stderr
    assert b"does not tell a format" in ask(root, "sql", "SELECT 1", "--output", str(tmp_path / "x"), code=2).stderr


def test_a_prediction_is_shown_by_its_id(root):
    (one,) = json.loads(ask(root, "prediction", "p1", "--json").stdout)
    assert (one["id"], one["scores"], one["features"], one["label"]) == ("p1", {"1": 0.5, "2": 0.25}, {"ink": 0.1}, "1")
    assert [each["label"] for each in one["labels"]] == ["1", None]
    shown = ask(root, "prediction", "p1").stdout.decode()
    assert all(text in shown for text in ("score of 2", "harbour", "taken back", "ink"))
    assert b"no prediction has the id 'p99'" in ask(root, "prediction", "p99", code=1).stderr


def test_the_newest_rows_are_shown_page_by_page(root):
    page = json.loads(ask(root, "latest", "--limit", "2", "--json").stdout)
    assert [row["id"] for row in page["rows"]] == ["p29", "p28"]
    told = ask(root, "latest", "--limit", "2", "--before", page["next"], "--csv")
    assert [line.split(b",")[0] for line in told.stdout.splitlines()[1:]] == [b"p27", b"p26"]
    assert b"more: --before" in told.stderr
    assert b"Did you mean 'labels'" in ask(root, "latest", "label", code=2).stderr


def test_a_question_is_saved_asked_and_deleted(root):
    saved = ask(root, "save-question", "some", "SELECT count(*) AS n FROM predictions WHERE id < $id", "--json")
    assert json.loads(saved.stdout) == {"name": "some", "parameters": ["id"]}
    assert json.loads(ask(root, "ask", "some", "--id", "p1", "--json").stdout) == {"rows": [{"n": 1}], "next": None}
    assert ask(root, "delete-question", "some").stdout == b"deleted: some\n"
    assert b"no question 'some'" in ask(root, "delete-question", "some", code=2).stderr
