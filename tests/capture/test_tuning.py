"""A running process heeds its store's settings, and a server's, within ten seconds, and keeps the last known when they cannot be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import watchglass as wg
from watchglass.capture import recorder, tuning
from watchglass.capture.tuned import read
from watchglass.errors import BadInput
from watchglass.store.folder import prepare
from watchglass.store.tuning import replace_settings, set_setting

GENEROUS = 60.0
NONE = [{"model": "*", "method": "head", "rate": 0}]
RECORDING = """
import os, sys, time, watchglass as wg
from watchglass.capture import recorder
if not os.environ.get("WATCHGLASS_TORTURE"): recorder.TICK_EVERY = 0.5  # the everyday run does not wait five seconds each time
number = 0
end = time.monotonic() + 120
while time.monotonic() < end:
    wg.log_prediction("m", id=f"p{number}", features={"ink": 1.0}, prediction=1)
    rules = recorder.current().sampler
    print(number, recorder.current().disabled, len(rules.rules) if rules else 0, flush=True)
    if sys.stdin.readline() == "": break
    number += 1
"""


@contextmanager
def recording(tmp_path, store, **environment):
    """Start a process that records one row each time it is asked; gives a function that asks and tells (disabled, rules)."""
    env = {**os.environ, "WATCHGLASS_STORE": str(store), "WATCHGLASS_SPOOL": str(tmp_path / "spool"), **environment}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", RECORDING],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask():
            _, disabled, rules = process.stdout.readline().split()
            process.stdin.write("\n")
            process.stdin.flush()
            return disabled == "True", int(rules)

        try:
            yield ask
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=GENEROUS)


def until(ask, wanted):
    """Ask until the answer is the one wanted."""
    begun = time.monotonic()
    while (found := ask()) != wanted:
        assert time.monotonic() - begun < GENEROUS, f"still {found}, not {wanted}"
        time.sleep(0.05)


def rows(folder):
    return [
        json.loads(line) for path in (folder / "log" / "rows").glob("*.jsonl") for line in path.read_text().splitlines()
    ]


def test_a_process_heeds_the_settings_of_its_folder_while_it_runs(tmp_path):
    folder = prepare(tmp_path / "store", create=True)
    with recording(tmp_path, folder.root) as ask:
        assert ask() == (False, 0)
        replace_settings(folder, {"sampling": NONE})
        until(ask, (False, 1))
        size = len(rows(folder.root))
        for _ in range(20):
            ask()
        assert len(rows(folder.root)) == size > 0
        replace_settings(folder, {"enabled": False})
        until(ask, (True, 0))
        (folder.root / "settings.json").write_text("half a li")
        time.sleep(0.1)
        assert ask() == (True, 0)
        replace_settings(folder, {"enabled": True})
        until(ask, (False, 0))
        ask()
        assert len(rows(folder.root)) > size


def test_settings_are_looked_at_often_enough_to_be_in_force_within_ten_seconds(logs):
    assert recorder.TICK_EVERY + recorder.SYNC_EVERY + tuning.ANSWER_SECONDS < 10
    assert tuning.tick in recorder.current().ticks


def test_a_process_begins_as_the_settings_say_and_can_be_woken(tmp_path):
    folder = prepare(tmp_path / "store", create=True)
    replace_settings(folder, {"enabled": False})
    with recording(tmp_path, folder.root) as ask:
        assert ask() == (True, 0)
        set_setting(folder, "enabled", value=None)
        until(ask, (False, 0))


def test_a_process_that_was_started_disabled_stays_so(tmp_path):
    folder = prepare(tmp_path / "store", create=True)
    replace_settings(folder, {"enabled": True, "sampling": NONE})
    with recording(tmp_path, folder.root, WATCHGLASS_DISABLED="1") as ask:
        assert ask() == (True, 0)
    assert rows(folder.root) == []


class Server(ThreadingHTTPServer):
    """A server that answers its settings with an ETag, takes all events, and counts what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.settings, self.status, self.asked = {}, 200, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        tag = f'"{hash(json.dumps(self.server.settings))}"'
        known = self.headers.get("If-None-Match") == tag
        status = 304 if known and self.server.status == 200 else self.server.status
        self.server.asked.append((self.path, status))
        self.answer(status, b"" if status == 304 else json.dumps(self.server.settings).encode(), tag)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b'{"accepted": 1, "rejected": [], "rejected_count": 0, "duplicate": false}', '""')

    def answer(self, status, body, tag):
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    found = Server()
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def test_a_process_heeds_the_settings_of_its_server_and_keeps_the_last_known(tmp_path, server):
    with recording(tmp_path, server.url) as ask:
        assert ask() == (False, 0)
        server.settings = {"sampling": NONE}
        until(ask, (False, 1))
        server.status = 500
        seen = len(server.asked)
        begun = time.monotonic()
        while not any(status == 500 for _, status in server.asked[seen:]):
            assert time.monotonic() - begun < GENEROUS
            assert ask() == (False, 1)
            time.sleep(0.1)
        server.status, server.settings = 200, {"enabled": False}
        until(ask, (True, 0))
        begun = time.monotonic()
        while not any(status == 304 for _, status in server.asked):
            assert time.monotonic() - begun < GENEROUS
            assert ask() == (True, 0)
            time.sleep(0.1)
        assert {path for path, _ in server.asked} == {"/api/v1/settings", "/api/v1/marks"}
    with recording(tmp_path, server.url) as ask:
        assert ask() == (True, 0), "the next process begins with what the last one heard"


def test_settings_go_before_what_init_said_and_give_it_back_when_they_are_gone(logs, tmp_path):
    folder = prepare(logs.root, create=True)
    own = [{"model": "*", "method": "head", "rate": 0.5}]
    wg.init(logs.root, sampling=own)
    here = recorder.current()
    set_setting(folder, "sampling", [*NONE, *own])
    tuning.tick()
    assert [rule.rate for rule in here.sampler.rules] == [0, 0.5]
    set_setting(folder, "sampling", [])
    tuning.tick()
    assert here.sampler is None
    (folder.root / "settings.json").unlink()
    tuning.tick()
    assert [rule.rate for rule in here.sampler.rules] == [0.5]


def test_what_a_reservoir_holds_is_written_when_the_rules_change(logs):
    folder = prepare(logs.root, create=True)
    wg.init(logs.root, sampling=[{"model": "*", "method": "reservoir", "rows": 5, "seconds": 3600}])
    for number in range(20):
        wg.log_prediction("m", features={"ink": number}, prediction=1)
    set_setting(folder, "sampling", [])
    tuning.tick()
    assert sum(row.get("weight", 1) for row in logs.rows()) == 20
    wg.log_prediction("m", prediction=1)
    assert len(logs.rows()) == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "an object would do"),
        ("{", "not JSON"),
        ('{"enabled": 1}', "true or false"),
        ('{"level": "loud"}', "debug, info, warning, error, critical would do"),
        ('{"colour": 1}', "'colour', which is not known"),
        ('{"sampling": {}}', "a list of rules"),
    ],
)
def test_settings_that_would_not_do_are_refused(text, says):
    with pytest.raises(BadInput, match=says):
        read(text, "settings.json")
