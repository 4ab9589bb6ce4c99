"""`watchglass artifacts` as a user calls it: what it prints, page after page, and one artifact told."""

from __future__ import annotations

import json

import polars as pl
import pytest
from click.testing import CliRunner

import watchglass as wg
from watchglass.capture import recorder
from watchglass.cli.artifacts import show_artifact
from watchglass.cli.main import commands


@pytest.fixture
def folder(tmp_path):
    wg.init(tmp_path / "store")
    with wg.run("load") as run:
        run.write(pl.DataFrame({"amount": [1, 2]}), "rows", keep="full")
        run.write([1], "numbers")
        run.write([2], "numbers")
    recorder.close()
    return tmp_path / "store"


def run(folder, *words):
    done = CliRunner().invoke(commands, ["artifacts", *words, "--store", str(folder)])
    assert done.exit_code == 0, done.output
    return done.output


def test_versions_are_listed_newest_first(folder):
    lines = run(folder).splitlines()
    assert [line.split()[0] for line in lines] == ["name", "numbers", "numbers", "rows"]
    assert "full" in lines[3]
    assert [line.split()[0] for line in run(folder, "rows").splitlines()[1:]] == ["rows"]


def test_json_has_the_records_names_and_pages(folder):
    page = json.loads(run(folder, "--json", "--limit", "2"))
    assert [one["name"] for one in page["artifacts"]] == ["numbers", "numbers"]
    rest = json.loads(run(folder, "--json", "--after", page["next"]))
    assert ([one["name"] for one in rest["artifacts"]], rest["next"]) == (["rows"], None)
    assert "there are more: --after" in run(folder, "--limit", "2")


def test_one_artifact_is_told(folder, capsys):
    with wg.open(folder) as store:
        show_artifact(store, "rows")
        told = capsys.readouterr().out
        assert "amount" in told
        assert '"mean": 1.5' in told
        show_artifact(store, "rows", as_json=True)
        assert json.loads(capsys.readouterr().out)["policy"] == "full"
