"""A table is downloaded over HTTP as one file and a file is taken in, and what was taken in is in the store when it is said to be."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3

import httpx
import polars as pl
import pytest

import watchglass as wg
from tests.web.served import serving

ROWS = "tx,at,p,amount,country\na,2026-06-01,1,1.5,IT\nb,2026-06-02,0,,FR\nc,2026-06-03,1,2.5,\n"
ROLES = "id=tx&time=at&prediction=p&tag=country&version=3"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("exchanged") / "store") as served:
        taken = served.post(f"import?name=rows.csv&model=fraud&{ROLES}", ROWS)
        assert taken.json() == {"source": "rows.csv", "files": 1, "rows": 3, "rejected": 0, "already": 0, "notes": []}
        yield served


def names(server):
    return sorted(path.name for path in (server.folder / "tmp").rglob("*"))


def test_what_is_acknowledged_is_in_the_store_and_the_same_file_again_changes_nothing(tmp_path):
    with serving(tmp_path / "store") as server:
        address = f"import?name=rows.csv&model=fraud&{ROLES}"
        assert server.post(address, ROWS).status_code == 200
        server.kill()
        with wg.open(tmp_path / "store") as store:
            rows = store.sql("SELECT id, version, features, tags FROM predictions ORDER BY id", "fraud").rows()
            assert [row["features"]["amount"] for row in rows] == [1.5, None, 2.5]
            assert store.audits().audits[0].record["source"] == "rows.csv"
    with serving(tmp_path / "store") as server:
        again = server.post(address, ROWS)
        assert (again.json()["rows"], again.json()["already"]) == (0, 1)
        assert names(server) == []


def test_labels_come_in_by_their_columns_and_bad_rows_are_counted(server):
    lines = '{"tx": "a", "truth": 1}\n{"tx": "b", "truth": 0}\n{"tx":\n{"tx": "c"}\n'
    taken = server.post("import?name=truth.jsonl&model=fraud&table=labels&id=tx&label=truth", lines)
    assert (taken.json()["rows"], taken.json()["rejected"]) == (2, 1)
    found = server.rows("SELECT id, label FROM labels ORDER BY id")
    assert found == [{"id": "a", "label": "1"}, {"id": "b", "label": "0"}]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_is_one_file_of_the_rows_that_are_chosen_and_leaves_nothing_behind(server, form):
    words = "model=fraud&start=2026-06-02&end=2026-06-03&environment=live"
    answer = server.get(f"/api/v1/export/predictions?format={form}&{words}")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["content-disposition"] == f'attachment; filename="predictions.{form}"'
    if form == "parquet":
        (row,) = pl.read_parquet(io.BytesIO(answer.content)).to_dicts()
        assert (row["id"], row["tags"]) == ("b", {"country": "FR"})
    elif form == "jsonl":
        row = json.loads(answer.text)
        assert (row["id"], row["time"], row["tags"]) == ("b", "2026-06-02T00:00:00Z", {"country": "FR"})
    else:
        (row,) = csv.DictReader(io.StringIO(answer.text))
        assert (row["id"], row["tags.country"], row["features.amount"]) == ("b", "FR", "")
    assert names(server) == []


def test_what_was_downloaded_can_be_taken_in_as_another_model(server):
    whole = server.get("/api/v1/export/predictions?format=csv&model=fraud").content
    words = "id=id&time=time&prediction=prediction&feature=features.amount&tag=tags.country"
    taken = server.post(f"import?name=predictions.csv&model=copy&{words}", whole)
    assert (taken.json()["rows"], taken.json()["rejected"]) == (3, 0)
    found = server.rows("SELECT id, epoch(time) AS t, prediction FROM predictions WHERE model = 'copy' ORDER BY id")
    assert found == server.rows(
        "SELECT id, epoch(time) AS t, prediction FROM predictions WHERE model = 'fraud' ORDER BY id"
    )


def test_rows_of_the_log_alone_and_tables_of_the_catalog_are_downloaded_and_one_without_rows_is_a_header(server):
    server.post("logs", json.dumps({"message": "fresh", "level": "error"}))
    assert json.loads(server.get("/api/v1/export/logs?format=jsonl").text)["message"] == "fresh"
    models = list(csv.DictReader(io.StringIO(server.get("/api/v1/export/models").text)))
    assert "fraud" in {row["name"] for row in models}
    assert server.get("/api/v1/export/metrics").text.startswith('"time",')
    assert pl.read_parquet(io.BytesIO(server.get("/api/v1/export/metrics?format=parquet").content)).height == 0


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("predictions", 400, "name one, model="),
        ("predictions?model=frau", 404, "Did you mean 'fraud'"),
        ("prediction?model=fraud", 400, "Did you mean 'predictions'"),
        ("predictions?model=fraud&format=delta", 422, "format"),
        ("predictions?model=fraud&start=2026-06-03&end=2026-06-01", 400, "swapped"),
    ],
)
def test_a_download_that_cannot_be_says_what_would_do(server, address, status, said):
    answer = server.get(f"/api/v1/export/{address}")
    assert (answer.status_code, said in answer.json()["error"]) == (status, True)


@pytest.mark.parametrize(
    ("query", "body", "headers", "status", "said"),
    [
        ("name=rows.csv&model=m", "", {}, 400, "is empty"),
        ("name=../rows.csv&model=m", ROWS, {}, 400, "without folders"),
        ("name=rows.exe&model=m", ROWS, {}, 400, "ends in .csv"),
        ("name=rows.csv&model=", ROWS, {}, 400, "name of a model"),
        ("name=rows.csv", ROWS, {}, 422, "model"),
        ("name=rows.csv&model=m&table=runs", ROWS, {}, 422, "table"),
        ("name=rows.csv&model=m&time=att", ROWS, {}, 400, "Did you mean 'at'"),
        ("name=rows.parquet&model=m&time=at", ROWS, {}, 400, "file 'rows.parquet' cannot be read"),
        (
            "name=rows.csv&model=m",
            gzip.compress(ROWS.encode(), mtime=0),
            {"content_encoding": "gzip"},
            415,
            "Content-Encoding",
        ),
        ("name=rows.csv&model=m", ROWS, {"origin": "http://elsewhere"}, 403, "another"),
    ],
)
def test_an_import_that_cannot_be_says_why_and_leaves_nothing(server, query, body, headers, status, said):
    before = server.rows("SELECT count(*) AS n FROM predictions")
    answer = server.post(f"import?{query}", body, **headers)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"] or status == 403
    assert server.rows("SELECT count(*) AS n FROM predictions") == before
    assert names(server) == []


def test_a_file_that_is_too_large_or_does_not_come_is_refused(tmp_path):
    limits = {"WATCHGLASS_INGEST_FRAME_BYTES": "1000", "WATCHGLASS_INGEST_PAUSE_SECONDS": "0.3"}
    with serving(tmp_path / "store", **limits) as server:
        answer = server.post("import?name=rows.csv&model=m&time=at", ROWS + "x" * 2000)
        assert answer.status_code == 413

        def parts():  # of no announced length
            for _ in range(5):
                yield b"x" * 500

        assert server.post("import?name=rows.csv&model=m&time=at", parts()).status_code == 413
        import socket

        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
            slow.sendall(b"POST /api/v1/import?name=a.csv&model=m HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nid")
            assert b" 408 " in slow.recv(100)
        assert names(server) == []


def test_a_server_that_takes_nothing_in_gives_downloads_alone(server, tmp_path):
    with serving(server.folder, "--no-ingest", "--no-maintain") as reading:
        assert reading.get("/api/v1/export/predictions?model=fraud").status_code == 200
        assert reading.post("import?name=rows.csv&model=m", ROWS).status_code in (404, 405)


def test_the_routes_are_described(server):
    told = httpx.get(f"{server.url}/api/v1/openapi.json", timeout=60).json()["paths"]
    assert {"200", "400", "404"} <= set(told["/api/v1/export/{table}"]["get"]["responses"])
    assert {"200", "400", "403", "408", "413", "415", "503"} <= set(told["/api/v1/import"]["post"]["responses"])


def test_rules_of_redaction_hold_for_what_is_sent(tmp_path):
    with serving(tmp_path / "store") as server:
        rule = {"redaction": [{"field": "features.amount", "action": "drop"}]}
        assert httpx.put(f"{server.url}/api/v1/settings", json=rule, timeout=60).status_code == 200
        assert server.post(f"import?name=rows.csv&model=fraud&{ROLES}", ROWS).json()["rows"] == 3
        assert server.rows("SELECT features FROM predictions LIMIT 1") == [{"features": None}]
        with sqlite3.connect(tmp_path / "store" / "catalog.db") as catalog:
            assert catalog.execute("SELECT name FROM columns WHERE role = 'feature'").fetchall() == []
        catalog.close()
