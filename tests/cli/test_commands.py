"""Every command says its help, prints JSON with the records' names, and tells bad input in one sentence with exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import httpx
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import watchglass as wg
from tests.cli.calling import called
from watchglass.cli.main import commands


def process(*arguments, **environment):
    command = [sys.executable, "-c", "from watchglass.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli")
    chance = np.random.default_rng(1)
    amount = chance.normal(5, 1, 1400)
    amount[900:] += 1
    label = chance.integers(0, 2, 1400)
    table = pd.DataFrame(
        {
            "time": pd.date_range("2026-01-01", periods=1400, freq="72min"),
            "amount": amount,
            "prediction": label,
            "label": label,
        }
    )
    table.to_parquet(root / "fraud.parquet")
    done = called("replay", root / "fraud.parquet", "--store", root / "store", "--reference", 30)
    assert done.returncode == 0, done.stderr
    assert "--model fraud --time time --prediction prediction --label label" in done.stdout
    assert "1400 rows, 1400 labels, 2026-01-01 to 2026-03-11, 70 windows judged" in done.stdout
    assert "the data of fraud is different: amount" in done.stdout
    return root


def test_every_command_has_help_and_the_list_is_as_documented():
    assert sorted(commands.commands) == [
        "artifacts",
        "ask",
        "audit",
        "backup",
        "check",
        "compact",
        "components",
        "config",
        "delete-question",
        "demo",
        "diff",
        "distribution",
        "doctor",
        "drift",
        "durations",
        "expire",
        "explain",
        "export",
        "flag",
        "forget",
        "history",
        "impact",
        "import",
        "incidents",
        "labels",
        "latest",
        "log",
        "models",
        "origin",
        "prediction",
        "quality",
        "quarantined",
        "release",
        "replay",
        "rerun",
        "restore",
        "retract",
        "retracted",
        "review",
        "runs",
        "save-question",
        "serve",
        "show",
        "sql",
        "stale",
        "state",
        "status",
        "subjects",
        "tag",
        "trace",
        "unflag",
    ]
    for name in commands.commands:
        done = CliRunner().invoke(commands, [name, "--help"])
        assert done.exit_code == 0
        assert "--json" in done.output


@pytest.mark.parametrize("name", ["status", "models", "incidents", "explain", "check"])
def test_json_has_the_records_names(folder, name):
    done = called(name, *(["1"] if name == "explain" else []), "--store", folder / "store", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first = found[0] if isinstance(found, list) else found
    expected = {
        "status": {"predictions": 1400, "labels": 1400, "rejected": 0, "models": 1},
        "models": {"name": "fraud", "environment": "live"},
        "incidents": {"model": "fraud", "severity": "notice", "kind": "drift"},
        "explain": {"id": 1, "model": "fraud"},
        "check": {},
    }[name]
    assert {key: first[key] for key in expected} == expected


def test_tables_and_stories_on_a_terminal(folder):
    store = ("--store", folder / "store")
    assert "fraud" in called("models", *store).stdout
    assert "predictions" in called("status", *store).stdout
    assert "notice" in called("incidents", *store).stdout
    assert "amount" in called("explain", 1, *store).stdout
    assert "more: --offset" not in called("incidents", *store, "--limit", 50).stdout
    assert process("sql", "SELECT count(*) AS n FROM predictions", *store).stdout.split() == ["n", "1400"]
    assert called("sql", "SELECT count(*) AS n FROM predictions", "--csv", *store).stdout.split() == ["n", "1400"]
    assert json.loads(called("sql", "SELECT count(*) AS n FROM predictions", "--json", *store).stdout) == [{"n": 1400}]
    typed = called(
        "sql", "SELECT max(features.amount) > 5 AS big FROM predictions", "--model", "fraud", "--json", *store
    )
    assert json.loads(typed.stdout) == [{"big": True}]


WRONG = [
    (
        ("incidents", "--model", "fruad"),
        "no model 'fruad' is recorded. Did you mean 'fraud'? Known: fraud. Next: watchglass models",
    ),
    (("explain", "99"), "no incident '99' is recorded"),
    (("sql", "DROP TABLE runs"), "a question is exactly one SELECT; this is DROP"),
    (("sql", "SELECT 1", "--model", "frod"), "Did you mean 'fraud'?"),
    (("sql", "SELECT nonsense FROM predictions"), "nonsense"),
    (("replay", "nowhere.parquet"), "there is no file 'nowhere.parquet'"),
    (("replay", "{root}/fraud.parquet"), "model 'fraud' has 1400 predictions in this store"),
    (
        ("replay", "{root}/fraud.parquet", "--model", "m", "--time", "when"),
        "the time column 'when' is not in the table. Columns: time, amount",
    ),
    (
        ("replay", "{root}/fraud.parquet", "--model", "m", "--label-delay", "soon"),
        "label_delay 'soon' is not a length of time",
    ),
    (("nonsense",), "No such command 'nonsense'"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments)[:40] for arguments, _ in WRONG])
def test_wrong_use_is_one_sentence_and_exit_code_two(folder, arguments, said):
    filled = [part.format(root=folder) for part in arguments]
    done = called(*filled, *([] if filled[0] == "nonsense" else ["--store", folder / "store"]))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_is_not_there_or_cannot_be_made_is_told(tmp_path):
    done = called("models", "--store", tmp_path / "none")
    assert (done.returncode, "there is no store at" in done.stderr) == (2, True)
    (tmp_path / "file").write_text("x")
    table = tmp_path / "t.csv"
    table.write_text("time,a,prediction\n2026-01-01,1,1\n")
    done = process("replay", table, "--store", tmp_path / "file" / "store")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_prints_its_address_and_answers_until_stopped(folder):
    command = [sys.executable, "-c", "from watchglass.cli.main import main; main()", "serve", "--port", "0", "--json"]
    with subprocess.Popen([*command, "--store", str(folder / "store")], stdout=subprocess.PIPE, text=True) as serving:
        address = json.loads(serving.stdout.readline())["address"]
        for _ in range(100):
            try:
                found = httpx.get(f"{address}/api/v1/models", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        serving.terminate()
        assert serving.wait(20) in (0, -15)
    assert found.json()[0]["name"] == "fraud"


def test_check_fails_on_what_it_is_told_to(folder, tmp_path):
    store = tmp_path / "store"
    chance = np.random.default_rng(2)
    label = chance.integers(0, 2, 1500)
    wrong = np.where(np.arange(1500) >= 1200, chance.random(1500) < 0.5, False)
    table = pd.DataFrame(
        {"time": pd.date_range("2026-01-01", periods=1500, freq="48min"), "x": chance.normal(size=1500)}
    )
    table["prediction"], table["label"] = np.where(wrong, 1 - label, label), label
    table.to_csv(tmp_path / "m.csv", index=False)
    assert called("replay", tmp_path / "m.csv", "--store", store, "--reference", 30).returncode == 0
    assert process("check", "--store", store, "--fail-on", "page").returncode == 1
    assert called("check", "--store", store).returncode == 0
    assert called("check", "--store", folder / "store", "--fail-on", "page").returncode == 0


def test_the_store_is_found_by_the_environment(folder):
    done = process("status", "--json", WATCHGLASS_STORE=str(folder / "store"))
    assert json.loads(done.stdout)["predictions"] == 1400


def test_without_scikit_learn_the_demo_prints_the_pip_line(tmp_path):
    code = "import sys; sys.modules['sklearn'] = None; from watchglass.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "--dir", str(tmp_path / "d"), "--no-serve"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'watchglass[demo]'" in done.stderr


def test_recording_where_nothing_can_be_written_never_raises(tmp_path):
    (tmp_path / "file").write_text("x")
    wg.init(tmp_path / "file" / "store")
    assert wg.log_prediction("m", version="1", features={"a": 1}, prediction=1)
