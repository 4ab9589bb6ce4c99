"""Chosen predictions are compared over HTTP: as records, as the report, and never with a file of the server."""

from __future__ import annotations

import json
import random

import pytest

from tests.web.served import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    draw = random.Random(0)
    with serving(tmp_path_factory.mktemp("compared") / "store") as served:
        rows = [
            {
                "model": "fraud",
                "id": f"{version}-{i}",
                "version": version,
                "features": {"age": draw.gauss(40 + 5 * (version == "2"), 5), "pen": draw.choice(["blue", "red"])},
                "prediction": draw.choice(["yes", "no"]),
            }
            for version in ("1", "2")
            for i in range(300)
        ]
        assert served.post("predictions", json.dumps(rows)).status_code < 300
        yield served


def test_two_versions_are_compared(server):
    found = server.get("/api/v1/compare?reference=model%3Dfraud,version%3D1&current=model%3Dfraud,version%3D2").json()
    assert {column["name"]: column["found"] for column in found["columns"]} == {
        "age": "moved",
        "pen": "steady",
        "prediction": "steady",
    }
    assert (found["rows_reference"], found["rows_current"]) == (300, 300)


def test_the_report_comes_as_a_file_to_keep(server):
    found = server.get("/api/v1/compare?reference=model%3Dfraud,version%3D1&current=model%3Dfraud,version%3D2&format=html")  # fmt: skip
    assert found.headers["content-disposition"] == 'attachment; filename="comparison.html"'
    assert "<svg" in found.text


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("reference=/etc/passwd&current=model%3Dfraud", 400),
        ("reference=model%3Dfraud&current=*.parquet", 400),
        ("reference=model%3Dfruad&current=model%3Dfraud", 404),
        ("reference=model%3Dfraud&current=model%3Dfraud&column=agee", 400),
        ("reference=model%3Dfraud", 422),
    ],
)
def test_what_is_not_a_choice_of_predictions_is_refused(server, asked, status):
    found = server.get(f"/api/v1/compare?{asked}")
    assert found.status_code == status
    assert "error" in found.json()
