"""`watchglass drift` compares two tables without a store: a sentence, a table, JSON, a report, an exit code for CI."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import watchglass as wg
from tests.cli.calling import called


def told(*words):
    done = called(*words)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, shift in (("june", 0.0), ("july", 1.0)):
        frame = {"age": rng.normal(40 + shift, 1, 500), "income": rng.normal(size=500), "gone" if name == "june" else "came": [1] * 500}  # fmt: skip
        pl.DataFrame(frame).write_csv(f"{name}.csv")
    return tmp_path


def test_what_moved_is_told_with_the_effect_first(files):
    code, said, _ = told("drift", "--reference", "june.csv", "--current", "july.csv")
    assert code == 0
    assert said.startswith("1 of 2 columns moved by more than sampling: age. gone is gone. came is new.")
    assert "moved up by" in " ".join(said.split())
    assert "500 and 500 rows." in said
    assert not (files / "watchglass-data").exists(), "no store is made"


def test_json_is_pythons_answer(files):
    code, said, _ = told("drift", "--reference", "june.csv", "--current", "july.csv", "--json")
    read, found = json.loads(said), wg.compare("june.csv", "july.csv")
    assert code == 0
    assert read["sentence"] == found.sentence
    assert [(each["name"], each["found"], each["effect"]) for each in read["columns"]] == [
        (column.name, column.found, column.effect) for column in found.columns
    ]


@pytest.mark.parametrize(("most", "code"), [(2, 1), (3, 0)])
def test_a_number_of_columns_fails_the_check(files, most, code):
    asked = ("drift", "--reference", "june.csv", "--current", "july.csv", "--fail-on", str(most))
    assert called(*asked).returncode == code


def test_the_report_is_written_where_it_is_asked_for(files):
    asked = ("drift", "--reference", "june.csv", "--current", "july.csv", "--column", "age", "--html", "drift.html")
    code, said, _ = told(*asked)
    assert code == 0
    assert "report: drift.html" in said
    assert "<svg" in (files / "drift.html").read_text()


def test_a_file_that_is_not_there_is_wrong_use(files):
    code, _, wrong = told("drift", "--reference", "jun.csv", "--current", "july.csv")
    assert code == 2
    assert "Did you mean 'june.csv'?" in wrong
