"""Rows are forgotten over HTTP while the server records on; what will not do is refused and changes nothing."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.web.served import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("forgotten") / "store") as served:
        rows = [{"model": "fraud", "id": f"p{i}", "features": {"age": i}, "prediction": 1} for i in range(9)]
        assert served.post("predictions", json.dumps(rows)).status_code < 300
        yield served


def forget(server, **body):
    return server.post("forget", json.dumps(body))


def count(server):
    return server.rows("SELECT count(*) AS n FROM predictions")[0]["n"]


def test_rows_go_and_the_audit_tells(server):
    before = count(server)
    dry = forget(server, prediction="p1", dry=True)
    assert (dry.status_code, dry.json()["predictions"], dry.json()["dry"]) == (200, 1, True)
    assert count(server) == before
    done = forget(server, prediction="p1", who="the officer")
    assert (done.status_code, done.json()["predictions"]) == (200, 1)
    assert count(server) == before - 1
    assert forget(server, where="features.age IN (2, 3)", model="fraud").json()["ids"] == 2
    page = server.get("/api/v1/audit?limit=1").json()
    assert [one["action"] for one in page["audits"]] == ["forget"]
    older = server.get(f"/api/v1/audit?after={page['next']}").json()
    assert older["audits"][-1]["who"] == "the officer"
    assert "p1" not in json.dumps(older)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("{", 400, "not JSON"),
        ("[]", 400, "not an object"),
        ("{}", 400, "given: nothing"),
        ('{"subject": "a", "where": "true"}', 400, "given: subject and where"),
        ('{"where": "true; DROP TABLE x", "model": "fraud"}', 400, "where cannot be"),
        ('{"where": "id IN (SELECT id FROM labels)", "model": "fraud"}', 400, "a question inside it"),
        ('{"where": "features.agee > 1", "model": "fraud"}', 400, "agee"),
        ('{"where": "true", "model": "frau"}', 404, "Did you mean 'fraud'"),
        ('{"subject": "a"}', 400, "declared as a subject"),
        ('{"prediction": 7}', 400, "texts under"),
        ('{"prediction": "p8", "dry": "no"}', 400, "true or false would do"),
        ('{"prediction": "p8", "sure": "yes"}', 400, "'sure' cannot be"),
    ],
)
def test_what_will_not_do_is_refused_and_changes_nothing(server, body, status, said):
    before = count(server)
    told = server.post("forget", body)
    assert (told.status_code, said in told.json()["error"]) == (status, True), told.text
    assert count(server) == before


def test_a_page_of_another_site_cannot_ask_it(server):
    assert server.post("forget", '{"prediction": "p8"}', Origin="https://elsewhere.example").status_code == 403
    assert httpx.get(f"{server.url}/api/v1/audit?limit=0").status_code == 422
