"""A newer package takes a store over while this one has it open: this one refuses in one sentence, changes nothing, and goes on recording."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

import watchglass as wg
from tests.store.bench import Bench, prediction
from tests.web.served import serving, until
from watchglass.cli.main import main
from watchglass.errors import StoreTooNew, UnknownName
from watchglass.reading import Store
from watchglass.store.transactions import SCHEMA_VERSION

SENTENCE = "pip install --upgrade watchglass"
WORKING = """
import json, sys
from datetime import UTC, datetime
import watchglass as wg
wg.init(store=sys.argv[1])
store = wg.open(sys.argv[1])
wg.log_prediction("digits", features={"ink": 1.0}, prediction=1, id="before")
asked = {
    "sql": lambda: store.sql("SELECT count(*) AS n FROM predictions").rows(),
    "compact": store.compact,
    "check": lambda: store.check(datetime(2026, 7, 1, tzinfo=UTC)),
    "expire": store.expire,
    "backup": lambda: store.backup(sys.argv[2]),
    "status": store.status,
    "models": store.models,
    "incidents": store.incidents,
    "open": lambda: wg.open(sys.argv[1]),
    "record": lambda: wg.log_prediction("digits", features={"ink": 1.0}, prediction=1, id="after") and wg.flush(),
}
for line in sys.stdin:
    try:
        asked[line.strip()]()
        said = "done"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps(said), flush=True)
"""


def newer(root, by=1):
    """Do to the catalog what the first step of a newer package's migration does."""
    with contextlib.closing(sqlite3.connect(root / "catalog.db")) as raw, raw:
        raw.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION + by,))
        raw.execute("ALTER TABLE files ADD COLUMN of_a_newer_version TEXT")


def taken_back(root):
    with contextlib.closing(sqlite3.connect(root / "catalog.db")) as raw, raw:
        raw.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION,))


def bytes_of(root):
    """Sum up every file but SQLite's own notes of who reads it, and what a reader keeps for a moment."""
    return {
        str(path.relative_to(root)): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".db-shm" and path.parts[len(root.parts)] != "tmp"
    }


@pytest.fixture
def root(tmp_path):
    bench = Bench(tmp_path / "store")
    bench.model()
    bench.write("rows", [prediction(n) for n in range(20)])
    bench.compact()
    bench.follow()
    bench.write("rows", [prediction(n) for n in range(20, 30)])
    bench.close()
    return tmp_path / "store"


