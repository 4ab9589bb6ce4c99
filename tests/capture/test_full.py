"""A disk without room, or one that may not be written to: counted, told, survived, without a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time

import pytest

import watchglass as wg
from watchglass.capture import drops, losses, recorder, room
from watchglass.capture.room import Bounds

PATIENCE = 20


def wait_for(condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def predict(number, size=100):
    return wg.log_prediction("m", id=str(number), features={"text": "x" * size}, prediction=1)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A disk of 512 KB, all of which may be used; its end gives it back."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], capture_output=True, text=True, check=False)  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    monkeypatch.setenv("WATCHGLASS_FREE_BYTES", "0")
    monkeypatch.setattr(drops, "_warned", {})
    yield disk
    recorder.close()
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def remount(small):
    """Make the disk read-only, or not."""

    def change(how):
        subprocess.run(["mount", "-o", f"remount,{how}", str(small)], check=True, capture_output=True)

    yield change
    change("rw")


def stored(disk):
    """Read the ids of all rows; a torn line would not be JSON."""
    found = []
    for path in sorted((disk / "store" / "log" / "rows").glob("*.jsonl")):
        data = path.read_bytes()
        assert data == b"" or data.endswith(b"\n")
        found += [json.loads(line)["id"] for line in data.splitlines()]
    return found


def fill(disk):
    """Take what room is left."""
    handle = os.open(disk / "ballast", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        while True:
            os.write(handle, b"x" * 4096)
    except OSError:
        os.close(handle)
    return disk / "ballast"


def page(disk):
    """Read what another process sees of the losses of the one process that records there."""
    for path in (disk / "store" / "log" / "drops").glob("*"):
        assert path.stat().st_size == drops.PAGE
        return json.loads(path.read_text())
    return {"reasons": None}


def paged(disk):
    """Say whether the file of losses is there: the background thread makes it while there is room."""
    return any(path.stat().st_size == drops.PAGE for path in (disk / "store" / "log" / "drops").glob("*"))


@pytest.mark.parametrize("durability", ["default", "sync"])
def test_a_full_disk_drops_counts_warns_and_recovers(small, lost, caplog, durability):
    wg.init(small / "store", durability=durability)
    acknowledged = ["first"]
    predict("first")
    wait_for(lambda: paged(small))
    for number in range(3000):
        before = sum(lost().values())
        predict(number, size=number % 700)
        if sum(lost().values()) == before:
            acknowledged.append(str(number))
    assert lost()["ENOSPC"] == 3001 - len(acknowledged) > 0
    assert stored(small) == acknowledged
    warnings = [one.message for one in caplog.records if "ENOSPC" in one.message]
    assert len(warnings) == 1
    assert str(small / "store") in warnings[0]
    told = wait_for(lambda: page(small)["reasons"] == {"ENOSPC": lost()["ENOSPC"]} and page(small))
    assert told["writer"].split(":")[1] == str(os.getpid())

    (segment,) = (small / "store" / "log" / "rows").iterdir()
    segment.unlink()
    wg.flush()
    predict("after")
    assert stored(small)[-1] == "after"
    assert lost()["ENOSPC"] == 3001 - len(acknowledged)


def test_a_short_write_glues_no_two_events_and_tears_none(small, lost):
    wg.init(small / "store")
    predict("first")
    ballast = fill(small)
    for number in range(50):
        predict(f"lost-{number}", size=5000)
        predict(f"small-{number}", size=1)
    assert lost()["ENOSPC"] > 0
    kept = stored(small)
    assert kept[0] == "first"
    assert len(kept) - 1 == 100 - lost()["ENOSPC"]
    ballast.unlink()
    predict("after", size=5000)
    assert stored(small) == [*kept, "after"]


def test_a_read_only_disk_drops_and_recovers(small, remount, lost):
    remount("ro")
    wg.init(small / "store")
    predict(1)
    assert lost() == {"EROFS": 2}, "the row, and its columns' announcement"
    remount("rw")
    predict(2)
    assert stored(small) == ["2"]
    wait_for(lambda: page(small)["reasons"] == {"EROFS": 2})


def test_fast_keeps_what_it_took_until_there_is_room_again(small, lost, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_HELD_BYTES", "20000")
    wg.init(small / "store", durability="fast")
    predict("first")
    wg.flush()
    ballast = fill(small)
    for number in range(400):
        predict(number)
    dropped = wait_for(lambda: lost().get("ENOSPC") or lost().get("ENOBUFS"))
    total = sum(lost().values())
    assert dropped
    ballast.unlink()
    wait_for(lambda: len(stored(small)) == 401 - total)
    predict("after")
    wg.flush()
    assert stored(small)[-1] == "after"
    assert sum(lost().values()) == total


def test_fast_counts_what_no_disk_takes_before_the_end(small, lost):
    wg.init(small / "store", durability="fast")
    predict("first")
    wg.flush()
    fill(small)
    for number in range(30):
        predict(number, size=3000)
    recorder.close()
    assert lost()["ENOSPC"] == 31 - len(stored(small)) > 0


def test_block_waits_for_room_and_loses_nothing(small, lost):
    wg.init(small / "store", on_full="block")
    predict("first")
    ballast = fill(small)
    threading.Timer(0.5, os.unlink, [ballast]).start()
    for number in range(5):
        predict(number, size=3000)
    assert not ballast.exists()
    assert lost() == {}
    assert stored(small) == ["first", "0", "1", "2", "3", "4"]


def test_block_gives_up_after_the_time_that_is_set(small, lost, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_BLOCK_SECONDS", "0.2")
    wg.init(small / "store", on_full="block")
    predict("first")
    fill(small)
    began = time.monotonic()
    predict("second", size=5000)
    assert time.monotonic() - began > 0.2
    assert lost() == {"ENOSPC": 1}


def test_while_one_thread_is_blocked_a_signal_handler_and_a_fork_go_on(small, lost, monkeypatch):
    wg.init(small / "store", on_full="block")
    predict("first")
    ballast = fill(small)
    handled = []

    def handler(number, frame):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        handled.append(recorder.dropped())
        ballast.unlink()

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        predict("second", size=5000)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handled
    assert stored(small) == ["first", "second"]
    assert lost() == {}


def test_the_log_holds_no_more_than_is_set_until_it_is_compacted(tmp_path, lost, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_LOG_BYTES", "20000")
    wg.init(tmp_path / "store")
    predict("first", size=30_000)
    wait_for(lambda: recorder.current()._full)
    predict("second")
    assert wg.log_predictions("m", [{"p": 1, "t": 0}] * 3, prediction="p", time="t") == 0
    assert lost() == {"log_bytes": 4}
    recorder.current()._rows.close()
    for path in (tmp_path / "store" / "log" / "rows").iterdir():
        path.unlink()  # as a compactor does
    wait_for(lambda: not recorder.current()._full)
    predict("third")
    assert lost() == {"log_bytes": 4}


def test_so_much_of_the_disk_stays_free(small, lost, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_FREE_BYTES", "1000000000")  # a twentieth of this disk is less
    wg.init(small / "store")
    while os.statvfs(small).f_bavail * os.statvfs(small).f_frsize > 20_000:
        predict("some", size=1000)
    assert lost() == {}
    wait_for(lambda: recorder.current()._full)
    predict("one too many")
    assert lost() == {"free_bytes": 1}
    assert "one too many" not in stored(small)


def test_room_says_what_is_in_the_way(tmp_path):
    assert room.look(str(tmp_path / "nowhere"), Bounds(0, 0)) is None
    (tmp_path / "log" / "rows").mkdir(parents=True)
    (tmp_path / "log" / "rows" / "a.jsonl").write_bytes(b"x" * 100)
    assert room.look(str(tmp_path), Bounds(101, 0)) is None
    full = room.look(str(tmp_path), Bounds(100, 0))
    assert full is not None
    assert (full.setting, "100 bytes" in full.text) == ("log_bytes", True)


def test_a_log_of_many_files_is_looked_at_less_often(tmp_path):
    (tmp_path / "log" / "rows").mkdir(parents=True)
    for number in range(3000):
        (tmp_path / "log" / "rows" / f"{number}.jsonl").touch()
    here = room.Room(str(tmp_path), Bounds(100, 0))
    before = time.process_time()
    for _ in range(20_000):
        assert here.look() is None
    looked = time.process_time() - before
    before = time.process_time()
    for _ in range(20):
        room.look(str(tmp_path), Bounds(100, 0))
    assert looked < time.process_time() - before, "20,000 questions cost less than 20 looks"


def test_losses_are_an_event_too_and_a_process_without_any_leaves_no_file(python, remote):
    script = """
