"""A server that is sent too much, too slowly, or half of it, refuses in time, records nothing of it, and stays as small as it was."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from pathlib import Path

import pytest
import zstandard

from tests.web.served import serving, until

BODY, INFLATED, QUEUE = 1_000_000, 3_000_000, 400_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    limits = {"BODY_BYTES": BODY, "INFLATED_BYTES": INFLATED, "QUEUE_BYTES": QUEUE}
    waits = {"PAUSE_SECONDS": 3, "BODY_SECONDS": 5, "FRAME_BYTES": BODY}
    settings = {f"WATCHGLASS_INGEST_{name}": str(value) for name, value in {**limits, **waits}.items()}
    with serving(tmp_path_factory.mktemp("limits") / "store", **settings) as served:
        yield served


def log(message):
    return json.dumps({"kind": "log", "message": message}) + "\n"


def recorded(server, message):
    return server.rows(f"SELECT count(*) AS n FROM logs WHERE starts_with(message, '{message}')")[0]["n"]


def resident(server):
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def opened(server, head, body=b""):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
    return connection


def answer(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    connection.close()
    return b"".join(parts)


def test_a_body_that_says_it_is_too_large_is_refused_unread(server):
    with opened(server, f"Content-Length: {BODY + 1}\r\nExpect: 100-continue") as connection:
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 413")
    assert b"send it in parts" in said


def test_a_body_that_becomes_too_large_is_refused(server):
    def endless():
        while True:
            yield log("endless").encode() * 1000

    with opened(server, "Transfer-Encoding: chunked") as connection:
        piece = log("endless").encode() * 1000
        try:
            for _ in range(200):
                connection.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        except OSError:
            pass
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 413")
    assert recorded(server, "endless") == 0


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
@pytest.mark.parametrize("filling", [b"\n", b"0", log("bomb").encode()], ids=["blank", "one line", "lines"])
def test_a_bomb_is_refused_before_it_fills_the_memory(server, encoding, pack, filling):
    before = resident(server)
    bomb = pack(filling * (300_000_000 // len(filling)))
    assert len(bomb) < BODY * 20
    told = server.post("events", bomb[: BODY - 1] if len(bomb) >= BODY else bomb, Content_Encoding=encoding)
    assert told.status_code == 413, told.text
    assert "decompressed" in told.json()["error"] or "line of more than" in told.json()["error"]
    assert resident(server) - before < 200, "of the 300 MB that it holds"
    assert recorded(server, "bomb") == 0


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_that_is_cut_off_or_not_what_it_says_is_unreadable(server, encoding):
    whole = (gzip.compress if encoding == "gzip" else zstandard.compress)((log("cut") * 100).encode())
    for body in (whole[:-5], b"not compressed at all", whole + b"rest"):
        told = server.post("events", body, Content_Encoding=encoding)
        assert told.status_code == 400, (told.text, body[:20])
        assert encoding in told.json()["error"]
    assert recorded(server, "cut") == 0


def test_a_slow_client_is_told_so_and_holds_nobody_up(server):
    dribbling = opened(server, "Content-Length: 1000", log("dribble").encode())

    def dribble():
        try:
            for _ in range(60):
                dribbling.sendall(b" ")
                time.sleep(0.2)
        except OSError:
            pass

    sender = threading.Thread(target=dribble)
    sender.start()
    stalled = opened(server, "Content-Length: 1000", log("stall").encode())
    assert server.post("logs", '{"message": "meanwhile"}').status_code == 200
    assert answer(stalled).startswith(b"HTTP/1.1 408")
    assert answer(dribbling).startswith(b"HTTP/1.1 408")
    sender.join()
    assert (recorded(server, "dribble"), recorded(server, "stall"), recorded(server, "meanwhile")) == (0, 0, 1)


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(server):
    for _ in range(20):
        opened(server, "Content-Length: 100000", log("gone").encode() * 100).close()
    until(lambda: server.get("/api/v1/health").json()["queue_bytes"] == 0)
    assert recorded(server, "gone") == 0


def test_a_full_queue_turns_the_next_away_at_once_and_takes_it_later(server):
    body = log("queued").encode()
    holding = opened(server, f"Content-Length: {2 * BODY // 2}", b" " * (QUEUE + 100_000) + b"\n")
    until(lambda: server.get("/api/v1/health").json()["queue_bytes"] >= QUEUE)
    told = server.post("events", body)
    assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
    assert "busy" in told.json()["error"]
    holding.close()
    until(lambda: server.get("/api/v1/health").json()["queue_bytes"] == 0)
    assert server.post("events", body).status_code == 200
    assert recorded(server, "queued") == 1


def test_too_many_lines_that_cannot_be_taken_refuse_the_whole_body(server):
    told = server.post("events", log("before") + "x\n" * 60_000)
    assert told.status_code == 400
    assert "line 2: not JSON" in told.json()["error"]
    assert recorded(server, "before") == 0


def test_the_first_hundred_reasons_are_told_and_all_are_counted(server):
    told = server.post("events", "x\n" * 150).json()
    assert (told["accepted"], told["rejected_count"], len(told["rejected"])) == (0, 150, 100)
    assert [one["line"] for one in told["rejected"]] == list(range(1, 101))
