from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import orjson
import pytest

import watchglass as wg
from tests.demo.written import events, of, runs
from watchglass.demo import client
from watchglass.demo.service import Service
from watchglass.errors import BadInput


@pytest.fixture(scope="module")
def served(tmp_path_factory, asked_about):
    store = tmp_path_factory.mktemp("served")
    serving = client.start(store, asked_about[0])
    with httpx.Client(base_url=serving.address, trust_env=False) as http:
        yield store, http
    assert serving.stop() == 0


def sent(http, question, **changed):
    body = orjson.loads(orjson.dumps(asdict(question))) | changed
    return http.post("/predict", json=body)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def wait_for(true, seconds=20.0):
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def test_it_says_what_it_serves(served):
    assert served[1].get("/health").json() == {"model": "digits", "version": "3"}


def test_what_was_acknowledged_is_in_the_log_at_that_moment(served, asked_about):
    store, http = served
    for number, question in enumerate(asked_about[2][:5]):
        ids = [f"now-{number}-{ident}" for ident in question.ids]
        reply = sent(http, question, ids=ids)
        assert reply.status_code == 200
        answer = reply.json()
        rows = {row["id"]: row for row in of("prediction", events(store, "rows"))}
        assert answer["ids"] == ids
        assert [rows[ident]["prediction"] for ident in ids] == answer["digits"]
        assert [rows[ident]["score"] for ident in ids] == answer["scores"]
        assert {rows[ident]["run"] for ident in ids} == {answer["run"]}
        assert answer["run"] in {run["id"] for run in runs(store, "predict")}


def test_http_and_in_process_give_the_same(served, asked_about, tmp_path):
    system, _, asked = asked_about
    wg.init(tmp_path)
    service = Service(system)
    for question in asked:
        here, there = asdict(service.answer(question)), asdict(client.asked(served[1], question))
        assert here.pop("run") != there.pop("run")
        assert here == there
    here = of("prediction", events(tmp_path, "rows"))
    last = asked[-1].ids
    there = [row for row in of("prediction", events(served[0], "rows")) if row["id"] in last][-len(last) :]
    for one, other in zip(here[-len(last) :], there, strict=True):
        differing = {key for key in one if one[key] != other.get(key)}
        assert differing <= {"latency", "run"}


BAD = {
    "an id too many": lambda q: {"ids": [*q.ids, "more"]},
    "no image": lambda q: {"ids": [], "images": [], "rows": []},
    "a row that is not there": lambda q: {"rows": [100_000, *q.rows[1:]]},
    "a row before the first": lambda q: {"rows": [-1, *q.rows[1:]]},
    "an image too small": lambda q: {"images": [q.images[0][:63], *q.images[1:]]},
    "a day without a table": lambda q: {"table": "1999-12-31"},
    "a time that is none": lambda q: {"time": "noon"},
    "a field that is missing": lambda q: {"site": None},
}


@pytest.mark.parametrize("wrong", BAD)
def test_a_bad_question_is_refused_in_words_and_nothing_is_recorded(served, asked_about, wrong):
    store, http = served
    before = len(events(store, "rows")), len(events(store, "graph"))
    reply = sent(http, asked_about[2][0], **BAD[wrong](asked_about[2][0]))
    assert reply.status_code == 422
    assert reply.json()["detail"]
    assert (len(events(store, "rows")), len(events(store, "graph"))) == before


def test_a_refusal_is_an_error_to_our_client(served, asked_about):
    with pytest.raises(client.ServiceFailed, match=r"answered 422.*no feature table for 1999-12-31"):
        client.asked(served[1], replace(asked_about[2][0], table="1999-12-31"))


def test_in_process_the_refusal_is_the_error(asked_about, tmp_path):
    wg.init(tmp_path)
    question = asked_about[2][0]
    with pytest.raises(BadInput, match="do not fit"):
        Service(asked_about[0]).answer(replace(question, ids=question.ids[1:]))
    assert not (tmp_path / "log").exists()


def test_a_service_without_a_model_says_so_and_leaves_no_process(tmp_path, capfd):
    with pytest.raises(client.ServiceFailed, match="did not start"):
        client.start(tmp_path / "store", tmp_path / "nowhere")
    assert "there is no model in" in capfd.readouterr().err


@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_ends_when_its_parent_is_killed(asked_about, tmp_path, workers):
    program = (
        "import sys, time; from pathlib import Path; from watchglass.demo import client\n"
        f"serving = client.start(Path({str(tmp_path)!r}), Path({str(asked_about[0])!r}), workers={workers})\n"
        "print(serving.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        service = int(parent.stdout.readline())
        family = [service, *children(service)]
        assert len(family) == (1 if workers == 1 else 3)
        assert not any(gone(pid) for pid in family)
        parent.kill()
        wait_for(lambda: all(gone(pid) for pid in family))


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_workers_stop_with_a_signal_and_are_replaced_when_they_die(asked_about, tmp_path):
    serving = client.start(tmp_path, asked_about[0], workers=2)
    try:
        first = children(serving.process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: len(children(serving.process.pid)) == 2 and first[0] not in children(serving.process.pid))
        second = children(serving.process.pid)
        serving.process.terminate()
        assert serving.process.wait(20) == 0
        wait_for(lambda: all(gone(pid) for pid in second))
    finally:
        serving.stop()
