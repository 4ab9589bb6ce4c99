"""The log's promises, with real processes: what was acknowledged is there, and a lock says who lives."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

import watchglass as wg
from watchglass.capture import drops, ids, recorder
from watchglass.capture.segment import ANNOUNCED, Limits, Log

PROMPT = Limits(seconds=60, size=1 << 26, sync=False)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def predict(number, **more):
    return wg.log_prediction("m", version="1", features={"n": number}, prediction=1, **more)


def test_a_killed_process_loses_nothing_it_was_told_is_recorded(tmp_path, remote):
    script = """
import sys, watchglass as wg
while True:
    print(wg.log_prediction("m", version="1", features={"text": "x" * 2000, "a": 1.5}, prediction=1), flush=True)
"""
    env = {**os.environ, "WATCHGLASS_STORE": str(remote.root), "WATCHGLASS_ROLL_BYTES": "500000"}
    remote.killed = True
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", script], env=env, cwd=tmp_path, stdout=subprocess.PIPE)
        told = [process.stdout.readline() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        acknowledged = {
            line.decode().strip() for line in [*told, *rest.splitlines(keepends=True)] if line.endswith(b"\n")
        }
        assert len(acknowledged) >= 300
        assert acknowledged <= {row["id"] for row in remote.rows("prediction")}
    assert all(remote.sealed(path) for path in remote.segments("rows"))


def test_names_ignore_file_and_lock(logs):
    predict(1)
    (path,) = logs.segments("rows")
    digits, _, process = path.name.removesuffix(ANNOUNCED).partition("-")
    assert len(digits) == 32
    assert int(process) == os.getpid()
    assert (logs.root / ".gitignore").read_text() == "*\n"
    assert not logs.sealed(path)
    recorder.close()
    assert logs.sealed(path)
    predict(2)
    assert len(logs.segments("rows")) == 2


def test_nothing_is_made_before_the_first_event(logs):
    assert not logs.root.exists()
    wg.flush()
    assert not logs.root.exists()


def test_segments_roll_by_size(tmp_path, logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_ROLL_BYTES", "5000")
    wg.init(logs.root)
    sent = [predict(number) for number in range(100)]
    wg.flush()
    paths = logs.segments("rows")
    assert len(paths) > 2
    assert all(path.stat().st_size < 5000 + 1000 for path in paths)
    assert [logs.sealed(path) for path in paths] == [True] * (len(paths) - 1) + [False]
    assert [row["id"] for row in logs.rows()] == sent


def test_an_idle_segment_is_sealed_without_a_new_event(logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_ROLL_SECONDS", "0.2")
    wg.init(logs.root)
    predict(1)
    (path,) = logs.segments("rows")
    wait_for(lambda: logs.sealed(path))
    predict(2)
    assert len(logs.rows()) == 2


def test_threads_write_whole_lines_while_segments_roll(logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_ROLL_BYTES", "20000")
    wg.init(logs.root)
    sent: list[str] = []
    threads = [
        threading.Thread(target=lambda: sent.extend(predict(n, tags={"t": "é" * 50}) for n in range(500)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [row["id"] for row in logs.rows()]
    assert sorted(found) == sorted(sent)
    assert len(set(found)) == 2000


def test_a_deleted_file_or_folder_costs_no_later_event(logs):
    predict(1)
    wg.flush()
    logs.segments("rows")[0].unlink()
    second = predict(2)
    wait_for(lambda: [row["id"] for row in logs.rows()] == [second])
    wg.flush()
    shutil.rmtree(logs.root)
    third = predict(3)
    wait_for(lambda: [row["id"] for row in logs.rows()] == [third])
    assert (logs.root / ".gitignore").exists()


def test_what_went_into_a_deleted_file_before_that_was_seen_is_written_again_once(logs):
    first = predict(1)
    recorder.current()._rows.look()
    logs.segments("rows")[0].unlink()
    sent = [predict(number) for number in range(20)]
    recorder.current()._rows.look()
    sent.append(predict(20))
    recorder.close()
    assert [row["id"] for row in logs.rows()] == sent
    assert first not in sent


def test_a_handle_closed_by_another_hand_is_neither_used_nor_closed(logs, tmp_path):
    predict(1)
    os.close(recorder.current()._rows._handle)
    other = os.open(tmp_path / "others.txt", os.O_CREAT | os.O_RDWR)  # most likely the very number
    second = predict(2)
    recorder.close()
    assert os.fstat(other).st_size == 0
    os.close(other)
    assert second in [row["id"] for row in logs.rows()]


def test_a_folder_that_cannot_be_made_drops_counts_and_warns_once_a_minute(tmp_path, lost, caplog):
    (tmp_path / "file").write_text("not a folder")
    wg.init(tmp_path / "file" / "store")
    drops._warned.pop("ENOTDIR", None)  # another test may have been warned this minute
    for number in range(5):
        assert predict(number)
    with wg.run("train") as run:
        run.note("goes on")
    # five rows, their schema tried each time, the run's start and end, its environment
    assert lost()["ENOTDIR"] == 5 + 5 + 2 + 1
    warnings = [entry for entry in caplog.records if entry.name == "watchglass" and "ENOTDIR" in entry.message]
    assert len(warnings) == 1


def test_a_full_disk_drops_and_counts(logs, lost):
    predict(1)
    log = recorder.current()._rows
    full = os.open("/dev/full", os.O_WRONLY)
    about = os.fstat(full)
    kept, log._handle, log._inode = (log._handle, log._inode), full, (about.st_ino, about.st_dev)
    predict(2)
    assert lost() == {"ENOSPC": 1}
    os.close(full)
    log._handle, log._inode = kept
    third = predict(3)
    assert [row["id"] for row in logs.rows()][-1] == third
    assert len(logs.rows()) == 2


def test_a_file_size_limit_tears_no_line_and_another_file_takes_over(python, remote):
    script = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
import watchglass as wg
from watchglass.capture import recorder
for number in range(60):
    print(wg.log_prediction("m", version="1", features={"n": number, "text": "x" * number}, prediction=1))
print(recorder.dropped())
"""
    *told, dropped = python(script).stdout.splitlines()
    assert dropped == "{}"
    assert [row["id"] for row in remote.rows("prediction")] == told
    assert len(remote.segments("rows")) > 3


