"""Real processes of every kind that serve models: each event is there, once, however the process began, forked and ended."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from tests.ports import free_port

TURNS = 30 if os.environ.get("WATCHGLASS_TORTURE") == "1" else 8
APP = """
import os
import watchglass as wg

{preload}

def app(environ, start_response):
    number = environ["QUERY_STRING"]
    wg.log_prediction("m", version="1", id=number, features={{"x": 1.5, "pid": os.getpid()}}, prediction=1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        message = await receive()
        while message["type"] != "lifespan.shutdown":
            await send({{"type": message["type"] + ".complete"}})
            message = await receive()
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    wg.log_prediction("m", version="1", id=scope["query_string"].decode(), features={{"x": 1.5, "pid": os.getpid()}}, prediction=1)
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": str(os.getpid()).encode()}})
"""


def ask(port, number):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/?{number}", timeout=20) as answer:
        return int(answer.read())


def started(process, port, tmp_path):
    """Wait until something answers there."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, (tmp_path / "server.txt").read_text()
        try:
            return ask(port, "first")
        except OSError:
            assert time.monotonic() < deadline, (tmp_path / "server.txt").read_text()
            time.sleep(0.1)


def served(command, tmp_path, remote, requests=120):
    """Run a server, ask it from four threads, end it; give how many rows each worker wrote."""
    port = free_port()
    env = {**os.environ, "WATCHGLASS_STORE": str(remote.root), "PYTHONPATH": str(tmp_path)}
    with (tmp_path / "server.txt").open("w") as said:
        process = subprocess.Popen([sys.executable, "-m", *command(port)], env=env, cwd=tmp_path, stdout=said, stderr=said)  # fmt: skip
    try:
        started(process, port, tmp_path)
        answers: list[int] = []
        asking = [
            threading.Thread(target=lambda k=k: answers.extend(ask(port, f"{k}-{n}") for n in range(requests // 4)))
            for k in range(4)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    rows = remote.rows("prediction")
    assert collections.Counter(row["id"] for row in rows if row["id"] != "first") == {f"{k}-{n}": 1 for k in range(4) for n in range(requests // 4)}  # fmt: skip
    workers = collections.Counter(int(row["features"]["pid"]) for row in rows if row["id"] != "first")
    assert workers == collections.Counter(answers)
    assert all(remote.sealed(path) for path in remote.segments("rows"))
    return workers


def app(tmp_path, preload="pass"):
    (tmp_path / "served.py").write_text(APP.format(preload=preload))


@pytest.mark.parametrize("preload", [False, True], ids=["each loads the code", "forked after loading"])
def test_gunicorn_with_two_workers(tmp_path, remote, preload):
    pytest.importorskip("gunicorn")
    app(
        tmp_path,
        'wg.init(); wg.log_prediction("m", id="first", features={"x": 0.5}, prediction=0)' if preload else "pass",
    )
    flags = ["--preload"] if preload else []
    workers = served(
        lambda port: ["gunicorn", "-w", "2", "--threads", "2", "-b", f"127.0.0.1:{port}", *flags, "served:app"], tmp_path, remote
    )  # fmt: skip
    owners = {path.name.partition(".")[0].rpartition("-")[2] for path in remote.segments("rows")}
    assert set(map(str, workers)) <= owners
    assert len(owners) <= 2 + preload


def test_uvicorn_with_two_workers(tmp_path, remote):
    app(tmp_path)
    served(
        lambda port: ["uvicorn", "--workers", "2", "--port", str(port), "--log-level", "warning", "served:asgi"], tmp_path, remote
    )  # fmt: skip


POOL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import watchglass as wg

def work(number):
    for step in range(50):
        wg.log_label("m", f"{number}-{step}", 1)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    if sys.argv[1] != "forkserver":
        wg.log_label("m", "parent", 1)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(work, range(6)))
    children = [context.Process(target=work, args=(f"p{number}",)) for number in range(3)]
    for child in children: child.start()
    for child in children: child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    if sys.argv[1] == "forkserver":
        wg.log_label("m", "parent", 1)
"""


@pytest.mark.parametrize("durability", ["default", "fast"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_and_children_of_multiprocessing(tmp_path, remote, method, durability):
    (tmp_path / "pool.py").write_text(POOL)
    env = {**os.environ, "WATCHGLASS_STORE": str(remote.root), "WATCHGLASS_DURABILITY": durability}
    done = subprocess.run([sys.executable, "-W", "ignore", "pool.py", method], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = {f"{number}-{step}" for number in [*range(6), "p0", "p1", "p2"] for step in range(50)} | {"parent"}
    assert collections.Counter(row["id"] for row in remote.rows()) == collections.Counter(dict.fromkeys(expected, 1))


def test_tasks_of_asyncio_know_their_run(python, remote):
    script = """
import asyncio, watchglass as wg
async def serve(number):
    with wg.run(f"task-{number}"):
        for step in range(20):
            await asyncio.sleep(0)
            wg.log_prediction("m", id=f"{number}-{step}", features={"x": step}, prediction=0)
async def main():
    await asyncio.gather(*(serve(number) for number in range(10)))
asyncio.run(main())
"""
    python(script)
    runs = {event["id"]: event["component"] for event in remote.graph("run")}
    rows = remote.rows("prediction")
    assert len({row["id"] for row in rows}) == len(rows) == 200
    assert all(runs[row["run"]] == f"task-{row['id'].partition('-')[0]}" for row in rows)


ENDS = {
    "os._exit": "os._exit(0)",
    "a signal's default": "import signal; os.kill(os.getpid(), signal.SIGTERM)",
    "an abort": "os.abort()",
    "another program": 'os.execv(sys.executable, [sys.executable, "-c", "pass"])',
    "an exception": "raise RuntimeError",
    "sys.exit": "sys.exit(3)",
    "the end": "pass",
}


@pytest.mark.parametrize("end", ENDS)
def test_however_a_process_ends_nothing_recorded_is_lost(python, remote, end):
    script = f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import watchglass as wg
for number in range(100):
    wg.log_label("m", str(number), 1)
{ENDS[end]}
"""
    python(script, check=False)
    assert [row["id"] for row in remote.rows()] == [str(number) for number in range(100)]
    assert all(remote.sealed(path) for path in remote.segments("rows"))


LATE = """
import atexit, sys, threading, time, types
class Late:
    def __init__(self, name): self.name, self.log = name, wg.log_label  # a module's names are gone before its objects
    def __del__(self): self.log("m", self.name, 1)
atexit.register(lambda: wg.log_label("m", "registered before", 1))
import watchglass as wg
sys.modules["holder"] = types.ModuleType("holder")
sys.modules["holder"].kept = Late("module global")
atexit.register(lambda: wg.log_label("m", "registered after", 1))
def daemon():
    number = 0
    while True:
        wg.log_label("m", f"daemon-{number}", 1); number += 1
        time.sleep(0.001)
threading.Thread(target=daemon, daemon=True).start()
def slow():
    time.sleep(0.3)
    wg.log_label("m", "thread that outlives main", 1)
threading.Thread(target=slow).start()
wg.log_label("m", "main", 1)
time.sleep(0.05)
"""


@pytest.mark.parametrize("durability", ["default", "fast", "sync"])
def test_what_is_recorded_while_the_interpreter_ends_is_kept(python, remote, durability):
    python(LATE, WATCHGLASS_DURABILITY=durability)
    ids = [row["id"] for row in remote.rows()]
    assert len(ids) == len(set(ids))
    wanted = {"main", "registered before", "registered after", "thread that outlives main", "module global"}
    assert wanted <= set(ids)
    numbers = [int(one.partition("-")[2]) for one in ids if one.startswith("daemon-")]
    assert len(numbers) > 10
    assert sorted(numbers) == list(range(len(numbers)))


SIGNALS = """
import itertools, os, signal, sys
import watchglass as wg
numbers, depth = itertools.count(), 0
def on(signum, frame):
    global depth
    wg.log_label("m", f"signal-{next(numbers)}", 1)
    if depth < 3:
        depth += 1
        os.kill(os.getpid(), signal.SIGUSR1)  # a handler in the middle of a handler
        depth -= 1
signal.signal(signal.SIGALRM, on)
signal.signal(signal.SIGUSR1, on)
wg.log_label("m", "first", 1)
interval = float(os.environ["EVERY"])
signal.setitimer(signal.ITIMER_REAL, interval, interval)
for number in range(int(os.environ["EVENTS"])):
    wg.log_label("m", f"main-{number}", 1)
signal.setitimer(signal.ITIMER_REAL, 0)
print(next(numbers))
"""


@pytest.mark.parametrize(
    ("durability", "events", "every"), [("default", 8000, "0.001"), ("fast", 20000, "0.001"), ("sync", 200, "0.03")]
)
def test_handlers_record_in_the_middle_of_an_append_and_of_each_other(python, remote, durability, events, every):
    said = python(SIGNALS, WATCHGLASS_DURABILITY=durability, EVENTS=str(events), EVERY=every, WATCHGLASS_ROLL_BYTES="50000").stdout  # fmt: skip
    count = int(said)
    assert count >= 4, "one alarm, and the handlers in its middle"
    ids = [row["id"] for row in remote.rows()]
    assert sorted(ids) == sorted(["first", *(f"signal-{n}" for n in range(count)), *(f"main-{n}" for n in range(events))])  # fmt: skip


def test_a_handler_may_be_the_first_to_record_even_while_a_thread_is_started(python, remote):
    script = """
import signal, threading
import watchglass as wg
from watchglass.capture import recorder
wg.log_label  # loaded, as nothing imports in the middle of an import
told = []
def on(signum, frame):
    told.append(1)
    wg.log_label("m", f"signal-{len(told)}", 1)
    recorder.current()._beat.stop()
    recorder.current()._beat = None  # the next one begins anew
    if ringing:
        signal.setitimer(signal.ITIMER_REAL, 0.003)  # the next alarm, and none in the middle of this one
ringing = True
signal.signal(signal.SIGALRM, on)
signal.setitimer(signal.ITIMER_REAL, 0.003)
for _ in range(3000):
    thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
ringing = False
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(told))
"""
    count = int(python(script).stdout)
    assert count >= 4, "several alarms"
    assert sorted(row["id"] for row in remote.rows()) == sorted(f"signal-{n}" for n in range(1, count + 1))


def test_a_child_forked_by_any_thread_at_any_moment_goes_on(python, remote):
    script = """
import os, threading
import watchglass as wg
wg.init(durability=os.environ["WATCHGLASS_DURABILITY"])
stop = threading.Event()
def busy(name):
    number = 0
    while not stop.is_set():
        wg.log_prediction("m", id=f"{name}-{number}", features={"x": number}, prediction=0); number += 1
threads = [threading.Thread(target=busy, args=(f"t{k}",)) for k in range(2)]
for thread in threads: thread.start()
for turn in range(int(os.environ["TURNS"])):
    child = os.fork()
    if child == 0:
        wg.log_label("m", f"child-{turn}", 1)
        wg.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
"""
    for durability in ("default", "fast"):
        python(script, WATCHGLASS_DURABILITY=durability, TURNS=str(TURNS))
    labels = [row["id"] for row in remote.rows("label")]
    assert collections.Counter(labels) == {f"child-{turn}": 2 for turn in range(TURNS)}
    rows = collections.Counter(row["id"] for row in remote.rows("prediction"))
    assert set(rows.values()) <= {1, 2}, "one of each run of the script: no child wrote what its parent had in memory"
