"""`watchglass quarantined` and `release` as a user calls them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import watchglass as wg
from watchglass.capture import recorder
from watchglass.cli.main import commands


@pytest.fixture
def folder(tmp_path):
    wg.init(tmp_path / "store")

    @wg.component("clean", outputs=["rows"], after=[wg.check(lambda result: False, "quarantine", "never")])
    def clean(rows):
        return rows

    clean([1])
    clean([2])
    recorder.close()
    return tmp_path / "store"


def run(folder, *words):
    return CliRunner().invoke(commands, [*words, "--store", str(folder)], terminal_width=200)


def told(folder, *words):
    done = run(folder, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_it_is_listed_by_page_and_released(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    first = told(folder, "quarantined", "--limit", "1")
    (second,) = told(folder, "quarantined", "--limit", "1", "--after", first["next"])["quarantines"]
    assert "never: it returned False" in run(folder, "quarantined").output
    assert "--after" in run(folder, "quarantined", "--limit", "1").output
    (freed,) = told(folder, "release", f"rows@{second['version'][:6]}", "--reason", "looked at", "--who", "ana")
    assert (freed["version"], freed["released_by"], freed["reason"]) == (second["version"], "ana", "looked at")
    assert [one["version"] for one in told(folder, "quarantined")["quarantines"]] == [first["quarantines"][0]["version"]]  # fmt: skip
    assert "looked at" in run(folder, "quarantined", "--released").output
    assert "all of it" in run(folder, "release", "rows", "--reason", "all of it").output
    assert told(folder, "quarantined")["quarantines"] == []


def test_a_release_needs_a_reason(folder):
    done = run(folder, "release", "rows")
    assert (done.exit_code, "--reason" in done.output) == (2, True)