def test_an_event_that_no_file_can_hold_is_dropped_and_the_next_is_not_glued_to_it(python, remote):
    script = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
import watchglass as wg
from watchglass.capture import recorder
for size in (10, 5000, 10):
    wg.log_prediction("m", version="1", id=str(size), features={"text": "x" * size}, prediction=1)
print(recorder.dropped())
"""
    assert python(script).stdout.strip() == "{'EFBIG': 1}"
    assert [row["id"] for row in remote.rows("prediction")] == ["10", "10"]


def test_a_torn_line_that_cannot_be_taken_back_ends_its_segment(tmp_path):
    log = Log(str(tmp_path), "rows", PROMPT)
    log.append(b'{"n":1}\n')
    read, write = os.pipe()  # takes a part without waiting, and cannot be cut
    os.set_blocking(write, False)
    os.write(write, b"x" * 65000)
    about = os.fstat(write)
    log._retire()
    log._handle, log._inode = write, (about.st_ino, about.st_dev)
    with pytest.raises(BlockingIOError):
        log._write(b"y" * 4595 + b"\n")  # 500 bytes fit into the last page, a page more does not
    log.append(b'{"n":2}\n')
    with pytest.raises(OSError, match="Invalid argument"):
        log.close()  # a pipe cannot be synced
    os.close(read)
    texts = [path.read_text() for path in sorted((tmp_path / "log" / "rows").iterdir())]
    assert texts == ['{"n":1}\n', '{"n":2}\n']


def test_another_init_closes_the_segments_of_the_store_before(logs, tmp_path):
    predict(1)
    wg.init(tmp_path / "other")
    assert all(logs.sealed(path) for path in logs.segments("rows"))
    predict(2)
    assert len(logs.rows()) == 1
    assert len(list((tmp_path / "other" / "log" / "rows").iterdir())) == 1
    assert list((tmp_path / "other" / "log" / "graph").iterdir()), "the columns are announced there too"


def test_disabled_records_nothing_but_still_tells_wrong_use(tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_DISABLED", "1")
    monkeypatch.chdir(tmp_path)
    wg.init()
    assert predict(1)
    with wg.run("train") as run:
        run.write({"a": 1}, "settings")
    assert wg.log_predictions("m", {"p": [1], "t": [0]}, prediction="p", time="t") == 0
    with pytest.raises(wg.WatchglassError):
        wg.log_prediction("")
    assert list(tmp_path.iterdir()) == []


def test_without_init_events_go_to_the_working_folder_and_stay_there(python, tmp_path):
    script = """
import os, watchglass as wg
wg.log_label("m", "a", 1)
os.chdir("/")
wg.log_label("m", "b", 1)
"""
    python(script, WATCHGLASS_STORE="")
    (segment,) = (tmp_path / "watchglass-data" / "log" / "rows").iterdir()
    assert [json.loads(line)["id"] for line in segment.read_text().splitlines()] == ["a", "b"]


def test_sync_means_on_the_disk_before_the_call_returns(tmp_path, python):
    script = """
