"""Runs sent over HTTP: their place in a trace, what stands around them, and those of a client whose process is gone."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.web.served import serving
from watchglass.store.crashed import mark
from watchglass.store.folder import prepare
from watchglass.store.transactions import connect

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served") / "store") as served:
        yield served


def row(server, component):
    found = server.rows(f"select * from runs where component = '{component}'")
    return found[0] if found else None


def test_a_run_continues_the_trace_that_it_names(server):
    event = {"component": "curl", "traceparent": TRACE, "tracestate": "other=1,watchglass=run-above"}
    assert server.post("runs", json.dumps(event)).json()["accepted"] == 1
    found = row(server, "curl")
    assert (found["trace"], found["parent"]) == ("a" * 32, "run-above")
    assert found["status"] == "running"


def test_what_it_says_itself_goes_before_and_what_cannot_be_read_is_passed_over(server):
    said = {"component": "own", "traceparent": TRACE, "tracestate": "watchglass=x", "trace": "mine", "parent": "p"}
    odd = {"component": "odd", "traceparent": "nonsense"}
    assert server.post("runs", json.dumps([said, odd])).json()["accepted"] == 2
    assert (row(server, "own")["trace"], row(server, "own")["parent"]) == ("mine", "p")
    assert row(server, "odd")["trace"] is None


def test_inputs_and_outputs_as_a_call_of_python_names_them_are_reads_and_writes(server):
    event = {"component": "named", "reads": ["a"], "inputs": ["b", {"name": "c", "version": "1"}], "outputs": ["d"]}
    assert server.post("runs", json.dumps(event)).json()["accepted"] == 1
    for view, names in (("reads", ["a", "b", "c"]), ("writes", ["d"])):
        query = f"select e.name from {view} e join runs r on r.id = e.run where r.component = 'named' order by e.name"
        assert [one["name"] for one in server.rows(query)] == names
    refused = server.post("runs", json.dumps({"component": "bad", "outputs": "d"})).json()
    assert "outputs" in refused["rejected"][0]["reason"]


def test_what_stands_around_a_run_is_taken(server):
    events = [
        {"kind": "environment", "id": "e1", "record": {"language": "R", "packages": {"dplyr": "1.1"}}},
        {"kind": "source", "id": "s1", "text": "f <- function(x) x", "name": "f"},
        {
            "kind": "run",
            "component": "in R",
            "environment": "e1",
            "resources": {"cpu_seconds": 1.5},
            "left_out": ["the diff"],
            "tests": [{"name": "t", "when": "after", "level": "warn", "ok": True}],
            "code": {"source_hash": "s1"},
        },
    ]
    told = server.post("events", "".join(json.dumps(event) + "\n" for event in events)).json()
    assert (told["accepted"], told["rejected"]) == (3, [])
    assert row(server, "in R")["id"]
    refused = server.post("events", json.dumps({"kind": "source", "id": "s2"})).json()
    assert refused["rejected"][0]["reason"] == "text is missing"


@pytest.mark.parametrize("wrong", [{"resources": [1]}, {"tests": {}}, {"left_out": "all"}, {"links": 3}])
def test_what_is_of_another_form_is_refused(server, wrong):
    (name,) = wrong
    assert name in server.post("runs", json.dumps({"component": "bad", **wrong})).json()["rejected"][0]["reason"]


def test_a_client_with_a_server_is_known_by_its_trace_and_what_it_used(server, tmp_path):
    script = f"""
import watchglass as wg
wg.init({server.url!r})
with wg.run("client", traceparent={TRACE!r}):
    pass
assert wg.flush(60)
"""
    subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=120, cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": ""}
    )
    deadline = time.monotonic() + 60
    while (found := row(server, "client")) is None or found["status"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["trace"] == "a" * 32


def test_a_client_that_is_killed_is_crashed_when_its_beats_do_not_come(server, tmp_path):
    script = f"""
import sys, watchglass as wg
wg.init({server.url!r})
with wg.run("killed client"):
    sys.stdin.readline()
"""
    place = {"HOME": str(tmp_path), "PATH": ""}
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, cwd=tmp_path, env=place) as client:
        deadline = time.monotonic() + 60
        while row(server, "killed client") is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        client.kill()
        client.wait(60)
    assert row(server, "killed client")["status"] == "running", "its pid says nothing: its events may be on their way"
    folder = prepare(server.folder)
    engine = connect(folder)
    try:
        assert mark(folder, engine, now=time.time() + 30) == 0
        assert mark(folder, engine, now=time.time() + 200) >= 1
    finally:
        engine.dispose()
    found = row(server, "killed client")
    assert found["status"] == "crashed"
    assert found["error"].startswith("nothing was heard of it for ")
