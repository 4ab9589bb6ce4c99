"""A frame sent as a line of JSON and a Parquet file is a segment of its own name: whole, once, or refused with the reason."""

from __future__ import annotations

import json
import sqlite3

import polars as pl
import pytest

import watchglass as wg
from tests.web.served import serving, until

SIDECAR = {
    "kind": "predictions",
    "model": "framed",
    "version": "3",
    "environment": "live",
    "columns": {"id": "tx", "time": "at", "prediction": "p", "score": "s"},
    "features": ["amount", "country"],
    "tags": ["channel"],
    "types": {"amount": "number", "country": "text"},
    "time_type": "epoch_s",
}


def frame(rows=100, start=0):
    return pl.DataFrame(
        {
            "tx": [f"tx-{n}" for n in range(start, start + rows)],
            "at": [1_772_323_200 + n for n in range(rows)],
            "p": [n % 2 for n in range(rows)],
            "s": [n / rows for n in range(rows)],
            "amount": [float(n) for n in range(rows)],
            "country": ["IT"] * rows,
            "channel": ["web"] * rows,
        }
    )


def packed(table, tmp_path, **changed):
    path = tmp_path / "frame.parquet"
    table.write_parquet(path)
    return json.dumps({**SIDECAR, **changed}).encode() + b"\n" + path.read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("frames") / "store", WATCHGLASS_INGEST_FRAME_BYTES="2000000") as served:
        yield served


def send(server, name, content, **headers):
    return server.post(f"frames?name={name}", content, **headers)


def stored(server, model):
    return server.rows(f"SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions WHERE model = '{model}'")[0]


def test_a_frame_is_there_once_whatever_its_name_was_sent_before_and_compacted(server, tmp_path):
    body = packed(frame(), tmp_path, model="once")
    first = send(server, "0190f3a2b1c4-once", body)
    assert (first.status_code, first.json()) == (
        200,
        {"accepted": 100, "rejected": [], "rejected_count": 0, "duplicate": False},
    )
    assert send(server, "0190f3a2b1c4-once.parquet", body).json()["duplicate"] is True
    assert stored(server, "once") == {"n": 100, "ids": 100}
    with wg.open(server.folder) as store:
        assert store.compact().rows >= 100
        typed = store.sql(
            "SELECT features.amount AS a, features.country AS c, tags.channel AS t FROM predictions WHERE id = 'tx-7'",
            model="once",
        )
        assert typed.rows() == [{"a": 7.0, "c": "IT", "t": "web"}]
    assert send(server, "0190f3a2b1c4-once", body).json()["duplicate"] is True
    assert stored(server, "once") == {"n": 100, "ids": 100}
    assert not list(server.folder.glob("log/rows/*.tmp"))


def test_labels_are_a_frame_too(server, tmp_path):
    table = pl.DataFrame({"tx": ["a", "b"], "at": [1_772_323_200, 1_772_323_201], "y": [1, 0]})
    sidecar = {"kind": "labels", "columns": {"id": "tx", "label": "y", "time": "at"}, "features": None, "tags": None}
    body = packed(table, tmp_path, model="labelled", **sidecar)
    assert send(server, "0190f3a2b1c4-labels", body).json()["accepted"] == 2
    assert server.rows("SELECT id, label FROM labels WHERE model = 'labelled' ORDER BY id") == [
        {"id": "a", "label": "1"},
        {"id": "b", "label": "0"},
    ]


def test_what_a_recorder_writes_is_taken_as_it_is(server, tmp_path):
    wg.init(tmp_path / "own")
    wg.log_predictions(
        "recorded", frame().with_columns(pl.col("at") * 1.0), prediction="p", id="tx", time="at", tags=["channel"]
    )
    path = next((tmp_path / "own" / "log" / "rows").glob("*.parquet"))
    sidecar = path.with_name(path.name + ".json").read_bytes().strip()
    told = send(server, path.name, sidecar + b"\n" + path.read_bytes(), Idempotency_Key=path.name)
    assert told.json()["accepted"] == 100, told.text
    assert stored(server, "recorded") == {"n": 100, "ids": 100}


