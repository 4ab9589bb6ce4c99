"""The wheel alone, installed without what it depends on, records to a folder and ships to a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.capture.listening import wait_for

import watchglass as wg
from watchglass.capture import spool

ROOT = Path(__file__).parents[2]
RECORD = """
import importlib.util, sys
import watchglass as wg
assert not any(importlib.util.find_spec(name) for name in ("orjson", "numpy", "duckdb", "click", "sqlalchemy"))
with wg.run("train", params={"depth": 4}) as run:
    run.metric("auc", 0.83)
    run.write({"leaves": [1, 2]}, name="model")
for number in range(50):
    wg.log_prediction("m", version="1", features={"x": number / 7, "c": "é"}, prediction=number % 2, score=0.5, id=f"p{number}")
    wg.log_label("m", f"p{number}", number % 3 % 2)
rows = [{"x": 1.5, "c": "ü", "p": 0, "s": 0.25, "t": "2026-01-01T00:00:00Z", "id": f"f{n}"} for n in range(20)]
assert wg.log_predictions("m", rows, version="1", prediction="p", score="s", id="id", time="t") == 20
wg.flush()
"""


def run(*command, **environment):
    """Run a command that sees nothing of the environment the tests run in."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WATCHGLASS", "VIRTUAL"))
    }
    done = subprocess.run(
        [*map(str, command)],
        env={**env, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Install the wheel, and nothing else, into an environment of its own; gives its Python."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist")
    (wheel,) = (folder / "dist").iterdir()
    run(sys.executable, "-m", "venv", folder / "venv")
    run(
        folder / "venv/bin/python",
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
        wheel,
    )
    return folder / "venv/bin/python"


def test_what_the_bare_wheel_records_is_read_back_whole(bare, tmp_path):
    run(bare, "-c", RECORD, WATCHGLASS_STORE=str(tmp_path / "store"))
    with wg.open(tmp_path / "store") as store:
        found = store.sql(
            "SELECT id, score, (features->>'x')::DOUBLE AS x, features->>'c' AS c FROM predictions ORDER BY id",
            model=None,
        ).rows()
        labels = store.sql("SELECT id, label FROM labels").rows()
        (trained,) = store.sql("SELECT component, status FROM runs").rows()
    served = {f"p{n}": (0.5, n / 7, "é") for n in range(50)} | {f"f{n}": (0.25, 1.5, "ü") for n in range(20)}
    assert {row["id"]: (row["score"], row["x"], row["c"]) for row in found} == served
    assert len(found) == 70
    assert {row["id"]: row["label"] for row in labels} == {f"p{n}": str(n % 3 % 2) for n in range(50)}
    assert trained == {"component": "train", "status": "ok"}


def test_the_bare_wheel_ships_to_a_server_exactly_once(bare, tmp_path, listening):
    server = listening()
    server.trouble = lambda number, key, data: "lost" if number == 1 else None
    where = {"WATCHGLASS_STORE": server.url, "WATCHGLASS_SPOOL": str(tmp_path)}
    run(bare, "-c", RECORD, WATCHGLASS_DELIVER_SECONDS="20", **where)
    root = str(tmp_path / spool.folder_name(server.url))
    wait_for(lambda: spool.waiting(root, "rows") == spool.waiting(root, "graph") == [], 1)
    assert sorted(server.ids("prediction")) == sorted([*(f"p{n}" for n in range(50)), *(f"f{n}" for n in range(20))])
    assert sorted(server.ids("label")) == sorted(f"p{n}" for n in range(50))
    runs = [event for event in server.events if event["kind"] == "run"]
    assert [event["status"] for event in runs] == ["running", "ok"]
