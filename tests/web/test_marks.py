"""Processes that record over HTTP are warned, and stopped, of what the server knows to be retracted or in quarantine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.web.served import serving
from watchglass.capture.subjects import digest
from watchglass.reading import create_store
from watchglass.web.marks import Listed

GENEROUS = 60.0
READING = """
import os, sys, watchglass as wg
from watchglass.capture import recorder
from watchglass.errors import Blocked
if not os.environ.get("WATCHGLASS_TORTURE"): recorder.TICK_EVERY = 0.5
for line in sys.stdin:
    name, version = line.split()
    try:
        with wg.run("reader") as run:
            run.read(version, name)
        print(*[one["level"] for one in run._tests] or ["fine"], flush=True)
    except Blocked:
        print("stopped", flush=True)
"""
MARKING = """
import watchglass as wg
@wg.component("clean", outputs=["rows"], after=[wg.check(lambda result: False, "quarantine", "never")])
def clean():
    return "bad"
clean()
with wg.run("ingest") as run:
    run.write("theirs", "client rows", subjects="client-17")
wg.flush(60)
"""


def environment(server, spool, **more):
    return {**os.environ, "WATCHGLASS_STORE": server.url, "WATCHGLASS_SPOOL": str(spool), "PYTHONWARNINGS": "ignore", **more}  # fmt: skip


@contextmanager
def reading(server, spool, **more):
    """Start a process on a machine of its own; gives a function that has it read a version and tells how that went."""
    command = [sys.executable, "-c", READING]
    with subprocess.Popen(command, env=environment(server, spool, **more), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # fmt: skip

        def ask(name, value):
            process.stdin.write(f"{name.replace(' ', '_')} {value}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        try:
            yield ask
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=GENEROUS)


def until(verb, wanted):
    begun = time.monotonic()
    while (found := verb()) != wanted:
        assert time.monotonic() - begun < GENEROUS, f"still {found}, not {wanted}"
        time.sleep(0.1)


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "store", "--maintain") as served:
        yield served


def taken_of(server):
    """Give the version of what the client's rows were written as."""
    return server.get("/api/v1/artifact?name=client_rows").json()["version"]


def mark(server, spool):
    script = MARKING.replace('"client rows"', '"client_rows"')
    subprocess.run([sys.executable, "-c", script], env=environment(server, spool), check=True, timeout=GENEROUS, capture_output=True)  # fmt: skip


def test_what_one_process_marks_warns_another_and_is_released_for_both(server, tmp_path):
    mark(server, tmp_path / "one")
    with reading(server, tmp_path / "two") as ask:
        until(lambda: ask("rows", "bad"), "warn")
        assert ask("rows", "good") == "fine"
        with reading(server, tmp_path / "two") as third:
            assert third("rows", "bad") == "warn", "its first read finds what was told before"
        body = json.dumps({"artifact": "rows", "reason": "looked at"})
        assert server.post("releases", body, content_type="application/json").status_code == 200
        until(lambda: ask("rows", "bad"), "fine")
    with reading(server, tmp_path / "one") as ask:
        until(lambda: ask("rows", "bad"), "fine")


def test_what_is_retracted_warns_and_stops_processes_elsewhere(server, tmp_path):
    mark(server, tmp_path / "one")
    with (
        reading(server, tmp_path / "two") as warned,
        reading(server, tmp_path / "three", WATCHGLASS_ON_RETRACTED="block") as stopped,
    ):
        assert (warned("client rows", "theirs"), stopped("client rows", "theirs")) == ("fine", "fine")
        taken = server.post("retractions", json.dumps({"tag": "client-17", "grace": "0s"}), content_type="application/json")  # fmt: skip
        assert (taken.status_code, taken.json()["versions"]) == (200, 1)
        until(lambda: warned("client rows", "theirs"), "warn")
        until(lambda: stopped("client rows", "theirs"), "stopped")
        assert stopped("client rows", "others") == "fine"
        late = {"kind": "run", "component": "elsewhere", "reads": [{"name": "client_rows", "version": taken_of(server)}], "writes": [{"name": "late", "version": "l1"}]}  # fmt: skip
        assert server.post("events", json.dumps(late)).status_code < 300
        wanted = digest("late", "l1")
        until(lambda: wanted in server.get("/api/v1/marks").json()["retracted"], True)


def test_they_are_asked_for_with_an_etag(server):
    first = server.get("/api/v1/marks")
    assert first.json() == {"quarantined": [], "retracted": {}, "released": [], "left_out": 0}
    import httpx

    again = httpx.get(f"{server.url}/api/v1/marks", headers={"If-None-Match": first.headers["etag"]}, timeout=60)
    assert (again.status_code, again.content) == (304, b"")


def test_the_answer_is_made_anew_when_a_mark_came_and_only_then(tmp_path, monkeypatch):
    made = []
    store = create_store(tmp_path)
    marks = store.marks
    monkeypatch.setattr(store, "marks", lambda: made.append(1) or marks())
    home = tmp_path / "quarantine"
    home.mkdir()
    long_ago = time.time() - 100
    os.utime(home, (long_ago, long_ago))
    listed = Listed(store)
    empty = listed.answer()
    assert (listed.answer(), len(made)) == (empty, 1)
    (home / ("a" * 32)).touch()
    assert listed.answer()[1] != empty[1]
    (home / ("b" * 32)).touch()  # within the same tick of the folder's clock, as may be
    os.utime(home, (time.time(),) * 2)
    assert json.loads(listed.answer()[0])["quarantined"] == ["a" * 32, "b" * 32]
    store.close()
