"""Recording to a server's URL: the call knows no network, the events come later, once, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from tests.capture.listening import wait_for
from tests.ports import free_port

import watchglass as wg
from watchglass.capture import recorder, spool

CALLS = """
import json, sys, threading, time
seen = []
def hook(event, arguments):
    if event.startswith("socket.") and threading.current_thread() is threading.main_thread():
        seen.append(event)
sys.addaudithook(hook)
import watchglass as wg
features = {f"f{n}": n / 7 for n in range(25)}
took = []
for number in range(2000):
    began = time.perf_counter()
    wg.log_prediction("m", version="1", id=str(number), features=features, prediction=1)
    took.append(time.perf_counter() - began)
    if number % 100 == 99:
        time.sleep(0.02)
wg.flush()
print(json.dumps({"median": sorted(took)[1000], "network": seen, "dropped": wg.capture.recorder.dropped()}))
"""


@pytest.fixture
def far(tmp_path, monkeypatch):
    """Give the spool's folder for a URL, in this test's folder."""
    monkeypatch.setenv("WATCHGLASS_SPOOL", str(tmp_path / "spools"))
    return lambda url: str(tmp_path / "spools" / spool.folder_name(url))


def empty(root):
    return not any(spool.waiting(root, log) for log in ("graph", "rows"))


@pytest.mark.parametrize("trouble", ["down", "slow", "hang", "500", "503"])
def test_a_call_meets_no_network_and_costs_what_it_costs_to_a_folder(python, listening, far, trouble):
    server = listening()
    answers = {"500": (500, {}), "503": (503, {"Retry-After": "30"}), "down": None}
    server.trouble = lambda number, key, data: answers.get(trouble, trouble)
    url = f"http://127.0.0.1:{free_port()}" if trouble == "down" else server.url
    quick = {"WATCHGLASS_ROLL_BYTES": "100000", "WATCHGLASS_DELIVER_SECONDS": "0.3"}
    to_folder = json.loads(python(CALLS).stdout)
    begun = time.monotonic()
    to_server = json.loads(python(CALLS, WATCHGLASS_STORE=url, **quick).stdout)
    assert time.monotonic() - begun < 20, "the interpreter's end waited for the server"
    assert to_server["network"] == []
    assert to_server["dropped"] == {}
    assert to_server["median"] - to_folder["median"] <= 0.001
    assert trouble == "down" or server.requests, "the server was not even asked"
    server.trouble = lambda number, key, data: None
    server.released.set()
    later = server if trouble != "down" else listening(int(url.rpartition(":")[2]))
    python("import watchglass as wg; wg.log_label('m', 'x', 1)", WATCHGLASS_STORE=url, WATCHGLASS_DELIVER_SECONDS="30")
    assert empty(far(url))
    assert sorted(later.ids("prediction"), key=int) == [str(number) for number in range(2000)]


def test_runs_frames_and_rows_all_come(listening, far):
    server = listening()
    wg.init(server.url)
    with wg.run("train") as run:
        run.write({"a": 1}, "settings")
    rows = [{"x": 1.5, "p": 0, "t": "2026-01-01", "i": f"f{n}"} for n in range(3)]
    assert wg.log_predictions("m", rows, version="1", prediction="p", time="t", id="i") == 3
    wg.log_label("m", "f0", 1)
    wait_for(lambda: {"run", "schema", "prediction", "label"} <= {event["kind"] for event in list(server.events)})
    recorder.close()
    assert empty(far(server.url))
    assert server.ids("prediction") == ["f0", "f1", "f2"]


FORKS = """
import os, sys, time
import watchglass as wg
wg.log_label("m", "parent", 1)
time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3)
children = []
for worker in range(4):
    child = os.fork()
    if child == 0:
        for number in range(50):
            wg.log_label("m", f"{worker}-{number}", 1)
        wg.capture.recorder.close()  # what a server of workers does at the end of each: it runs the exit handlers
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
wg.log_label("m", "parent again", 1)
"""


def test_workers_that_were_forked_ship_their_own(python, listening, far):
    server = listening()
    python(FORKS, WATCHGLASS_STORE=server.url, WATCHGLASS_DELIVER_SECONDS="20")
    assert empty(far(server.url))
    expected = ["parent", "parent again", *(f"{worker}-{number}" for worker in range(4) for number in range(50))]
    assert sorted(server.ids("label")) == sorted(expected)


def test_children_that_end_abruptly_leave_their_events_to_the_parent(python, listening, far):
    server = listening()
    script = """
import multiprocessing, watchglass as wg
def work(worker):
    for number in range(50):
        wg.log_label("m", f"{worker}-{number}", 1)
wg.log_label("m", "parent", 1)
context = multiprocessing.get_context("fork")
children = [context.Process(target=work, args=(worker,)) for worker in range(3)]
[child.start() for child in children]; [child.join(30) for child in children]
assert [child.exitcode for child in children] == [0, 0, 0]
"""
    python(script, WATCHGLASS_STORE=server.url, WATCHGLASS_DELIVER_SECONDS="20")
    assert empty(far(server.url))
    assert len(server.ids("label")) == len(set(server.ids("label"))) == 151


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("only who may mount can have a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_drops_counted_events_and_the_others_are_delivered(small_disk, listening, monkeypatch, lost):
    monkeypatch.setenv("WATCHGLASS_SPOOL", str(small_disk))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    wg.init(url)
    text = "x" * 2000
    sent = [wg.log_prediction("m", version="1", features={"t": text}, prediction=1) for _ in range(1000)]
    dropped = sum(lost().values())
    assert 300 < dropped < 1000
    server = listening(port)
    wait_for(lambda: len(server.ids("prediction")) > 100)
    wait_for(lambda: wg.log_label("m", "after", 1) or "after" in server.ids("label"))
    recorder.close()
    assert empty(str(small_disk / spool.folder_name(url)))
    arrived = server.ids("prediction")
    assert len(arrived) == len(set(arrived)) == 1000 - dropped
    assert set(arrived) <= set(sent)


def test_a_process_that_is_told_to_end_leaves_nothing_behind_but_the_spool(listening, far, tmp_path):
    server = listening()
    server.trouble = lambda number, key, data: (500, {})
    script = "import time, watchglass as wg\nwg.log_label('m', 'a', 1)\nprint('told', flush=True)\ntime.sleep(60)"
    env = {**os.environ, "WATCHGLASS_STORE": server.url}
    process = subprocess.Popen([sys.executable, "-c", script], env=env, cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"told\n"
    process.terminate()
    process.communicate(timeout=20)
    assert not empty(far(server.url))
    server.trouble = lambda number, key, data: None
    wg.init(server.url)
    wg.log_label("m", "b", 1)
    wait_for(lambda: sorted(server.ids("label")) == ["a", "b"])


def test_flush_with_a_time_waits_until_the_server_has_all(listening, far):
    server = listening()
    wg.init(server.url)
    sent = [wg.log_prediction("m", version="1", features={}, prediction=1) for _ in range(20)]
    assert wg.flush(20)
    assert server.ids("prediction") == sent
    server.trouble = lambda number, key, data: (500, {})
    wg.log_label("m", "a", 1)
    assert not wg.flush(0.2), "the server does not take it"
    assert wg.flush(), "on this machine's disk it is"
    server.trouble = lambda number, key, data: None
    assert wg.flush(20)
    assert server.ids("label") == ["a"]


def test_flush_with_a_time_means_the_disk_where_there_is_no_server(tmp_path):
    assert wg.flush(0), "nothing was recorded"
    wg.init(tmp_path / "store")
    wg.log_label("m", "a", 1)
    assert wg.flush(0)
