"""Events sent over HTTP, from curl, from Node and from Python, are in the store once they are acknowledged."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess

import httpx
import pytest
import zstandard

from tests.web.served import serving
from watchglass.web.taking_docs import EXAMPLES


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served") / "store") as served:
        yield served


def lines(*events):
    return "".join(json.dumps(event) + "\n" for event in events)


def prediction(ident, **more):
    return {"kind": "prediction", "model": "fraud", "id": ident, "features": {"amount": 1.5}, **more}


def test_an_acknowledged_event_can_be_read_at_once(server):
    told = server.post(
        "events", lines(prediction("once", model="alone", prediction=1, score=0.5, version=3, tags={"country": "IT"}))
    )
    assert (told.status_code, told.json()) == (
        200,
        {"accepted": 1, "rejected": [], "rejected_count": 0, "duplicate": False},
    )
    row = server.rows("SELECT * FROM predictions WHERE id = 'once'")[0]
    assert (row["model"], row["version"], row["prediction"], row["score"]) == ("alone", "3", "1", 0.5)
    assert json.loads(row["features"]) == {"amount": 1.5}


def test_typed_routes_take_lines_an_array_and_one_object_over_several_lines(server):
    one = {"model": "m", "id": "a", "label": 1}
    assert server.post("labels", lines(one)).json()["accepted"] == 1
    assert server.post("labels", json.dumps([{**one, "id": "b"}, {**one, "id": "c"}])).json()["accepted"] == 2
    assert server.post("labels", json.dumps({**one, "id": "d"}, indent=2)).json()["accepted"] == 1
    assert [row["id"] for row in server.rows("SELECT id FROM labels WHERE model = 'm' ORDER BY id")] == list("abcd")


def test_a_typed_route_refuses_another_kind_and_says_where_it_goes(server):
    told = server.post("labels", lines({"kind": "metric", "name": "x", "value": 1})).json()
    assert told["rejected_count"] == 1
    assert "any kind goes to /api/v1/events" in told["rejected"][0]["reason"]


def test_runs_metrics_and_log_lines(server):
    run = {
        "component": "load",
        "started": "2026-03-01T03:00:00Z",
        "ended": "2026-03-01T03:00:12Z",
        "reads": ["raw.csv"],
    }
    told = server.post("runs", json.dumps({**run, "writes": [{"name": "rows", "version": "a1"}]})).json()
    ident = told["ids"][0]["id"]
    found = server.rows(f"SELECT component, status FROM runs WHERE id = '{ident}'")
    assert found == [{"component": "load", "status": "ok"}]
    assert server.rows(f"SELECT name, version FROM writes WHERE run = '{ident}'") == [{"name": "rows", "version": "a1"}]
    assert server.post("metrics", '{"name": "queue", "value": 3, "labels": {"host": "a"}}').json()["accepted"] == 1
    assert server.post("logs", '{"message": "slow", "level": "WARN"}').json()["accepted"] == 1
    assert server.rows("SELECT name, value FROM metrics WHERE name = 'queue'") == [{"name": "queue", "value": 3.0}]
    assert server.rows("SELECT level, message FROM logs WHERE message = 'slow'") == [
        {"level": "warning", "message": "slow"}
    ]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:])),
        ("zstd", lambda data: zstandard.compress(data[:100]) + zstandard.compress(data[100:])),
        ("identity", bytes),
    ],
)
def test_a_compressed_body_of_several_members(server, encoding, pack):
    body = lines(*(prediction(f"{encoding}-{number}") for number in range(3000))).encode()
    told = server.post("events", pack(body), Content_Encoding=encoding)
    assert told.json()["accepted"] == 3000
    assert server.rows(f"SELECT count(DISTINCT id) AS n FROM predictions WHERE starts_with(id, '{encoding}-')") == [
        {"n": 3000}
    ]


def test_what_is_missing_is_filled_in_and_told(server):
    told = server.post(
        "predictions", lines({"model": "fill"}, {"model": "fill", "id": "mine"}, {"model": "fill"})
    ).json()
    assert [given["line"] for given in told["ids"]] == [1, 3]
    rows = server.rows("SELECT id, time FROM predictions WHERE model = 'fill'")
    assert {row["id"] for row in rows} == {"mine", *(given["id"] for given in told["ids"])}
    assert all(row["time"].year >= 2026 for row in rows)


def test_columns_that_nobody_announced_are_typed(server):
    told = server.post("predictions", lines({"model": "typed", "features": {"n": 1, "late": None}, "tags": {"t": "x"}}))
    assert told.json()["accepted"] == 1
    server.post("predictions", lines({"model": "typed", "features": {"n": 2.5, "late": "now"}}))
    with_types = "SELECT features.n + 1 AS n, features.late AS late, tags.t AS t FROM predictions ORDER BY 1"
    import watchglass as wg

    with wg.open(server.folder) as store:
        assert store.sql(with_types, model="typed").rows() == [
            {"n": 2.0, "late": None, "t": "x"},
            {"n": 3.5, "late": "now", "t": None},
        ]


def test_curl_sends_lines_and_a_compressed_file(server, tmp_path):
    assert shutil.which("curl"), "apt-get install curl"
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(gzip.compress(lines(*(prediction(f"curl-{number}") for number in range(5))).encode()))
    url = f"{server.url}/api/v1/events"
    command = ["curl", "-sS", "--fail", "--data-binary", f"@{file}", "-H", "Content-Encoding: gzip", url]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["accepted"] == 5
    plain = subprocess.run(
        ["curl", "-sS", "--json", json.dumps(prediction("curl-plain")), url], capture_output=True, text=True, check=True
    )
    assert json.loads(plain.stdout)["accepted"] == 1
    assert server.rows("SELECT count(*) AS n FROM predictions WHERE starts_with(id, 'curl-')") == [{"n": 6}]


def test_node_sends_with_fetch(server):
    assert shutil.which("node"), "apt-get install nodejs"
    script = """
    const [url] = process.argv.slice(1);
    const events = [1, 2, 3].map(n => ({model: "fraud", id: `node-${n}`, features: {amount: n / 3}, time: Date.now() / 1000}));
    const answer = await fetch(`${url}/api/v1/predictions`, {method: "POST", body: JSON.stringify(events),
      headers: {"Content-Type": "application/json", "Idempotency-Key": "node-1"}});
    console.log(answer.status, JSON.stringify(await answer.json()));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script, server.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    status, _, told = done.stdout.partition(" ")
    assert (status, json.loads(told)["accepted"]) == ("200", 3)
    assert server.rows("SELECT count(*) AS n FROM predictions WHERE starts_with(id, 'node-')") == [{"n": 3}]


