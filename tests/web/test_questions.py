"""The twenty questions and distributions over HTTP: the same answers as Python's, wrong parameters refused."""

from __future__ import annotations

import json

import pytest

from tests.web.served import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("asked") / "store") as served:
        rows = [
            {
                "model": "fraud",
                "id": f"p{i}",
                "version": "1",
                "features": {"age": i, "pen": "blue"},
                "prediction": 1,
                "latency": 0.5,
            }
            for i in range(9)
        ]
        assert served.post("predictions", json.dumps(rows)).status_code < 300
        labels = [{"model": "fraud", "id": f"p{i}", "label": i % 2} for i in range(9)]
        assert served.post("labels", json.dumps(labels)).status_code < 300
        yield served


def test_a_question_is_answered_with_its_columns(server):
    found = server.get("/api/v1/questions/confusion?model=fraud").json()
    assert found["columns"] == ["label", "prediction", "rows", "share"]
    assert [(row["label"], row["rows"]) for row in found["rows"]] == [("0", 5), ("1", 4)]
    traffic = server.get("/api/v1/questions/traffic?model=fraud&by=day").json()
    assert sum(row["rows"] for row in traffic["rows"]) == 9
    assert traffic["rows"][0]["window"].endswith("+00:00")


def test_an_answer_comes_page_by_page(server):
    first = server.get("/api/v1/questions/confusion?model=fraud&limit=1").json()
    second = server.get(f"/api/v1/questions/confusion?model=fraud&limit=1&after={first['next']}").json()
    assert ([row["label"] for row in (*first["rows"], *second["rows"])], second["next"]) == (["0", "1"], None)


def test_the_list_tells_parameters(server):
    found = server.get("/api/v1/questions").json()["rows"]
    assert len(found) == 20
    assert all(row["sentence"] and row["columns"] for row in found)


def test_distributions_come_as_records(server):
    found = server.get("/api/v1/models/fraud/distributions?column=age&source=rows&bins=4").json()
    assert [(each["column"], each["rows"], len(each["edges"])) for each in found] == [("age", 9, 5)]
    both = server.get("/api/v1/models/fraud/distributions?source=rows").json()
    assert [each["column"] for each in both] == ["age", "pen"]
    assert both[1]["values"] == [["blue", 9]]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("questions/confused?model=fraud", 404, "Did you mean 'confusion'"),
        ("questions/confusion", 400, "needs 'model'"),
        ("questions/confusion?model=frau", 404, "Did you mean 'fraud'"),
        ("questions/confusion?model=fraud&model=other", 400, "given twice"),
        ("questions/confusion?model=fraud&after=there", 400, "the `next` of a page of question 'confusion' would do"),
        ("questions/traffic?model=fraud&by=week", 400, "'hour' or 'day' would do"),
        ("models/fraud/distributions?column=agee", 404, "Did you mean 'age'"),
        ("models/fraud/distributions?start=soon", 400, "start cannot be 'soon'"),
        ("models/fraud/distributions?bins=0", 422, "bins"),
    ],
)
def test_a_wrong_parameter_says_which_would_do(server, path, status, said):
    found = server.get(f"/api/v1/{path}")
    assert (found.status_code, said in found.json()["error"]) == (status, True), found.text