import os
synced = []
fsync = os.fsync
os.fsync = lambda handle: (synced.append(os.fstat(handle).st_size), fsync(handle))[1]
import watchglass as wg
wg.init(durability="sync")
for number in range(3):
    wg.log_label("m", str(number), 1)
    print(len(synced))
"""
    assert python(script).stdout.split() == [
        "5",
        "6",
        "7",
    ]  # the new name and those of three folders once, then each line


def test_flush_and_the_clock_bring_what_is_new_to_the_disk(python):
    script = """
import os, time
synced = []
fsync = os.fsync
os.fsync = lambda handle: (synced.append(handle), fsync(handle))[1]
import watchglass as wg
wg.log_label("m", "a", 1)
print(len(synced))
wg.flush()
print(len(synced))
wg.flush(); time.sleep(2.2)
print(len(synced))
wg.log_label("m", "b", 1); time.sleep(2.2)
print(len(synced))
"""
    assert python(script).stdout.split() == ["0", "5", "5", "6"]  # file and four folders; nothing new; the file again


FORK = """
import os, fcntl, sys, time, subprocess
import watchglass as wg
from watchglass.capture import recorder
root = os.environ["WATCHGLASS_STORE"]
wg.log_label("m", "before", 1)
(mine,) = os.listdir(root + "/log/rows")
child = os.fork()
if child == 0:
    wg.log_label("m", "child", 1)
    os._exit(0)
os.waitpid(child, 0)
third = '''
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB); print("free")
except BlockingIOError:
    print("held")
'''
for name in sorted(os.listdir(root + "/log/rows")):
    subprocess.run([sys.executable, "-c", third, root + "/log/rows/" + name])
wg.log_label("m", "after", 1)
print(open(root + "/log/rows/" + mine).read().count("\\n"), len(os.listdir(root + "/log/rows")))
"""


def test_a_forked_child_has_segments_of_its_own_and_leaves_the_parents_lock(python, remote):
    assert python(FORK).stdout.split() == ["held", "free", "2", "2"]
    assert {row["id"] for row in remote.rows("label")} == {"before", "child", "after"}


def test_children_of_multiprocessing_record_while_the_parent_goes_on(python, remote):
    script = """
import multiprocessing, threading
import watchglass as wg
def work(number):
    for step in range(200):
        wg.log_prediction("m", version="1", id=f"{number}-{step}", features={"x": step}, prediction=0)
stop = threading.Event()
def busy():
    n = 0
    while not stop.is_set():
        wg.log_label("m", f"parent-{n}", 1); n += 1
thread = threading.Thread(target=busy, daemon=True); thread.start()
context = multiprocessing.get_context("fork")
for _ in range(5):
    children = [context.Process(target=work, args=(f"{_}{k}",)) for k in range(3)]
    [child.start() for child in children]; [child.join(30) for child in children]
    assert [child.exitcode for child in children] == [0, 0, 0], "a child hung or failed"
stop.set(); thread.join()
"""
    python(script)
    found = [row["id"] for row in remote.rows("prediction")]
    assert len(found) == len(set(found)) == 5 * 3 * 200
    labels = [row["id"] for row in remote.rows("label")]
    assert len(labels) == len(set(labels)) > 0
    assert len(remote.graph("schema")) == 15, "each process announces its columns before its first row"


def test_a_signal_that_records_in_the_middle_of_an_append_does_not_hang(python, remote):
    script = """
import itertools, signal, watchglass as wg
numbers = itertools.count()
def on(signum, frame):
    wg.log_label("m", f"signal-{next(numbers)}", 1)
wg.log_label("m", "first", 1)  # no import is made whole in the middle of itself, here or elsewhere
signal.signal(signal.SIGALRM, on)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for number in range(8000):
    wg.log_label("m", f"main-{number}", 1)
signal.setitimer(signal.ITIMER_REAL, 0)
print(next(numbers))
"""
    count = int(python(script).stdout)
    found = [row["id"] for row in remote.rows("label")]
    assert count > 10
    assert sorted(found) == sorted(
        {"first", *(f"signal-{n}" for n in range(count)), *(f"main-{n}" for n in range(8000))}
    )


def test_what_is_recorded_at_the_very_end_of_a_process_is_kept(python, remote):
    script = """
import atexit, watchglass as wg
class Late:
    def __del__(self): wg.log_label("m", "finaliser", 1)
late = Late()
atexit.register(lambda: wg.log_label("m", "exit", 1))
wg.log_label("m", "main", 1)
atexit.register(lambda: wg.log_label("m", "exit 2", 1))
"""
    python(script)
    assert {row["id"] for row in remote.rows("label")} >= {"main", "exit", "exit 2", "finaliser"}


def test_ids_and_files_are_limited_here_too():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY, "no test changed this process"
    assert ids.new_id() < ids.new_id()