def broken(tmp_path):
    whole = packed(frame(), tmp_path)
    first, _, parquet = whole.partition(b"\n")
    middle = len(parquet) - 200
    return {
        "nothing": (b"", "the first line is not there"),
        "no sidecar": (parquet, "the first line"),
        "a list": (b"[]\n" + parquet, "not an object"),
        "no Parquet": (first + b"\nhello", "not a whole Parquet file"),
        "cut off": (whole[:-10], "not a whole Parquet file"),
        "a footer of noise": (first + b"\n" + parquet[:middle] + b"\xff" * 190 + parquet[-10:], "cannot be read"),
        "a column that is not there": (
            packed(frame(), tmp_path, features=["amount", "nothing"]),
            "has no column 'nothing'",
        ),
        "no model": (packed(frame(), tmp_path, model=""), "model in the first line cannot be ''"),
        "another kind": (packed(frame(), tmp_path, kind="tables"), "kind in the first line cannot be 'tables'"),
        "no time": (packed(frame(), tmp_path, columns={"id": "tx", "prediction": "p"}), "columns.time"),
        "a type that is none": (packed(frame(), tmp_path, types={"amount": "huge"}), "types in the first line"),
        "a time type that is none": (packed(frame(), tmp_path, time_type="sundial"), "time_type"),
        "features that are a text": (packed(frame(), tmp_path, features="amount"), "features in the first line"),
    }


def test_frames_that_will_not_do_are_refused_and_leave_nothing(server, tmp_path):
    before = sorted(path.name for path in (server.folder / "log" / "rows").iterdir())
    for name, (body, said) in broken(tmp_path).items():
        told = send(server, "0190f3a2b1c4-broken", body)
        assert (told.status_code, said in told.json()["error"]) == (400, True), (name, told.text)
    assert sorted(path.name for path in (server.folder / "log" / "rows").iterdir()) == before


@pytest.mark.parametrize(
    "name", ["short", "../../etc/passwd", "a" * 300, ".hidden-name", "with%20blank-name", "name-of%00zero"]
)
def test_a_name_that_is_no_segments_is_refused(server, tmp_path, name):
    told = send(server, name, packed(frame(), tmp_path))
    assert (told.status_code, "name cannot be" in told.json()["error"]) == (400, True)


def test_a_frame_that_is_too_large_or_compressed_is_refused(server, tmp_path):
    large = send(server, "0190f3a2b1c4-large", b"{}\n" + b"x" * 2_100_000)
    assert (large.status_code, "send it in parts" in large.json()["error"]) == (413, True)
    packed_again = send(server, "0190f3a2b1c4-packed", packed(frame(), tmp_path), Content_Encoding="gzip")
    assert (packed_again.status_code, "Parquet is compressed itself" in packed_again.json()["error"]) == (415, True)
    assert send(server, "", b"").status_code == 400
    assert server.post("frames", b"").status_code == 422


def test_two_of_one_name_at_once_are_one(server, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    body = packed(frame(5000), tmp_path, model="both")
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda _: send(server, "0190f3a2b1c4-both", body), range(6)))
    assert {one.status_code for one in told} <= {200, 503}
    taken = [one.json()["duplicate"] for one in told if one.status_code == 200]
    assert taken.count(False) == 1
    assert all(one.headers["Retry-After"] == "1" for one in told if one.status_code == 503)
    assert stored(server, "both") == {"n": 5000, "ids": 5000}


def test_a_client_that_goes_away_leaves_no_frame(server):
    import socket

    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = "POST /api/v1/frames?name=0190f3a2b1c4-gone HTTP/1.1\r\nHost: x\r\nContent-Length: 1500000\r\n\r\n"
        connection.sendall(head.encode() + b"{}\n" + b"x" * 1_200_000)
        until(lambda: list(server.folder.glob("log/rows/*gone*.tmp")))
    until(lambda: not list(server.folder.glob("log/rows/*gone*")))


def test_columns_of_a_frame_are_announced_once(server, tmp_path):
    send(server, "0190f3a2b1c4-told-1", packed(frame(), tmp_path, model="told"))
    graph = len(list(server.folder.glob("log/graph/*.jsonl")))
    send(server, "0190f3a2b1c4-told-2", packed(frame(start=100), tmp_path, model="told"))
    assert len(list(server.folder.glob("log/graph/*.jsonl"))) == graph
    assert stored(server, "told") == {"n": 200, "ids": 200}
    with sqlite3.connect(server.folder / "catalog.db") as catalog:
        found = catalog.execute("SELECT role, name, type FROM columns WHERE model = 'told' ORDER BY name").fetchall()
    catalog.close()
    assert found == [("feature", "amount", "number"), ("tag", "channel", "text"), ("feature", "country", "text")]