def test_the_routes_are_described_and_their_examples_work(server):
    described = server.get("/api/v1/openapi.json").json()
    paths = {path.removeprefix("/api/v1/") for path, found in described["paths"].items() if "post" in found}
    assert paths >= {*EXAMPLES, "frames"}
    for path in EXAMPLES:
        post = described["paths"][f"/api/v1/{path}"]["post"]
        content = post["requestBody"]["content"]["application/json"]
        told = server.post(path, json.dumps(content["example"]), Content_Type="application/json")
        assert told.status_code == 200, told.text
        assert (told.json()["accepted"], told.json()["rejected_count"]) == (1, 0)
        assert {"200", "400", "408", "413", "415", "503"} <= set(post["responses"])
        schema = post["responses"]["200"]["content"]["application/json"]["schema"]
        assert set(schema["required"]) <= set(told.json()) <= set(schema["properties"])
    health = described["paths"]["/api/v1/health"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(health["required"]) == set(server.get("/api/v1/health").json())


def test_health_says_when_something_was_written_last(server):
    server.post("logs", '{"message": "x"}')
    told = server.get("/api/v1/health").json()
    assert told["status"] == "up"
    assert told["store"] == str(server.folder)
    assert told["queue_bytes"] == 0
    assert told["last_commit"].startswith("20")
    assert told["failed"] == {}
    drops = {"kind": "drops", "writer": "h:1:a", "reasons": {"ENOSPC": 3}, "time": 1_772_323_200_000_000}
    assert server.post("events", lines(drops, {**drops, "writer": "h:2:b"})).json()["accepted"] == 2
    server.rows("SELECT 1")
    assert server.get("/api/v1/health").json()["dropped"] == {"ENOSPC": 6}
    assert told["maintenance"] is None


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"Content_Encoding": "br"}, 415, "identity, gzip, zstd would do"),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415, "cannot be a form"),
        ({"Idempotency_Key": "x" * 257}, 400, "1 to 256 printable"),
        ({"Origin": "https://elsewhere.example"}, 403, "may not record here"),
    ],
)
def test_headers_that_will_not_do_are_told(server, headers, status, said):
    told = server.post("events", lines(prediction("header")), **headers)
    assert (told.status_code, said in told.json()["error"]) == (status, True)
    assert server.rows("SELECT count(*) AS n FROM predictions WHERE id = 'header'") == [{"n": 0}]


def test_the_pages_of_the_server_itself_may_send(server):
    assert server.post("logs", '{"message": "own page"}', Origin=server.url).status_code == 200


def test_an_empty_body_is_nothing(server):
    assert server.post("events", "").json() == {"accepted": 0, "rejected": [], "rejected_count": 0, "duplicate": False}


def test_without_ingestion_there_is_no_such_address(tmp_path):
    with serving(tmp_path / "store", "--no-maintain") as served:
        assert served.post("logs", '{"message": "x"}').status_code == 200
    with serving(tmp_path / "store", "--no-ingest", "--no-maintain") as served:
        assert served.post("logs", '{"message": "x"}').status_code == 404
        assert served.get("/").status_code == 200


def test_many_clients_at_once_each_find_their_events(server):
    from concurrent.futures import ThreadPoolExecutor

    def client(number):
        with httpx.Client(base_url=server.url, timeout=60) as connection:
            for post in range(10):
                body = lines(*(prediction(f"many-{number}-{post}-{place}") for place in range(20)))
                assert connection.post("/api/v1/events", content=body).json()["accepted"] == 20

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    found = server.rows(
        "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions WHERE starts_with(id, 'many-')"
    )
    assert found == [{"n": 1600, "ids": 1600}]