import watchglass as wg
from watchglass.capture import drops
wg.log_label("m", "a", 1)
{}
"""
    python(script.format("pass"))
    assert list(remote.root.glob("log/drops/*")) == []
    assert remote.graph("drops") == []
    python(script.format("drops.count('ENOSPC', 'a test', 3); drops.count('encode', 'a test')"))
    (path,) = (remote.root / "log" / "drops").iterdir()
    kept = json.loads(path.read_text())
    (told,) = remote.graph("drops")
    assert kept["reasons"] == told["reasons"] == {"ENOSPC": 3, "encode": 1}
    assert kept["writer"] == told["writer"]
    assert path.stem == kept["writer"].replace(":", "-")
    assert remote.sealed(path), "its writer is gone, as its lock says"


def test_a_killed_process_leaves_what_it_lost(tmp_path, python, remote):
    script = """
import os, signal, time, watchglass as wg
from watchglass.capture import drops
wg.log_label("m", "a", 1)
drops.count("ENOSPC", "a test", 7)
time.sleep(3)
os.kill(os.getpid(), signal.SIGKILL)
"""
    python(script, check=False)
    (path,) = (remote.root / "log" / "drops").iterdir()
    assert json.loads(path.read_text())["reasons"] == {"ENOSPC": 7}
    assert remote.graph("drops")[-1]["reasons"] == {"ENOSPC": 7}


def test_the_event_is_told_again_only_after_a_while_and_at_the_end(tmp_path, lost):
    told = []
    found = losses.Losses(str(tmp_path))
    found.open()
    for moment in (100.0, 101.0, 109.0, 111.0, 111.5):
        drops.count("ENOSPC", "a test")
        found.tell(moment, lambda data: told.append(json.loads(data)["reasons"]["ENOSPC"]))
    assert told == [1, 4]
    found.tell(112.0, lambda data: told.append(json.loads(data)["reasons"]["ENOSPC"]), last=True)
    assert told == [1, 4, 5]
    found.close()


def test_an_event_that_could_not_be_told_is_told_later(tmp_path, lost):
    found = losses.Losses(str(tmp_path / "absent" / "store"))
    (tmp_path / "absent").write_text("not a folder")
    drops.count("ENOSPC", "a test")

    def refuse(data):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        found.tell(100.0, refuse)
    told = []
    with pytest.raises(NotADirectoryError):
        found.tell(101.0, told.append)  # the file still cannot be made
    assert len(told) == 1


def test_many_reasons_fit_the_page():
    data = drops.page("host:1:ab", {f"reason {number} {'x' * 60}": number for number in range(100)}, 5)
    assert len(data) == drops.PAGE
    told = json.loads(data)["reasons"]
    assert sum(told.values()) == sum(range(100))
    assert "other" in told
