"""What waits in a spool reaches the server exactly once, across restarts, forks and several processes."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tests.capture.listening import PREDICTION, PROMPT, wait_for
from tests.ports import free_port

from watchglass.capture import drops
from watchglass.capture.segment import Log, new_name
from watchglass.capture.sender import Sender


def test_segments_go_graph_first_then_by_time_and_are_deleted_once_acknowledged(waiting, listening, send):
    for _ in range(3):
        waiting.segment(log="rows")
    waiting.segment(log="graph")
    order = [*waiting.names("graph"), *waiting.names("rows")]
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    assert server.keys == order
    assert sorted(server.ids(), key=int) == waiting.ids
    path, headers, _ = server.requests[0]
    assert path == "/api/v1/events?times=us"
    assert headers["Content-Type"] == "application/x-ndjson"
    assert "Authorization" not in headers


def test_a_segment_whose_writer_lives_stays_until_it_is_sealed(waiting, listening, send):
    log = Log(str(waiting.root), "rows", PROMPT)
    log.append(PREDICTION % (b"open", b""))
    waiting.segment(lines=1)
    server = listening()
    one = send(server.url)
    wait_for(lambda: len(waiting.names()) == 1)
    assert server.ids() == ["0"]
    log.append(PREDICTION % (b"second", b""))
    log.close()
    one.wake()
    wait_for(waiting.empty)
    assert server.ids() == ["0", "open", "second"]


def test_an_empty_segment_is_removed_without_a_request(waiting, listening, send):
    waiting.segment(lines=0)
    (waiting.root / "log" / "rows").mkdir(parents=True, exist_ok=True)
    (waiting.root / "log" / "rows" / f"{new_name()}.jsonl").write_bytes(b"")
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    assert server.requests == []


def test_two_processes_on_one_spool_ship_each_segment_once(waiting, listening, tmp_path):
    for _ in range(60):
        waiting.segment(lines=20)
    server = listening()
    script = f"""
import time
from watchglass.capture.sender import Sender
sender = Sender({server.url!r}, {str(waiting.root)!r}); sender.start(); time.sleep(3); sender.close(5)
"""
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert waiting.empty()
    assert sorted(server.ids(), key=int) == waiting.ids
    assert len(server.requests) == 60, "a segment was shipped by both"


def test_what_a_killed_sender_was_shipping_is_shipped_by_the_next_one(waiting, listening, send, tmp_path):
    for _ in range(5):
        waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "hang" if number == 2 else None
    script = f"""
