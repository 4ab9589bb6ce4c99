"""`watchglass forget` and `watchglass audit` as a user calls them: what they ask, what they print, their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import watchglass as wg
from tests.cli.calling import called
from watchglass.capture import recorder


@pytest.fixture
def folder(tmp_path):
    wg.init(tmp_path / "store")
    wg.log_model("m", version="1", schema={"who": {"type": "text", "purpose": "subject"}})
    for number in range(6):
        wg.log_prediction("m", features={"who": "ana" if number % 2 else "bo"}, prediction=1, id=f"p{number}")
        wg.log_label("m", f"p{number}", 1)
    recorder.close()
    return tmp_path / "store"


def run(folder, *words, says=""):
    return called(*words, "--store", folder, says=says)


def process(folder, *words, says):
    command = [sys.executable, "-c", "from watchglass.cli.main import main; main()", *words, "--store", str(folder)]
    return subprocess.run(command, input=says, capture_output=True, text=True, timeout=120, check=False)


def test_it_asks_first_and_a_no_changes_nothing(folder):
    done = process(folder, "forget", "--subject", "ana", says="n\n")
    assert done.returncode == 130
    assert "3 predictions, 3 labels" in done.stderr
    assert run(folder, "forget", "--subject", "ana").returncode == 130  # nobody answers
    with wg.open(folder) as store:
        assert len(store.sql("SELECT id FROM predictions").rows()) == 6


def test_a_yes_removes_and_the_audit_lists_it(folder):
    done = run(folder, "forget", "--subject", "ana", "--who", "the officer", says="y\n")
    assert (done.returncode, "3 predictions, 3 labels" in done.stdout) == (0, True), done.stderr
    told = json.loads(run(folder, "forget", "--where", "id = 'p0'", "--model", "m", "--yes", "--json").stdout)
    assert (told["predictions"], told["audit"], told["dry"]) == (1, 2, False)
    page = json.loads(run(folder, "audit", "--limit", "1", "--json").stdout)
    assert ([one["id"] for one in page["audits"]], page["next"]) == ([2], 2)
    shown = run(folder, "audit").stdout
    assert "the officer" in shown
    assert "ana" not in shown.replace("officer", "")


def test_what_else_went_and_what_stays_is_said(folder):
    wg.init(folder)
    wg.log_metric("spend", 3, labels={"who": "customer-ana"})
    with wg.run("of customer-ana", params={"who": "customer-ana"}):
        wg.log_prediction("m", features={"who": "customer-ana"}, prediction=1, id="p9")
    recorder.close()
    dry = run(folder, "forget", "--subject", "customer-ana", "--dry-run").stdout
    assert "With them would go what speaks of them: 1 metric point" in dry
    said = run(folder, "forget", "--subject", "customer-ana", "--yes").stdout
    assert "(forgotten) stands in their place in " in said
    assert "runs.params (1 row)" in said
    assert (
        "Named still, as things are found by it or it may mean another: components.name (1 row), runs.component (1 row)"
        in said
    )


def test_a_condition_that_will_not_do_is_one_sentence_and_exit_code_2(folder):
    done = run(folder, "forget", "--where", "1; 2", "--model", "m", "--yes")
    assert done.returncode == 2
    assert done.stderr.startswith("watchglass: where cannot be '1; 2'")
    dry = run(folder, "forget", "--subject", "bo", "--dry-run")
    assert "3 predictions, 3 labels and 0 events of feedback of 3 ids would go" in dry.stdout
