"""Artifacts over HTTP: listed, told, their bytes given and taken in under their sum; and a process that records to a server keeps them there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import blake2b

import httpx
import pytest

import watchglass as wg
from tests.web.served import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("artifacts") / "store") as served:
        yield served


def put(server, data, name=None, **headers):
    name = name or f"{blake2b(data, digest_size=16).hexdigest()}.bin"
    return name, httpx.put(f"{server.url}/api/v1/artifacts/{name}", content=data, headers=headers, timeout=60)


def kept(server):
    return {path.name for path in (server.folder / "artifacts").glob("*/*")}


def test_bytes_are_taken_in_once_and_given_out(server):
    data = os.urandom(3_000_000)
    name, first = put(server, data)
    assert (first.status_code, first.json()) == (200, {"kept": name, "bytes": 3_000_000, "duplicate": False})
    assert put(server, data)[1].json()["duplicate"]
    assert name in kept(server)
    back = server.get(f"/api/v1/artifacts/{name}")
    assert back.content == data
    assert "immutable" in back.headers["cache-control"]
    assert "attachment" in back.headers["content-disposition"]
    path = server.folder / "artifacts" / name[:2] / name
    os.utime(path, (1, 1))
    assert httpx.head(f"{server.url}/api/v1/artifacts/{name}").status_code == 200
    assert path.stat().st_mtime > 1, "whoever asks is about to name them: no sweep may take them"


def test_bytes_that_come_in_pieces_without_a_length_are_taken_too(server):
    data = os.urandom(2_500_000)
    name = f"{blake2b(data, digest_size=16).hexdigest()}.npy"
    parts = (data[first : first + 100_000] for first in range(0, len(data), 100_000))
    assert httpx.put(f"{server.url}/api/v1/artifacts/{name}", content=parts, timeout=60).status_code == 200
    assert server.get(f"/api/v1/artifacts/{name}").content == data


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("0" * 32 + ".bin", 400, "the body has the sum"),
        ("..%2Fcatalog.db", 404, ""),
        ("catalog.db", 400, "cannot be named"),
        ("0" * 32, 400, "cannot be named"),
        ("0" * 32 + ".a/b", 404, ""),
        ("0" * 32 + ".%00", 400, "cannot be named"),
    ],
)
def test_what_is_not_its_name_is_refused_and_leaves_nothing(server, name, status, said):
    before = kept(server)
    _, answer = put(server, b"x", name)
    assert answer.status_code == status
    assert said in answer.text
    assert kept(server) == before
    assert not list((server.folder / "artifacts").glob(".*"))


def test_a_page_of_another_site_keeps_nothing(server):
    assert put(server, b"from elsewhere", origin="http://elsewhere.example")[1].status_code == 403


def test_bytes_that_are_not_there_are_said_so(server):
    answer = server.get("/api/v1/artifacts/" + "0" * 32 + ".bin")
    assert (answer.status_code, "no bytes named" in answer.json()["error"]) == (404, True)
    assert server.get("/api/v1/artifacts/catalog.db").status_code == 400


def test_a_store_that_is_full_takes_no_more(tmp_path):
    with serving(tmp_path / "store", WATCHGLASS_ARTIFACT_STORE_BYTES="1000") as served:
        assert put(served, b"a" * 600)[1].status_code == 200
        for _ in range(2):
            answer = put(served, b"b" * 600)[1]
            assert answer.status_code == 413
        assert put(served, b"a" * 600)[1].json()["duplicate"]


SCRIPT = """
import sys
import polars as pl
import watchglass as wg
wg.init(sys.argv[1])
with wg.run("train") as run:
    version = wg.save(pl.DataFrame({"a": [1, 2]}), "rows")
    run.write(list(range(3000)), "numbers", keep="sample")
    wg.save("x" * 2_000_000, "text")
with wg.run("score"):
    assert wg.flush(60)
    assert wg.load("rows").to_dict(as_series=False) == {"a": [1, 2]}
print(version)
"""

LATER = """
import sys
import watchglass as wg
wg.init(sys.argv[1])
print(wg.load("rows").to_dict(as_series=False), len(wg.load("text")))
try:
    wg.load("rosw")
except wg.WatchglassError as error:
    print(type(error).__name__, error)
"""


def run(server, script, tmp_path):
    env = {**os.environ, "WATCHGLASS_SPOOL": str(tmp_path), "WATCHGLASS_DELIVER_SECONDS": "60"}
    done = subprocess.run(
        [sys.executable, "-c", script, server.url], env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_kept_goes_to_the_server_and_comes_back_to_another_machine(server, tmp_path):
    version = run(server, SCRIPT, tmp_path / "one").strip()
    told = server.get("/api/v1/artifact?name=rows").json()
    assert (told["version"], told["policy"], told["rows"]) == (version, "full", 2)
    assert told["kept"] in kept(server), "flush waited for it"
    listed = server.get("/api/v1/artifacts?limit=2").json()
    assert len(listed["artifacts"]) == 2
    rest = httpx.get(f"{server.url}/api/v1/artifacts", params={"after": listed["next"]}).json()
    names = [one["name"] for one in listed["artifacts"] + rest["artifacts"]]
    assert sorted(names) == ["numbers", "rows", "text"]
    assert {one["kept"] for one in listed["artifacts"] + rest["artifacts"]} <= kept(server)
    assert not list((tmp_path / "one").glob("*/artifacts/??/*")), "the spool keeps nothing that the server has"
    said = run(server, LATER, tmp_path / "two").splitlines()
    assert said[0] == "{'a': [1, 2]} 2000000"
    assert said[1].startswith("UnknownName no artifact 'rosw' is recorded. Did you mean 'rows'")
    with wg.open(server.folder) as store:
        assert store.artifact("numbers").load() == list(range(0, 3000, 3))


def test_an_artifact_that_is_not_there_is_said_so(server):
    answer = server.get("/api/v1/artifact?name=nothing")
    assert (answer.status_code, "no artifact 'nothing'" in answer.json()["error"]) == (404, True)
    assert server.get("/api/v1/artifacts?kind=table").status_code == 400
    assert "artifact" in json.dumps(server.get("/api/v1/openapi.json").json()["paths"]["/api/v1/artifact"])
