"""The settings of running processes are read and replaced over HTTP, with an ETag, and never half."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.web.served import serving

RULES = {"enabled": True, "level": "info", "sampling": [{"model": "fraud*", "method": "head", "rate": 0.1}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("tuned") / "store") as served:
        yield served


def put(server, content, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.put(f"{server.url}/api/v1/settings", content=content, headers=named, timeout=30)


def test_settings_are_replaced_whole_and_known_by_their_etag(server):
    first = server.get("/api/v1/settings")
    told = put(server, json.dumps(RULES))
    assert (told.status_code, told.json()) == (200, RULES)
    read = server.get("/api/v1/settings")
    assert read.json() == RULES
    assert read.headers["ETag"] == told.headers["ETag"] != first.headers["ETag"]
    same = httpx.get(f"{server.url}/api/v1/settings", headers={"If-None-Match": read.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert json.loads((server.folder / "settings.json").read_text()) == RULES
    assert put(server, json.dumps({"enabled": False}), If_Match=first.headers["ETag"]).status_code == 412
    assert put(server, json.dumps({"enabled": False}), If_Match=read.headers["ETag"]).json() == {"enabled": False}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"enabled": "yes"}', "true or false would do"),
        ('{"loud": 1}', "'loud', which is not known"),
        ('{"sampling": [{"model": "x", "method": "guess"}]}', "guess"),
    ],
)
def test_settings_that_will_not_do_change_nothing(server, body, said):
    before = server.get("/api/v1/settings").json()
    told = put(server, body)
    assert (told.status_code, said in told.json()["error"]) == (400, True), told.text
    assert server.get("/api/v1/settings").json() == before


def test_a_page_of_another_site_cannot_change_them(server):
    assert put(server, "{}", Origin="https://elsewhere.example").status_code == 403
