"""What capture says around a run → in the catalog and the views, whole."""

from __future__ import annotations

import json

import pytest

import watchglass as wg
from watchglass.capture import recorder
from watchglass.errors import Blocked


@pytest.fixture
def store(tmp_path):
    wg.init(tmp_path / "store")

    @wg.component(
        "score",
        owner="ana",
        outputs=["scores"],
        output_vars={"kept": "kept rows"},
        after=[wg.check(lambda result: min(result) >= 0, "block", "sign")],
        budget=(None, 100),
    )
    def score(rows):
        kept = "x" * 1000  # noqa: F841 - read at return
        return rows

    score([1])
    with pytest.raises(Blocked):
        score([-1])
    with wg.run("served", traceparent=f"00-{'a' * 32}-{'b' * 16}-01"):
        pass
    recorder.close()
    with wg.open(tmp_path / "store") as opened:
        yield opened


def one(store, query):
    (row,) = store.sql(query).rows()
    return row


def test_a_run_has_all_that_stood_around_it(store):
    row = one(store, "select * from runs where component = 'score' and status = 'ok'")
    assert json.loads(row["resources"])["cpu_seconds"] >= 0
    assert json.loads(row["left_out"]) == [
        "the version of 'kept rows': 1000 bytes, 100 of 100 are left (setting capture_bytes)"
    ]
    assert json.loads(row["tests"]) == [{"name": "sign", "when": "after", "level": "block", "ok": True}]
    assert json.loads(row["code"])["function"].endswith("score")
    assert row["environment"]


def test_a_blocked_run_is_an_error_and_what_it_wrote_is_in_quarantine(store):
    row = one(store, "select * from runs where status = 'error'")
    assert row["error"].startswith("Blocked: test 'sign' after component 'score' failed")
    assert json.loads(row["tests"])[0]["ok"] is False
    found = store.sql("select version, quarantined from artifacts where name = 'scores'").rows()
    assert sorted(entry["quarantined"] is not None for entry in found) == [False, True]


def test_a_trace_that_came_in_is_the_runs(store):
    row = one(store, "select * from runs where component = 'served'")
    assert row["trace"] == "a" * 32


def test_nothing_of_it_is_put_aside(store):
    assert store.rejections().rejections == ()


def test_the_doctor_finds_nothing_wrong_with_a_store_that_has_marks_of_quarantine(store, tmp_path):
    from click.testing import CliRunner

    from watchglass.cli.main import commands

    assert list((tmp_path / "store" / "quarantine").iterdir())
    done = CliRunner().invoke(commands, ["doctor", "--store", str(tmp_path / "store")])
    assert done.exit_code == 0, done.output
