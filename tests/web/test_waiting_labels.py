"""Labels that wait for their prediction, over HTTP, page by page."""

from __future__ import annotations

import httpx

from tests.store.bench import BEGIN, Bench, label, prediction
from tests.web.served import serving


def test_they_come_page_by_page_and_what_is_wrong_is_said(tmp_path):
    made = Bench(tmp_path / "store")
    made.model()
    told = (label(0, 1, id=f"never {number}", time=BEGIN + number) for number in range(3))
    made.write("rows", [prediction(1), label(1, 1), *told])
    made.close()
    with serving(tmp_path / "store") as served, httpx.Client(base_url=served.url, timeout=60) as client:
        place, seen = "/api/v1/models/digits/labels/waiting", []
        found = client.get(place, params={"limit": 2}).json()
        seen += found["labels"]
        assert (found["waiting"], found["unclear"], found["expired"]) == (3, 0, 0)
        assert found["oldest"].startswith("2026-06-01T00:00:00")
        following = client.get(place, params={"limit": 2, "after": found["next"]}).json()
        seen += following["labels"]
        assert [one["id"] for one in seen] == ["never 0", "never 1", "never 2"]
        assert following["next"] is None
        assert client.get(place, params={"after": "yesterday"}).status_code == 400
        assert client.get("/api/v1/models/nobody/labels/waiting").status_code == 404
        assert client.get("/api/v1/models/digits/labels").json()["model"] == "digits"
