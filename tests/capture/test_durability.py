"""What each durability promises about a kill and about a power cut, counted and read off the system calls of a real process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

import watchglass as wg
from watchglass.capture import recorder
from watchglass.capture.held import HeldLog
from watchglass.capture.segment import Limits

LONG = os.environ.get("WATCHGLASS_TORTURE") == "1"
WINDOW = 0.2

WRITER = """
import sys, time, watchglass as wg
wg.init(durability=sys.argv[1])
number = 0
while True:
    wg.log_prediction("m", version="1", id=str(number), features={"a": 1.5, "text": "x" * 200}, prediction=1)
    sys.stdout.write(f"{number} {time.monotonic_ns()}\\n"); sys.stdout.flush()
    number += 1
    time.sleep(0.0005)
"""


def killed(tmp_path, remote, durability, seconds):
    """Let a writer run and kill it; give when each event was acknowledged, when the kill came, and what is there."""
    env = {**os.environ, "WATCHGLASS_STORE": str(remote.root), "WATCHGLASS_ROLL_BYTES": "100000"}
    command = [sys.executable, "-c", WRITER, durability]
    process = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE)
    told: list[bytes] = []
    reader = threading.Thread(target=lambda: told.extend(process.stdout))
    reader.start()
    deadline = time.monotonic() + 60
    while len(told) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    remote.killed = True
    at = time.monotonic_ns()
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    reader.join(60)
    process.stdout.close()
    acknowledged = {int(one): int(when) for one, when in (line.split() for line in told if line.endswith(b"\n"))}
    assert len(acknowledged) >= 20
    return acknowledged, at, [int(row["id"]) for row in remote.rows("prediction")]


@pytest.mark.parametrize("durability", ["default", "sync"])
def test_a_kill_loses_nothing_acknowledged(tmp_path, remote, durability):
    for turn in range(10 if LONG else 2):
        acknowledged, _, stored = killed(tmp_path, remote, durability, 0.05 + 0.11 * turn)
        assert set(acknowledged) <= set(stored)
        assert len(stored) == len(set(stored))
        shutil.rmtree(remote.root)


def test_a_kill_in_fast_mode_loses_the_last_moment_alone(tmp_path, remote):
    lost_some = 0
    for turn in range(10 if LONG else 3):
        acknowledged, at, stored = killed(tmp_path, remote, "fast", 0.33 + 0.07 * turn)
        assert stored == list(range(len(stored))), "what is there is whole: no event is missing before the last moment"
        missing = [when for number, when in acknowledged.items() if number >= len(stored)]
        lost_some += bool(missing)
        # The writer may have been off the processor, as may its background thread: the window is theirs, measured from the kill.
        assert all((at - when) / 1e9 < WINDOW + 0.3 for when in missing)
        shutil.rmtree(remote.root)
    assert lost_some, "no turn caught an event in memory: this test showed nothing"


def test_fast_keeps_everything_when_the_process_ends_by_itself(python, remote):
    script = """
import watchglass as wg
wg.init(durability="fast")
for number in range(1000):
    wg.log_label("m", str(number), 1)
