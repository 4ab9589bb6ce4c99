"""A disk that is full or read-only makes a server ask to come again; when it is well, the same server takes the same request."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

import watchglass as wg
from tests.web.served import serving


@pytest.fixture
def small(tmp_path):
    """A file system of twelve megabytes, whose mounting needs the superuser."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def body(mark, events=100):
    return "".join(json.dumps({"kind": "log", "message": f"{mark}-{n} " + "x" * 500}) + "\n" for n in range(events))


def count(served, mark):
    return served.rows(f"SELECT count(*) AS n FROM logs WHERE starts_with(message, '{mark}-')")[0]["n"]


def test_a_full_disk_is_503_and_the_same_server_recovers(small):
    with serving(small / "store") as served:
        assert served.post("events", body("before"), Idempotency_Key="before").status_code == 200
        filler = small / "filler"
        handle = os.open(filler, os.O_CREAT | os.O_WRONLY)
        with suppress(OSError):
            while True:
                os.write(handle, b"\0" * 4096)
        os.close(handle)
        for _ in range(3):
            told = served.post("events", body("full"), Idempotency_Key="full")
            assert told.status_code == 503, told.text
            assert int(told.headers["Retry-After"]) >= 1
            assert "ENOSPC" in told.json()["error"]
        health = served.get("/api/v1/health").json()
        assert health["failed"] == {"ENOSPC": 300}
        assert not list(served.folder.glob("log/*/*.tmp")), "what was half written is gone"
        filler.unlink()
        told = served.post("events", body("full"), Idempotency_Key="full")
        assert (told.status_code, told.json()["duplicate"]) == (200, False)
        assert (count(served, "before"), count(served, "full")) == (100, 100)


def test_a_disk_that_became_read_only_is_503(small):
    with serving(small / "store") as served:
        assert served.post("events", body("before")).status_code == 200
        log = served.folder / "log"  # the catalog's own file is open for writing, which keeps its file system writable
        subprocess.run(["mount", "--bind", log, log], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", log], check=True)
        told = served.post("events", body("shut"), Idempotency_Key="shut")
        frame = served.post("frames?name=0190f3a2b1c4-7", b"{}\n")
        subprocess.run(["umount", log], check=True)
        assert (told.status_code, "EROFS" in told.json()["error"]) == (503, True)
        assert (frame.status_code, "EROFS" in frame.json()["error"]) == (503, True)
        assert served.post("events", body("shut"), Idempotency_Key="shut").status_code == 200
        assert count(served, "shut") == 100


def test_a_server_told_to_end_answers_what_it_has_and_leaves_no_process(tmp_path):
    with serving(tmp_path / "store", "--maintain") as served:
        served.post("events", body("first"))
        end = time.monotonic() + 30
        while not served.children():
            assert time.monotonic() < end
            time.sleep(0.1)
        children = served.children()
        told = []

        def send():
            for number in range(200):
                try:
                    answer = served.post("events", body(f"end{number:03d}", 20))
                except httpx.HTTPError:
                    return
                told.append((number, answer.status_code))

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(0.5)
        assert served.end() == 0
        sender.join()
        assert all(not Path(f"/proc/{child}").exists() for child in children)
    taken = [number for number, status in told if status == 200]
    assert {status for _, status in told} <= {200, 503}
    assert taken
    with wg.open(tmp_path / "store") as store:
        for number in taken:
            rows = store.sql(f"SELECT count(*) AS n FROM logs WHERE starts_with(message, 'end{number:03d}-')").rows()
            assert rows == [{"n": 20}]
