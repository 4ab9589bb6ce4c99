"""Questions over HTTP: SELECTs page by page with limits of rows and time, a prediction, the newest rows, questions saved."""

from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from tests.store.bench import Bench, label, prediction
from tests.web.served import serving


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("asked") / "store"
    made = Bench(root)
    made.model()
    made.write("rows", [*(prediction(n) for n in range(25)), prediction(1, id="a/b c?d"), label(1, "1")])
    made.close()
    with serving(root) as served, httpx.Client(base_url=served.url, timeout=60) as speaking:
        yield speaking


def test_a_select_is_answered_page_by_page(client):
    seen, page = [], 1
    while page is not None:
        found = client.get("/api/v1/sql", params={"query": "SELECT id, time FROM predictions ORDER BY time, id", "limit": 10, "page": page}).json()  # fmt: skip
        seen.append([row["id"] for row in found["rows"]])
        page = found["next"]
    assert [len(ids) for ids in seen] == [10, 10, 6]
    assert len({ident for ids in seen for ident in ids}) == 26
    assert found["columns"] == ["id", "time"]
    assert found["rows"][-1] == {"id": "p24", "time": "2026-06-01T00:00:00.000024+00:00"}


def test_values_are_posted_and_features_come_as_objects(client):
    asked = {"query": "SELECT features FROM predictions WHERE id = $id", "values": {"id": "p3"}}
    assert client.post("/api/v1/sql", json=asked).json() == {"columns": ["features"], "rows": [{"features": {"ink": 0.3}}], "next": None}  # fmt: skip
    typed = {**asked, "model": "digits", "query": "SELECT features.ink AS ink FROM predictions WHERE id = $id"}
    assert client.post("/api/v1/sql", json=typed).json()["rows"] == [{"ink": 0.3}]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"query": "DROP TABLE runs"}, 400, "exactly one SELECT"),
        ({"query": "SELECT * FROM '/etc/passwd'"}, 400, "no view '/etc/passwd'"),
        ({"query": "SELECT $a"}, 400, "$a has no value"),
        ({"query": "SELECT 1", "model": "digitz"}, 404, "Did you mean 'digits'"),
        ({"query": "SELECT 1", "limit": 10_001}, 422, "limit"),
        ({"query": "SELECT 1", "seconds": 61}, 422, "seconds"),
        ({"query": "SELECT 1", "sql": "SELECT 2"}, 422, "sql"),
        ({"query": "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3", "seconds": 0.2}, 400, "was stopped"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(client, body, status, said):
    answer = client.post("/api/v1/sql", json=body)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text


def test_a_prediction_is_given_by_its_id_whatever_that_is(client):
    (one,) = client.get("/api/v1/predictions/p1").json()
    assert (one["model"], one["features"], one["label"], len(one["labels"])) == ("digits", {"ink": 0.1}, "1", 1)
    assert client.get(f"/api/v1/predictions/{quote('a/b c?d', safe='')}").json()[0]["id"] == "a/b c?d"
    assert client.get("/api/v1/predictions/none").json() == []
    assert client.get("/api/v1/predictions/p1?environment=shadow").json() == []
    assert client.get("/api/v1/predictions/p1?model=digitz").status_code == 404


def test_the_newest_rows_come_page_by_page(client):
    first = client.get("/api/v1/latest/predictions?limit=3").json()
    second = client.get("/api/v1/latest/predictions", params={"limit": 3, "before": first["next"]}).json()
    assert [row["id"] for page in (first, second) for row in page["rows"]] == [f"p{n}" for n in range(24, 18, -1)]
    assert client.get("/api/v1/latest/labels?limit=3").json()["next"] is None
    assert client.get("/api/v1/latest/nothing").status_code == 404
    assert client.get("/api/v1/latest/predictions?before=x").status_code == 400


def test_a_question_is_saved_asked_and_deleted_from_here_alone(client):
    kept = {"sql": "SELECT count(*) AS n FROM predictions WHERE id <= $id", "description": "some"}
    elsewhere = {"origin": "http://elsewhere"}
    assert client.put("/api/v1/questions/some", json=kept, headers=elsewhere).status_code == 403
    assert client.put("/api/v1/questions/some", json=kept).json() == {"name": "some", "parameters": ["id"]}
    assert client.get("/api/v1/questions/some?id=p1").json()["rows"] == [{"n": 3}]
    assert client.delete("/api/v1/questions/some", headers=elsewhere).status_code == 403
    assert client.delete("/api/v1/questions/some").json() == {"name": "some", "deleted": True}
    assert client.delete("/api/v1/questions/some").status_code == 404
    assert client.put("/api/v1/questions/some", json={"sql": "DROP TABLE runs"}).status_code == 400
