"""`watchglass quality` says what a model's columns are, what changed and what did not fit, as Python and HTTP do."""

from __future__ import annotations

import json
import sys

import pytest

import watchglass as wg
from tests.cli.calling import called
from tests.web.served import serving
from watchglass.capture import recorder
from watchglass.cli.main import main
from watchglass.reading import create_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("quality") / "store"
    wg.init(store=root)
    wg.log_model(
        "a/b",
        version="1",
        schema={"amount": {"type": "number", "unit": "EUR"}, "who": {"type": "text", "purpose": "subject"}},
    )
    wg.log_prediction("a/b", version="1", features={"amount": 1.5, "who": "ann", "n": 1}, prediction=1, id="p1")
    for number in range(3):
        wg.log_prediction("a/b", features={"amount": "a lot", "who": number}, prediction=1, id=f"bad{number}")
    recorder.close()
    with wg.open(root) as store:
        assert store.compact().rejected == 3
    return root


def test_a_model_is_shown_with_its_columns_changes_and_reasons(folder):
    shown = called("quality", "a/b", "--store", folder, COLUMNS="200")
    assert shown.returncode == 0, shown.stderr
    for words in ("number, declared", "subject", "EUR", "integer", "new", "conflict", "3 rows in all"):
        assert words in shown.stdout, words
    found = json.loads(called("quality", "a/b", "--store", folder, "--json").stdout)
    by_name = {column["name"]: column for column in found["columns"]}
    assert by_name["amount"]["conflicts"] == 3
    assert (by_name["who"]["purpose"], by_name["amount"]["unit"], by_name["n"]["whole"]) == ("subject", "EUR", True)
    assert [change["change"] for change in reversed(found["changes"])] == ["conflict", "new", "new", "new"]
    assert found["rejected"] == [["feature 'amount' of model 'a/b': value is not a DOUBLE, kept as NULL", 3]]


def test_what_was_rejected_is_listed_a_page_at_a_time(folder):
    shown = called("quality", "--rejected", "--store", folder, "--limit", 2, COLUMNS="300")
    assert shown.stdout.count("value is not a DOUBLE") == 2
    after = shown.stdout.split("--after ")[1].split()[0]
    rest = json.loads(
        called("quality", "--rejected", "--store", folder, "--after", after, "--model", "a/b", "--json").stdout
    )
    (last,) = rest["rejections"]
    assert (last["model"], last["role"], last["name"], last["rows"]) == ("a/b", "feature", "amount", 1)
    assert json.loads(last["raw"])["features"]["amount"] == "a lot"
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("quality", "a/c"), "Did you mean 'a/b'?"),
        (("quality", "--rejected", "--model", "a/c"), "Did you mean 'a/b'?"),
        (("quality",), "name a model: watchglass quality MODEL"),
        (("quality", "a/b", "--model", "a/b"), "name a model"),
        (("quality", "a/b", "--limit", "0"), "1<=x<=1000"),
    ],
    ids=str,
)
def test_wrong_use_is_told(folder, arguments, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["watchglass", *arguments, "--store", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_the_same_is_told_over_http(folder):
    with serving(folder) as server, wg.open(folder) as store:
        schema = server.get("/api/v1/models/a/b/schema").json()
        assert schema == json.loads(called("quality", "a/b", "--store", folder, "--json").stdout)
        assert [column["name"] for column in schema["columns"]] == [one.name for one in store.schema("a/b").columns]
        first = server.get("/api/v1/rejected?model=a/b&limit=2").json()
        second = server.get(f"/api/v1/rejected?limit=2&after={first['next']}").json()
        assert [one["id"] for one in (*first["rejections"], *second["rejections"])] == [
            one.id for one in store.rejections().rejections
        ]
        told = [
            server.get(path)
            for path in ("/api/v1/models/a/c/schema", "/api/v1/rejected?model=x", "/api/v1/rejected?limit=0")
        ]
        assert [one.status_code for one in told] == [404, 404, 422]
        assert "Did you mean 'a/b'?" in told[0].json()["error"]
        body = {"kind": "model", "name": "sent", "schema": {"zip": {"type": "text", "unit": "code"}, "y": "nonsense"}}
        assert server.post("events", json.dumps(body)).json()["rejected_count"] == 1
        body["schema"].pop("y")
        assert server.post("events", json.dumps(body)).json()["accepted"] == 1
        row = {"kind": "prediction", "model": "sent", "id": "1", "features": {"zip": 1234}, "prediction": 1}
        assert server.post("events", json.dumps(row)).json()["accepted"] == 1
        (column,) = server.get("/api/v1/models/sent/schema").json()["columns"]
        assert (column["type"], column["unit"], column["declared"]) == ("text", "code", True)
        assert server.rows("SELECT features->>'zip' AS zip FROM predictions WHERE model = 'sent'") == [{"zip": "1234"}]


def test_a_column_says_what_is_done_to_it_before_it_is_written(tmp_path, monkeypatch):
    root = tmp_path / "store"
    rules = [
        {"model": "m*", "field": "features.ssn", "action": "drop"},
        {"field": "features.card", "action": "mask", "keep": 4},
        {"field": "features.card*", "action": "hash"},
        {"field": "id", "action": "hash"},
        {"model": "other", "field": "features.*", "action": "drop"},
        {"field": "params.*", "action": "drop"},
    ]
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", "a secret of more than sixteen characters")
    with create_store(root) as store:
        store.set("redaction", rules)
    wg.init(root)
    wg.log_prediction("m", features={"ssn": 5, "card": "4111", "n": 1}, prediction=1, id="p1")
    recorder.close()
    monkeypatch.delenv("WATCHGLASS_HASH_KEY")  # to say what the rules are needs no secret
    with wg.open(root) as store:
        store.compact()
        found = store.schema("m")
        done = {column.name: column.redaction for column in found.columns}
        assert done["n"] is None
        assert "ssn" not in done
        assert found.redaction == (
            ("features.ssn", "drop"),
            ("features.card", "mask"),
            ("features.card*", "hash"),
            ("id", "hash"),
        )
    assert done["card"] == "hash"
    shown = called("quality", "m", "--store", root, COLUMNS="200")
    assert "before it is written" in shown.stdout
    assert "features.ssn" in shown.stdout