import time
from watchglass.capture.sender import Sender
Sender({server.url!r}, {str(waiting.root)!r}).start(); time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    wait_for(lambda: len(server.requests) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(waiting.names()) == 4
    send(server.url)
    wait_for(waiting.empty)
    assert sorted(server.ids(), key=int) == waiting.ids


def test_closing_ends_the_thread_soon_whatever_the_server_does(waiting, listening, send):
    waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "hang"
    one = send(server.url)
    wait_for(lambda: len(server.requests) == 1)
    thread = one._thread
    one.close(0.3)
    thread.join(5)
    assert not thread.is_alive()
    assert len(waiting.names()) == 1, "nobody acknowledged it"
    assert len(server.requests) == 1, "it was not asked again on the way out"


def test_closing_ships_what_was_sealed_though_the_server_was_down_before(waiting, listening, send):
    port = free_port()
    waiting.segment()
    one = send(f"http://127.0.0.1:{port}")
    wait_for(lambda: one._carrier._failures >= 4)
    server = listening(port)
    waiting.segment()
    one.close(10)
    assert waiting.empty()
    assert server.ids() == waiting.ids
    one.start()
    waiting.segment()
    one.wake()
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids


def test_delivery_waits_for_this_process_and_says_whether_the_server_took_it(waiting, listening, send):
    server = listening()
    one = send(server.url)
    waiting.segment()
    assert one.deliver(10)
    assert server.ids() == waiting.ids
    assert one.deliver(0), "nothing waits"
    server.trouble = lambda number, key, data: (500, {})
    waiting.segment()
    assert not one.deliver(0.3)
    server.trouble = lambda number, key, data: (400, {})
    assert not one.deliver(10), "refused for good is not delivered"


def test_a_fork_in_the_middle_of_a_request_costs_nothing(waiting, listening, tmp_path):
    for _ in range(3):
        waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "slow" if number == 1 else None
    script = f"""
import os, time
from watchglass.capture.sender import Sender
from watchglass.capture import drops, spool
from watchglass.capture.segment import Limits, Log
root = {str(waiting.root)!r}
sender = Sender({server.url!r}, root); sender.start()
while not spool._held or sender._carrier.line._connection is None: time.sleep(0.001)
time.sleep(0.5)  # it waits for the answer now
child = os.fork()
if child == 0:
    sender.after_fork_in_child()
    assert not spool._held and sender._thread is None
    open_files = [os.readlink(f"/proc/self/fd/{{number}}") for number in range(3, 100) if os.path.exists(f"/proc/self/fd/{{number}}")]
    assert not [path for path in open_files if "socket" in path or ".jsonl" in path], open_files
    log = Log(root, "rows", Limits(60, 1 << 26, False))
    log.append(b'{{"kind":"prediction","id":"child"}}\\n')
    log.close()
    sender.start()
    ok = sender.deliver(20)
    sender.close(5)
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
deadline = time.monotonic() + 20
while any(spool.waiting(root, log) for log in ("rows", "graph")): assert time.monotonic() < deadline; time.sleep(0.02)
sender.close(5)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=False, timeout=60)
    assert done.returncode == 0
    assert sorted(server.ids()) == sorted([*waiting.ids, "child"])
    assert len(server.requests) == 4, "a segment was shipped twice"


def test_a_child_that_outlives_its_killed_parent_holds_no_segment_of_it(waiting, listening, send):
    waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "hang" if number == 1 else None
    script = f"""
import os, signal, time
from watchglass.capture.sender import Sender
sender = Sender({server.url!r}, {str(waiting.root)!r}); sender.start()
while sender._carrier.line._connection is None: time.sleep(0.001)
time.sleep(0.3)  # it waits for the answer now
if os.fork() == 0:
    sender.after_fork_in_child()
    time.sleep(8)
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    begun = time.monotonic()
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", script]) as process:
        assert process.wait(20) == -signal.SIGKILL
    send(server.url)
    wait_for(waiting.empty, 6)
    assert time.monotonic() - begun < 8, "the child was waited for"
    assert server.ids() == waiting.ids


def test_forks_while_the_first_request_is_made_do_not_hang_the_children(listening, tmp_path):
    server = listening()
    script = f"""
import os, time
from watchglass.capture.sender import Sender
sender = Sender({server.url!r}, {str(tmp_path / "spool")!r})
os.makedirs({str(tmp_path / "spool/log/rows")!r})
open({str(tmp_path / "spool/log/rows/a.jsonl")!r}, "wb").write(b'{{"kind":"label","id":"a"}}\\n')
sender.start()
children = []
for _ in range(15):
    child = os.fork()
    if child == 0:
        sender.after_fork_in_child()
        import http.client, ssl  # half done in the parent, whole here
        sender.start(); sender.close(5)
        os._exit(0)
    children.append(child)
    time.sleep(0.003)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 15
sender.close(5)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=False, timeout=60)
    assert done.returncode == 0
    assert server.ids() == ["a"]


def test_a_wake_in_the_middle_of_a_wake_does_not_hang(waiting, listening, send):
    one = send(listening().url)
    signal.signal(signal.SIGALRM, lambda signum, frame: one.wake())
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(50_000):
            one.wake()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert one._thread.is_alive()


def test_starting_from_several_threads_at_once_gives_one_thread(waiting, listening):
    one = Sender(listening().url, str(waiting.root))
    starters = [threading.Thread(target=one.start) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert [thread.name for thread in threading.enumerate()].count("watchglass-sender") == 1
    one.close(5)


def test_what_a_dead_process_could_not_record_is_told_the_server(waiting, listening, send):
    folder = waiting.root / "log" / "drops"
    folder.mkdir(parents=True)
    (folder / "host-1-ab.json").write_bytes(drops.page("host:1:ab", {"ENOSPC": 12}, 5))
    (folder / "host-2-cd.json").write_bytes(drops.page("host:2:cd", {}, 5))
    alive = os.open(folder / "host-3-ef.json", os.O_CREAT | os.O_RDWR)
    fcntl.flock(alive, fcntl.LOCK_SH)
    os.write(alive, drops.page("host:3:ef", {"EIO": 1}, 5))
    waiting.segment(lines=1)
    server = listening()
    send(server.url)
    wait_for(lambda: waiting.names("drops") == ["host-3-ef.json"])
    told = {"kind": "drops", "writer": "host:1:ab", "reasons": {"ENOSPC": 12}, "time": 5}
    assert [event for event in server.events if event["kind"] == "drops"] == [told]
    assert server.keys[1:] == ["host-1-ab.json"]
    os.close(alive)


@pytest.mark.parametrize("trouble", ["lost", (500, {}), "garbage"])
def test_the_end_tries_again_while_the_server_answers_at_all(waiting, listening, send, trouble):
    server = listening()
    one = send(server.url)
    wait_for(lambda: one._carrier._swept > 0)
    server.trouble = lambda number, key, data: trouble if number <= 2 else None
    waiting.segment()
    one.close(20)
    assert waiting.empty()
    assert server.ids() == waiting.ids


def test_the_end_does_not_wait_for_a_server_that_asks_for_more_time_than_there_is(waiting, listening, send):
    server = listening()
    server.trouble = lambda number, key, data: (503, {"Retry-After": "60"})
    waiting.segment()
    one = send(server.url)
    wait_for(lambda: server.requests)
    thread = one._thread
    one.close(30)
    thread.join(5)
    assert not thread.is_alive()
    assert len(server.requests) == 1
    assert len(waiting.names()) == 1


def test_at_the_interpreters_end_where_no_thread_starts_the_end_itself_ships(waiting, listening, send, monkeypatch):
    def none_starts(thread):
        raise RuntimeError

    waiting.segment()
    server = listening()
    monkeypatch.setattr(threading.Thread, "start", none_starts)
    one = Sender(server.url, str(waiting.root))
    one.start()
    monkeypatch.undo()
    one.close(10)
    assert waiting.empty()
    assert server.ids() == waiting.ids


def test_segments_that_are_sealed_just_before_the_end_are_shipped(waiting, listening, send):
    waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "slow" if number == 1 else None
    one = send(server.url)
    wait_for(lambda: server.requests)
    waiting.segment()  # the round under way does not know of it
    one.close(20)
    assert waiting.empty()
    assert server.ids() == waiting.ids
