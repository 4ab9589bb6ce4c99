"""A data set of labels from a shell: from files of every kind and from a question, to a folder and to a server."""

from __future__ import annotations

import json

import polars as pl
import pytest
from click.testing import CliRunner

import watchglass as wg
from tests.web.served import serving
from watchglass.cli import labelling, served_rows
from watchglass.cli.main import commands, main
from watchglass.reading import create_store

ROWS = [
    {"tx": "a", "y": 1, "ts": "2026-03-01T10:00:00"},
    {"tx": "b", "y": 0, "ts": "2026-03-01T11:00:00"},
    {"tx": "c", "y": None, "ts": "2026-03-02T00:00:00"},
]
NAMED = ("--id", "tx", "--label", "y", "--time", "ts")


def run(*words, **environment):
    return CliRunner().invoke(commands, [str(word) for word in words], env=environment)


def labels(folder):
    with wg.open(folder) as store:
        rows = store.sql("SELECT id, label, environment, time FROM label_history ORDER BY time, id").rows()
    return [(row["id"], row["label"], row["environment"], row["time"].isoformat()[:13]) for row in rows]


@pytest.fixture
def folder(tmp_path):
    create_store(tmp_path / "store").close()
    return tmp_path / "store"


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "arrow"])
def test_a_file_of_any_kind_becomes_labels(folder, tmp_path, kind):
    path = tmp_path / f"labels.{kind}"
    frame = pl.DataFrame(ROWS)
    write = {
        "parquet": frame.write_parquet,
        "csv": frame.write_csv,
        "jsonl": frame.write_ndjson,
        "arrow": frame.write_ipc,
    }
    write[kind](path)
    done = run("log", "labels", "fraud", path, *NAMED, "--environment", "shadow", "--store", folder, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["accepted"], told["missing"], told["rejected_count"]) == (2, 1, 0)
    assert labels(folder) == [("a", "1", "shadow", "2026-03-01T10"), ("b", "0", "shadow", "2026-03-01T11")]


def test_a_row_without_a_label_takes_back_when_asked_to(folder, tmp_path):
    path = tmp_path / "labels.parquet"
    pl.DataFrame(ROWS).write_parquet(path)
    done = run("log", "labels", "fraud", path, *NAMED, "--retract-missing", "--store", folder)
    assert (done.exit_code, done.stdout) == (0, "3 labels recorded, 1 rows without one, 0 refused\n")
    assert labels(folder)[-1] == ("c", None, "live", "2026-03-02T00")


def test_a_question_is_answered_and_recorded(folder):
    run("log", "prediction", "fraud", "--id", "a", "--feature", "truth=1", "--store", folder)
    run("log", "prediction", "fraud", "--id", "b", "--feature", "truth=0", "--store", folder)
    query = "SELECT id, (features->>'truth') AS label FROM predictions"
    done = run("log", "labels", "fraud", "--query", query, "--store", folder)
    assert (done.exit_code, done.stdout) == (0, "2 labels recorded, 0 rows without one, 0 refused\n")
    with wg.open(folder) as store:
        found = store.sql("SELECT id, label FROM labels ORDER BY id").rows()
    assert found == [{"id": "a", "label": "1.0"}, {"id": "b", "label": "0.0"}]


def test_a_server_is_asked_page_by_page_before_anything_is_recorded(folder, monkeypatch):
    for number in range(5):
        run("log", "prediction", "fraud", "--id", f"p{number}", "--feature", f"truth={number}", "--store", folder)
    query = "SELECT id, (features->>'truth') AS label FROM predictions WHERE id NOT IN (SELECT id FROM labels); "
    monkeypatch.setattr(served_rows, "PAGE", 2)
    monkeypatch.setattr(labelling, "AT_ONCE", 1)
    with serving(folder) as server:
        done = run("log", "labels", "fraud", "--query", query, "--store", server.url)
        assert (done.exit_code, done.stdout) == (0, "5 labels recorded, 0 rows without one, 0 refused\n")
        again = run("log", "labels", "fraud", "--query", query, "--store", server.url)
        assert (again.exit_code, again.stdout) == (0, "0 labels recorded, 0 rows without one, 0 refused\n")
        for wrong, why in (("SELECT id FROM labels", "no column 'label'"), ("SELECT FROM", "answers 4")):
            refused = run("log", "labels", "fraud", "--query", wrong, "--store", server.url)
            assert refused.exit_code != 0
            assert why in str(refused.exception)
    with wg.open(folder) as store:
        found = store.sql("SELECT id, label FROM labels ORDER BY id").rows()
    assert found == [{"id": f"p{number}", "label": f"{number}.0"} for number in range(5)]


def test_a_server_that_is_not_there_is_told():
    done = run("log", "labels", "fraud", "--query", "SELECT 1", "--store", "http://127.0.0.1:9")
    assert done.exit_code == 1
    assert "the server 'http://127.0.0.1:9' does not answer" in done.stderr