def test_a_process_that_has_it_open_is_refused_changes_nothing_and_goes_on_recording(root, tmp_path):
    command = [sys.executable, "-c", WORKING, str(root), str(tmp_path / "backups")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:

        def ask(question):
            child.stdin.write(f"{question}\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline())

        assert ask("sql") == "done"
        newer(root)
        before = bytes_of(root)
        for question in ("sql", "compact", "check", "expire", "backup", "status", "models", "incidents", "open"):
            said = ask(question)
            assert said.startswith("StoreTooNew: "), (question, said)
            assert SENTENCE in said
        assert bytes_of(root) == before
        assert ask("record") == "done"
        lines = "".join(path.read_text() for path in (root / "log" / "rows").glob("*.jsonl"))
        assert '"after"' in lines
        child.stdin.close()
        assert child.stderr.read() == ""
        assert child.wait(60) == 0
    taken_back(root)
    with wg.open(root) as store:
        ids = {row["id"] for row in store.sql("SELECT id FROM predictions").rows()}
    assert {"before", "after", "p0", "p29"} <= ids


ASKED = {
    "sql": lambda store: store.sql("SELECT count(*) FROM models"),
    "write_sql": lambda store: store.write_sql("SELECT 1 AS one", io.BytesIO(), "csv"),
    "prediction": lambda store: store.prediction("p1"),
    "latest": lambda store: store.latest("runs"),
    "save_question": lambda store: store.save_question("mine", "SELECT 1"),
    "delete_question": lambda store: store.delete_question("mine"),
    "compact": lambda store: store.compact(),
    "expire": lambda store: store.expire(dry=True),
    "backup": lambda store: store.backup(f"{store.path}-backups"),
    "check": lambda store: store.check(datetime(2026, 7, 1, tzinfo=UTC)),
    "replay": lambda store: store.replay(f"{store.path}-past.csv", model="other"),
    "ask": lambda store: store.ask("failed_runs"),
    "questions": lambda store: store.questions(),
    "distribution": lambda store: store.distribution("digits"),
    "models": lambda store: store.models(),
    "incidents": lambda store: store.incidents(),
    "incident": lambda store: store.incident(1),
    "explain": lambda store: store.explain(1),
    "label_coverage": lambda store: store.label_coverage("digits"),
    "status": lambda store: store.status(),
    "doctor": lambda store: store.doctor(quick=True),
    "forget": lambda store: store.forget(prediction="p1", dry=True),
    "audits": lambda store: store.audits(),
    "last_window": lambda store: store.last_window(),
    "dropped": lambda store: store.dropped(),
    "schema": lambda store: store.schema("digits"),
    "rejections": lambda store: store.rejections(),
    "rejected": lambda store: store.rejected(),
    "known_model": lambda store: store.known_model("digits"),
    "export": lambda store: store.export(f"{store.path}-export"),
    "import_": lambda store: store.import_(f"{store.path}-past.csv", model="other"),
}
OF_FILES = {"path", "close", "settings", "set"}
"""What asks no catalog: there is nothing in it that a newer version could have changed."""


def test_every_method_of_a_store_that_is_open_is_refused(root):
    assert {name for name in dir(Store) if not name.startswith("_")} == {*ASKED, *OF_FILES}
    root.with_name(f"{root.name}-past.csv").write_text("time,prediction,x\n2026-06-01,1,2.0\n")
    with wg.open(root) as store:
        store.questions()
        newer(root)
        before = bytes_of(root)
        for question in ASKED.values():
            with pytest.raises(StoreTooNew, match=SENTENCE):
                question(store)
        assert bytes_of(root) == before
        taken_back(root)
        assert store.sql("SELECT count(*) AS n FROM predictions").rows() == [{"n": 30}]


def test_a_refused_transaction_leaves_nothing_locked(root):
    with wg.open(root) as store:
        newer(root)
        for _ in range(3):
            with pytest.raises(StoreTooNew):
                store.delete_question("none")
        taken_back(root)  # SQLite would refuse it while somebody held its lock
        with pytest.raises(UnknownName):
            store.delete_question("none")


def test_new_opens_and_commands_are_refused_in_one_sentence(root, monkeypatch, capsys):
    newer(root)
    before = bytes_of(root)
    with pytest.raises(StoreTooNew, match=SENTENCE):
        wg.open(root)
    for words in ("status", "sql", "compact", "check", "expire", "doctor", "serve"):
        more = {"sql": ["SELECT 1"], "serve": ["--port", "0"]}.get(words, [])
        monkeypatch.setattr(sys, "argv", ["watchglass", words, *more, "--store", str(root)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert (ended.value.code, said.count(SENTENCE), said.count("\n")) == (2, 1, 1), (words, said)
    assert bytes_of(root) == before


@pytest.mark.slow
def test_a_server_says_it_once_refuses_questions_and_takes_events(root, capfd):
    with serving(root, "--maintain") as served:
        assert served.get("/api/v1/models").status_code == 200
        newer(root)
        before = bytes_of(root)
        answer = served.get("/api/v1/status")
        assert (answer.status_code, SENTENCE in answer.json()["error"]) == (503, True)
        assert (
            served.post("events", json.dumps({"kind": "metric", "name": "queue", "value": 1}) + "\n").status_code == 200
        )
        until(lambda: served.get("/api/v1/health").json()["maintenance"]["running"] is False)
        time.sleep(4)
        restarts = served.get("/api/v1/health").json()["maintenance"]["restarts"]
        after = bytes_of(root)
    said = capfd.readouterr().err
    assert restarts == 0
    assert (said.count("the store is kept no more"), said.count("Traceback")) == (1, 0), said
    assert {path: total for path, total in after.items() if not path.startswith("log/")} == {
        path: total for path, total in before.items() if not path.startswith("log/")
    }
