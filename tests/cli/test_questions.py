"""`watchglass ask` and `watchglass distribution` as a user calls them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

import watchglass as wg
from watchglass.capture import recorder
from watchglass.cli.main import commands
from watchglass.errors import BadInput, UnknownName


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("asked") / "store"
    wg.init(path)
    wg.log_model("fraud", version="1")
    for number in range(10):
        wg.log_prediction(
            "fraud", version="1", features={"amount": float(number)}, prediction=1, id=f"p{number}", latency=0.5
        )
        wg.log_label("fraud", f"p{number}", int(number > 2))
    recorder.close()
    with wg.open(path) as store:
        store.compact()
    return path


def run(folder, *words):
    return CliRunner().invoke(commands, [*words, "--store", str(folder)])


def told(folder, *words):
    found = json.loads(run(folder, *words, "--json").stdout)
    return found["rows"] if isinstance(found, dict) else found


def test_a_question_takes_its_parameters_as_options(folder):
    found = told(folder, "ask", "confusion", "--model", "fraud")
    assert [(row["label"], row["prediction"], row["rows"]) for row in found] == [("0", "1", 3), ("1", "1", 7)]
    assert told(folder, "ask", "confusion", "model=fraud", "--version=9") == []
    shown = run(folder, "ask", "accuracy_by_version", "--model", "fraud").output
    assert "0.7" in shown
    rows = list(
        csv.DictReader(io.StringIO(run(folder, "ask", "traffic", "--model", "fraud", "--by", "day", "--csv").stdout))
    )
    assert sum(int(row["rows"]) for row in rows) == 10


def test_an_answer_comes_page_by_page(folder):
    first = run(folder, "ask", "confusion", "--model", "fraud", "--limit", "1")
    after = first.stderr.removeprefix("more: --after ").strip()
    assert "0" in first.stdout
    second = run(folder, "ask", "confusion", "--model", "fraud", "--limit", "1", "--after", after, "--json")
    assert json.loads(second.stdout) == {
        "rows": [{"label": "1", "prediction": "1", "rows": 7, "share": 1.0}],
        "next": None,
    }
    assert json.loads(run(folder, "ask", "confusion", "--model", "fraud", "--limit=1", "--json").stdout)["next"]
    with pytest.raises(BadInput, match="the `next` of a page of question 'traffic' would do"):
        raise run(folder, "ask", "traffic", "--model", "fraud", "--after", after).exception


def test_the_list_tells_every_question(folder):
    found = told(folder, "ask", "--list")
    assert len(found) == 20
    assert told(folder, "ask") == found
    assert {"name": "who_read", "parameters": "name, version?, start=7d, end?, limit=100, after?"}.items() <= next(
        row for row in found if row["name"] == "who_read"
    ).items()


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("ask", "confusion"), BadInput, "needs 'model'"),
        (("ask", "confusion", "--model"), BadInput, "--model VALUE would do"),
        (("ask", "confusion", "fraud"), BadInput, "--fraud VALUE would do"),
        (("ask", "confused", "--model", "fraud"), UnknownName, "Did you mean 'confusion'"),
        (("distribution", "fraud", "amont"), UnknownName, "Did you mean 'amount'"),
    ],
)
def test_wrong_words_say_which_would_do(folder, words, error, said):
    found = run(folder, *words).exception
    assert isinstance(found, error)
    assert said in str(found)


def test_a_distribution_is_a_line_a_column_or_records(folder):
    (found,) = told(folder, "distribution", "fraud", "amount", "--bins", "4")
    assert (found["rows"], len(found["counts"]), sum(found["counts"])) == (10, 4, 10)
    assert told(folder, "distribution", "fraud", "--source", "rows", "--bins", "4") == [{**found, "source": "rows"}]
    assert "amount" in run(folder, "distribution", "fraud", "--by", "day").output