def test_one_label_is_taken_back_and_one_event_is_told(folder):
    run("log", "label", "fraud", "tx-1", "1", "--time", "2026-03-01", "--store", folder)
    back = run("log", "retract", "fraud", "tx-1", "--time", "2026-03-02", "--store", folder, "--json")
    assert (back.exit_code, json.loads(back.stdout)["accepted"]) == (0, 1)
    assert labels(folder) == [("tx-1", "1", "live", "2026-03-01T00"), ("tx-1", None, "live", "2026-03-02T00")]
    clicked = run("log", "feedback", "ads", "ad-1", "click", "--environment", "shadow", "--store", folder)
    assert (clicked.exit_code, clicked.output) == (0, "")
    with wg.open(folder) as store:
        assert len(store.sql("SELECT id FROM labels")) == 0
        told = store.sql("SELECT model, id, event, environment FROM feedback").rows()
    assert told == [{"model": "ads", "id": "ad-1", "event": "click", "environment": "shadow"}]


def test_many_labels_go_in_pieces_and_a_refused_one_says_which(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(labelling, "AT_ONCE", 3)
    path = tmp_path / "labels.csv"
    times = ["2026-03-01"] * 5 + ["soon"] + ["2026-03-02"] * 2
    path.write_text("id,label,ts\n" + "".join(f"r{n},{n},{time}\n" for n, time in enumerate(times)))
    done = run("log", "labels", "fraud", path, "--time", "ts", "--store", folder)
    assert (done.exit_code, done.stdout) == (1, "7 labels recorded, 0 rows without one, 1 refused\n")
    assert done.stderr.startswith("label 6: time cannot be 'soon'")
    assert len(labels(folder)) == 7


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "name a FILE, or ask the store"),
        (("labels.csv", "--query", "SELECT 1"), "name a FILE, or ask the store"),
        (("none.csv",), "there is no file 'none.csv'"),
        (("labels.csv", "--id", "x"), "row 1 has no 'x'. It has: id, label"),
        (("labels.csv",), "row 2 has nothing in 'id'"),
        (("labels.parquet",), "cannot be read"),
        (("bare.parquet",), "has no column 'label'. It has: id"),
        (("--query", "SELECT 1 AS id"), "the answer has no column 'label'. It has: id"),
        (("--query", "DROP TABLE labels"), "exactly one SELECT"),
    ],
)
def test_what_cannot_be_taken_is_told_and_exits_with_2(folder, tmp_path, monkeypatch, capsys, words, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text("id,label\na,1\n,1\n")
    (tmp_path / "labels.parquet").write_text("no Parquet")
    pl.DataFrame({"id": ["a"]}).write_parquet(tmp_path / "bare.parquet")
    monkeypatch.setattr("sys.argv", ["watchglass", "log", "labels", "fraud", *words])
    monkeypatch.setenv("WATCHGLASS_STORE", str(folder))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_a_server_takes_labels_retractions_and_feedback_by_the_batch(folder, tmp_path):
    path = tmp_path / "labels.csv"
    pl.DataFrame(ROWS).write_csv(path)
    with serving(folder) as server:
        done = run("log", "labels", "fraud", path, *NAMED, "--store", server.url)
        assert (done.exit_code, done.stdout) == (0, "2 labels recorded, 1 rows without one, 0 refused\n")
        lines = [
            {"model": "fraud", "id": "a", "label": None, "time": "2026-03-03"},
            {"model": "fraud", "id": "b", "label": 1, "time": "2026-03-03"},
            {"model": "fraud", "id": "c"},
        ]
        answer = server.post("labels", json.dumps(lines)).json()
        assert (answer["accepted"], answer["rejected"]) == (2, [{"line": 3, "reason": "label is missing"}])
        told = [{"model": "ads", "id": "a", "event": "click"}, {"model": "ads", "id": "a"}]
        answer = server.post("feedback", json.dumps(told)).json()
        assert (answer["accepted"], answer["rejected"]) == (1, [{"line": 2, "reason": "event is missing"}])
        rule = {"kind": "model", "name": "ads", "feedback": {"event": "click", "within": "soon"}}
        assert "within of feedback" in server.post("events", json.dumps(rule)).json()["rejected"][0]["reason"]
        rule["feedback"]["within"] = "30m"
        assert server.post("events", json.dumps(rule)).json()["accepted"] == 1
    with wg.open(folder) as store:
        for _ in range(2):
            assert store.sql("SELECT id, label FROM labels").rows() == [{"id": "b", "label": "1"}]
            assert store.sql("SELECT id, event FROM feedback").rows() == [{"id": "a", "event": "click"}]
            (model,) = store.sql("SELECT feedback FROM models WHERE name = 'ads'").rows()
            assert json.loads(model["feedback"])["within"] == "30m"
            store.compact()
