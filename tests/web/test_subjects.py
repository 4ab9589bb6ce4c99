"""Whose data is where, over HTTP: events of other languages say it, the API follows and retracts it."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.web.served import serving

EVENTS = [
    {"kind": "run", "id": "r1", "component": "clean", "reads": [{"name": "rows", "version": "1"}], "writes": [{"name": "good", "version": "1"}]},
    {"kind": "subject_tag", "name": "rows", "version": "1", "tag": "client-17"},
    {"kind": "subject_tag", "name": "sums", "tag": ""},
    {"kind": "run", "id": "r0", "component": "ingest", "writes": [{"name": "aside", "version": "1"}]},
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("subjects") / "store") as served:
        body = "\n".join(map(json.dumps, EVENTS))
        sent = served.post("events", body)
        assert sent.status_code < 300, sent.text
        yield served


def post(server, path, body, **headers):
    return server.post(path, json.dumps(body), content_type="application/json", **headers)


def test_it_is_followed(server):
    found = server.get("/api/v1/subjects/client-17").json()
    assert [(one["depth"], one["name"], one["said"]) for one in found["artifacts"]] == [(0, "rows", True), (1, "good", False)]  # fmt: skip
    assert [one["run"] for one in found["runs"]] == ["r1"]
    page = server.get("/api/v1/subjects/client-17?limit=1").json()
    rest = server.get(f"/api/v1/subjects/client-17?after={quote(page['next'])}").json()
    assert (len(page["artifacts"]), len(rest["artifacts"]), len(rest["runs"])) == (1, 1, 1)
    assert server.get("/api/v1/subjects").json()["subjects"][0]["tag"] == "client-17"


def test_it_is_said_and_retracted(server):
    said = post(server, "subjects", {"name": "aside", "subjects": ["zoe"]})
    assert (said.status_code, said.json()["version"], said.json()["tags"]) == (200, "1", ["zoe"])
    taken = post(server, "retractions", {"tag": "zoe", "who": "ana", "grace": None})
    assert (taken.status_code, taken.json()["versions"], taken.json()["block_after"]) == (200, 1, None)
    assert [one["tag"] for one in server.get("/api/v1/retractions").json()["retractions"]] == ["zoe"]
    server.post("events", json.dumps({"kind": "run", "id": "r2", "component": "look", "reads": [{"name": "aside", "version": "1"}]}))  # fmt: skip
    used = server.get("/api/v1/retractions/uses?tag=zoe").json()["uses"]
    assert [(one["run"], one["name"], one["blocked"]) for one in used] == [("r2", "aside", False)]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("subjects", {"name": "nothing", "subjects": ["a"]}, 404, "no artifact"),
        ("subjects", {"name": "good", "subjects": [""]}, 400, "cannot have the tag"),
        ("subjects", {"name": "good"}, 422, "subjects"),
        ("retractions", {"tag": ""}, 400, "cannot have the tag"),
        ("retractions", {"tag": "a", "grace": "soon"}, 400, "grace cannot be"),
        ("retractions", {"tag": "a", "more": 1}, 422, "more"),
    ],
)
def test_what_will_not_do_is_refused(server, path, body, status, says):
    answer = post(server, path, body)
    assert answer.status_code == status, answer.text
    assert says in answer.text


@pytest.mark.parametrize("path", ["subjects/nobody", "retractions/uses?tag=nobody"])
def test_what_is_not_recorded_is_not_found(server, path):
    assert server.get(f"/api/v1/{path}").status_code == 404


def test_a_page_of_another_site_may_not_say_it(server):
    answer = post(server, "retractions", {"tag": "zoe"}, origin="https://elsewhere.example")
    assert answer.status_code == 403
