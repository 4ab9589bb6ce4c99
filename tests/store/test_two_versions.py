"""A newer package takes a store over while this one has it open: this one refuses in one sentence, changes nothing, and goes on recording."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
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
from watchglass.errors import StoreError, StoreTooNew, UnknownName
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


pytestmark = pytest.mark.catalog_file


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


GIVEN = {
    "sql": ("SELECT count(*) FROM models",),
    "write_sql": ("SELECT 1 AS one", io.BytesIO(), "csv"),
    "latest": ("runs",),
    "save_question": ("mine", "SELECT 1"),
    "ask": ("failed_runs",),
    "incident": (1,),
    "explain": (1,),
    "state_diff": ("2026-01-01", "2026-02-01"),
    "compare": ("model=digits", "model=digits"),
    "import_mltrace": ("postgresql://nobody@127.0.0.1:9/none",),
}
NAMED = {
    "expire": {"dry": True},
    "check": {"now": datetime(2026, 7, 1, tzinfo=UTC)},
    "forget": {"prediction": "p1", "dry": True},
    "import_": {"model": "other"},
}
"""What a method is given where a model's name for each argument that it needs would not do."""
OF_FILES = {"path", "close", "settings", "set"}
"""What asks no catalog: there is nothing in it that a newer version could have changed."""
ELSEWHERE = {"import_mltrace"}
"""What asks another database first, which is not there."""


def given_to(name, ask, root):
    """Give the arguments that a method needs."""
    if name in GIVEN:
        return GIVEN[name]
    places = {"table": "runs", "to": f"{root}-{name}", "frame": f"{root}-past.csv", "source": f"{root}-past.csv"}
    needed = [p for p in inspect.signature(ask).parameters.values() if p.default is p.empty]
    NAMED.setdefault(name, {}).update({p.name: "digits" for p in needed if p.kind is p.KEYWORD_ONLY})
    return tuple(places.get(p.name, "digits") for p in needed if p.kind is not p.KEYWORD_ONLY)


def test_every_method_of_a_store_that_is_open_is_refused(root):
    root.with_name(f"{root.name}-past.csv").write_text("time,prediction,x\n2026-06-01,1,2.0\n")
    with wg.open(root) as store:
        store.questions()
        newer(root)
        before = bytes_of(root)
        names = {name for name in dir(Store) if not name.startswith("_")} - OF_FILES - ELSEWHERE
        assert len(names) > 25
        for name in sorted(names):
            ask = getattr(store, name)
            arguments = given_to(name, ask, root)
            with pytest.raises(StoreError, match=SENTENCE):
                ask(*arguments, **NAMED.get(name, {}))
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
