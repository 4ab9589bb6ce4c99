"""Quarantine over HTTP: what a process elsewhere marked is listed by page and released, and who is asked says so."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

import watchglass as wg
from tests.web.served import serving

MARKED = [
    {"kind": "run", "id": f"r{n}", "component": "clean", "started": 10 + n, "ended": 20 + n,
     "tests": [{"name": "enough", "when": "after", "level": "quarantine", "ok": False, "message": "too few rows"}],
     "writes": [{"name": "rows", "version": f"version-{n}", "artifact": {"kind": "text", "quarantined": 20 + n}}]}
    for n in range(3)
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("quarantine") / "store") as served:
        sent = served.post("events", "\n".join(map(json.dumps, MARKED)))
        assert sent.status_code < 300, sent.text
        yield served


def post(server, body, **headers):
    return server.post("releases", json.dumps(body), content_type="application/json", **headers)


def test_it_is_listed_by_page_and_released(server):
    first = server.get("/api/v1/quarantined?limit=2").json()
    rest = server.get(f"/api/v1/quarantined?limit=2&after={quote(first['next'])}").json()
    found = [(one["version"], one["why"]) for one in (*first["quarantines"], *rest["quarantines"])]
    assert found == [(f"version-{n}", ["enough: too few rows"]) for n in (2, 1, 0)]
    assert rest["next"] is None
    freed = post(server, {"artifact": "rows@version-1", "reason": "looked at", "who": "ana"})
    assert (freed.status_code, [one["released_by"] for one in freed.json()]) == (200, ["ana"])
    assert len(server.get("/api/v1/quarantined").json()["quarantines"]) == 2
    told = server.get("/api/v1/quarantined?released=true").json()["quarantines"]
    assert [(one["version"], one["reason"]) for one in told if one["released"]] == [("version-1", "looked at")]
    (audit,) = server.get("/api/v1/audit?action=release").json()["audits"]
    assert (audit["who"], audit["record"]["version"]) == ("ana", "version-1")
    with wg.open(server.folder) as store:
        assert store.artifact("rows", "version-1").quarantined is None


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"artifact": "rows", "reason": "fine"}, 400, "several versions"),
        ({"artifact": "rows@none", "reason": "fine"}, 404, "in quarantine"),
        ({"artifact": "rows@version-0", "reason": ""}, 400, "reason cannot be"),
        ({"artifact": "rows@version-0"}, 422, "reason"),
    ],
)
def test_what_would_not_do_is_told(server, body, status, says):
    told = post(server, body)
    assert told.status_code == status
    assert says in told.text


def test_a_page_of_another_origin_releases_nothing(server):
    told = post(server, {"artifact": "rows@version-0", "reason": "fine"}, Origin="http://elsewhere.example")
    assert told.status_code == 403
    assert "version-0" in server.get("/api/v1/quarantined").text