"""
    python(script)
    assert [row["id"] for row in remote.rows("label")] == [str(number) for number in range(1000)]


def test_fast_writes_within_the_window_and_wakes_from_idleness(logs, monkeypatch):
    wg.init(logs.root, durability="fast")
    for number in range(3):
        time.sleep(0.3 * number)
        wg.log_label("m", str(number), 1)
        deadline = time.monotonic() + 10
        while len(logs.rows("label")) <= number:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    wg.log_label("m", "flushed", 1)
    wg.flush()
    assert logs.rows()[-1]["id"] == "flushed"


def test_the_last_moment_of_fast_is_shorter_than_said(tmp_path):
    assert recorder.DRAIN_AFTER < WINDOW
    rung = []
    log = HeldLog(str(tmp_path), "rows", Limits(60, 1 << 26, sync=False, held=1000), lambda: rung.append(1))
    log.append(b"{}\n")
    log.append(b"{}\n")
    assert rung == [1], "the thread is woken once, by the first that waits"
    log.drain()
    for _ in range(12):
        log.append(b"{}\n")
    assert rung == [1] * 3, "by the first, and once more when half the memory is full"
    log.close()


def test_memory_is_bounded_and_what_waits_stays_in_order(tmp_path):
    log = HeldLog(str(tmp_path), "rows", Limits(60, 1 << 26, sync=False, held=1000), lambda: None)
    with pytest.raises(OSError, match="wait for the disk"):
        for number in range(100):
            log.append(b'{"n":%d}\n' % number)
    assert number == 1000 // (64 + 8)
    log.drain()
    log.append(b'{"n":100}\n')
    long = b'{"n":"' + b"x" * 2000 + b'"}\n'
    log.append(long)  # longer than all the memory: written at once, after what waits
    log.close()
    (path,) = (tmp_path / "log" / "rows").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[:number] == [b'{"n":%d}\n' % n for n in range(number)]
    assert lines[number:] == [b'{"n":100}\n', long]


# --- a power cut: what was fsynced is there, what was not is not ---

CALLS = re.compile(r"^\d+\s+(\d+\.\d+) (\w+)\((.*)$")


def traced(tmp_path, remote, script, *arguments):
    """Run a script under strace; give its calls as (time, name, the rest of the line)."""
    if shutil.which("strace") is None:
        pytest.skip("strace, which shows the system calls, is not installed")
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-ttt",
        "-y",
        "-s",
        "400",
        "-e",
        "trace=write,fsync,fdatasync,rename,openat",
        "-o",
        str(trace),
    ]
    env = {**os.environ, "WATCHGLASS_STORE": str(remote.root)}
    done = subprocess.run([*command, sys.executable, "-c", script, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    if done.returncode and "PTRACE" in done.stderr.upper():
        pytest.skip(f"system calls cannot be traced here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found = [CALLS.match(line) for line in trace.read_text().splitlines()]
    return [(float(one[1]), one[2], one[3]) for one in found if one]


SCRIPT = """
import os, sys, time, watchglass as wg
wg.init(durability=sys.argv[1])
for number in range(3):
    wg.log_label("m", f"label-{number}", 1)
    os.write(1, b"acknowledged %d\\n" % number)
time.sleep(float(sys.argv[2]))
os._exit(0)
"""


def test_sync_has_data_and_name_on_the_disk_before_the_call_returns(tmp_path, remote):
    calls = traced(tmp_path, remote, SCRIPT, "sync", "0")
    on_disk: set[str] = set()
    waiting: set[str] = set()
    folder, seen = False, 0
    for _, name, rest in calls:
        if name == "write" and "label-" in rest:
            waiting.add(re.search(r"label-\d", rest)[0])
        elif name == "fsync" and "/log/rows>" in rest:
            folder = True
        elif name == "fsync" and "/rows/" in rest:
            on_disk |= waiting
        elif name == "write" and "acknowledged" in rest:
            assert f"label-{seen}" in on_disk, "the data was not on the disk when the call returned"
            assert folder, "the new name was not on the disk when the call returned"
            seen += 1
    assert seen == 3


def test_default_has_data_and_name_on_the_disk_within_about_a_second(tmp_path, remote):
    calls = traced(tmp_path, remote, SCRIPT, "default", "3")
    written = max(when for when, name, rest in calls if name == "write" and "label-2" in rest)
    acknowledged = min(when for when, name, rest in calls if name == "write" and "acknowledged 2" in rest)
    files = [when for when, name, rest in calls if name == "fsync" and "/rows/" in rest and when > written]
    folders = [when for when, name, rest in calls if name == "fsync" and "/log/rows>" in rest]
    assert written < acknowledged < min(files), "in the log before the call returns, on the disk after"
    assert min(files) - written < 2.5
    assert min(folders) - written < 2.5


def test_fast_has_data_in_the_log_soon_and_on_the_disk_within_about_a_second(tmp_path, remote):
    calls = traced(tmp_path, remote, SCRIPT, "fast", "3")
    acknowledged = min(when for when, name, rest in calls if name == "write" and "acknowledged 0" in rest)
    written = min(when for when, name, rest in calls if name == "write" and "label-0" in rest)
    files = [when for when, name, rest in calls if name == "fsync" and "/rows/" in rest and when > written]
    assert acknowledged < written, "the caller did not wait for it"
    assert written - acknowledged < 1.5
    assert min(files) - acknowledged < 3


def test_fast_with_block_loses_nothing_however_fast_the_callers_are(logs, lost, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_HELD_BYTES", "100000")
    wg.init(logs.root, durability="fast", on_full="block")
    threads = [
        threading.Thread(target=lambda k=k: [wg.log_label("m", f"{k}-{n}", "x" * 500) for n in range(1000)])
        for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert lost() == {}
    ids = [row["id"] for row in logs.rows("label")]
    assert sorted(ids) == sorted(f"{k}-{n}" for k in range(3) for n in range(1000))
    for k in range(3):
        assert [one for one in ids if one.startswith(f"{k}-")] == [f"{k}-{n}" for n in range(1000)], "in order"
