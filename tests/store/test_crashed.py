"""Runs whose process was killed → crashed, seen by whoever asks next; nothing that lives is taken for dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import watchglass as wg
from tests.store.bench import BEGIN, Bench
from watchglass.capture import recorder
from watchglass.capture.origin import host
from watchglass.store import crashed
from watchglass.store.crashed import mark

WORK = """
import sys, time, watchglass as wg
wg.init(sys.argv[1], durability="default")
with wg.run("nightly") as run:
    run.param("day", 1)
    with wg.run("step"):
        print(run.id, flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def at_work(bench):
    """A process in the middle of two runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, bench.folder.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.run = process.stdout.readline().strip()
    yield process
    process.kill()
    process.communicate(timeout=60)


def statuses(bench):
    crashed._looked.clear()
    return {row["component"]: row["status"] for row in bench.ask("select component, status from runs")}


def test_a_process_that_is_killed_leaves_its_runs_crashed(bench, at_work):
    assert statuses(bench) == {"nightly": "running", "step": "running"}
    at_work.send_signal(signal.SIGKILL)
    at_work.wait(60)
    assert statuses(bench) == {"nightly": "crashed", "step": "crashed"}
    (row,) = bench.ask("select error, ended from runs where component = 'nightly'")
    assert row["error"] == f"its process {at_work.pid} on {host()} is gone"
    assert row["ended"] is None


def test_one_that_ends_is_not(bench, at_work):
    assert statuses(bench)["nightly"] == "running"
    at_work.communicate("\n", timeout=60)
    assert statuses(bench) == {"nightly": "ok", "step": "ok"}


def test_one_that_stands_still_is_not(bench, at_work):
    at_work.send_signal(signal.SIGSTOP)
    assert statuses(bench)["nightly"] == "running"
    at_work.send_signal(signal.SIGCONT)


def test_a_zombie_is_gone(bench, at_work):
    at_work.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while statuses(bench)["nightly"] != "crashed":  # nobody has waited for it yet
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_writer_of_a_sealed_log_is_crashed_too(bench, at_work):
    """Its segments are compacted and swept before anybody looks; upkeep looks itself."""
    at_work.send_signal(signal.SIGKILL)
    at_work.wait(60)
    bench.compact()
    (row,) = bench.ask("select status from runs where component = 'nightly'")
    assert row["status"] == "crashed"


def statuses_by_id(bench):
    return {row["id"]: row["status"] for row in bench.ask("select id, status from runs")}


def line(**more):
    return {"kind": "run", "id": "r1", "component": "work", "started": BEGIN, "status": "running", **more}


def test_a_late_end_holds_and_takes_the_error_away(bench):
    bench.write("graph", [line(links={"writer": f"{host()}:999999999:abcdef"})])
    assert statuses(bench) == {"work": "crashed"}
    bench.write("graph", [line(status="ok", ended=BEGIN + 5)])
    (row,) = bench.ask("select status, error, ended from runs")
    assert (row["status"], row["error"]) == ("ok", None)
    assert row["ended"] is not None
    assert statuses(bench) == {"work": "ok"}


def test_a_writer_on_another_machine_is_known_by_its_file_and_has_a_minute_to_make_it(bench):
    crashed._looked[bench.engine] = time.monotonic() + 1000  # only this test looks, with a clock of its own
    bench.write(
        "graph", [line(links={"writer": "elsewhere:1:abcdef"}), line(id="r2", links={"writer": "elsewhere:1:"})]
    )
    bench.ask("select 1 from runs")
    assert mark(bench.folder, bench.engine, now=BEGIN / 1e6 + 59) == 0
    assert mark(bench.folder, bench.engine, now=BEGIN / 1e6 + 61) == 1
    assert statuses_by_id(bench) == {"r1": "crashed", "r2": "running"}, "of one that has no file nothing can be known"


def test_a_file_on_another_machine_that_nobody_holds_is_death_at_once(bench):
    crashed._looked[bench.engine] = time.monotonic() + 1000
    bench.write("graph", [line(links={"writer": "elsewhere:1:abcdef"})])
    bench.ask("select 1 from runs")
    folder = bench.folder.root / "log" / "drops"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "elsewhere-1-abcdef.json").touch()
    assert mark(bench.folder, bench.engine, now=BEGIN / 1e6 + 1) == 1


def test_a_lock_on_its_file_is_life_whatever_the_pid_says(bench, tmp_path):
    bench.write("graph", [line(links={"writer": f"{host()}:999999999:abcdef"})])
    folder = bench.folder.root / "log" / "drops"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{host()}-999999999-abcdef.json"
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_SH); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    holder.stdout.readline()
    try:
        assert statuses(bench) == {"work": "running"}
    finally:
        holder.communicate(timeout=60)
    assert statuses(bench) == {"work": "crashed"}


def test_a_pid_that_another_process_has_now_is_not_life(bench):
    """This very process began long after the run."""
    bench.write("graph", [line(started=1_000_000, links={"writer": f"{host()}:{os.getpid()}:abcdef"})])
    assert statuses(bench) == {"work": "crashed"}


def test_a_run_of_which_nothing_can_be_known_stays_as_it_is(bench):
    bench.write("graph", [line(), line(id="r2", host=host(), pid=999999999), line(id="r3", links={"writer": "x:1:"})])
    crashed._looked.clear()
    assert {row["status"] for row in bench.ask("select status from runs")} == {"running"}


def test_a_run_that_a_server_no_longer_hears_of_is_crashed_until_it_does(bench):
    seen = BEGIN + 10_000_000
    bench.write("graph", [line(resources={"beat": 30, "seen": seen})])
    crashed._looked[bench.engine] = time.monotonic() + 1000  # only this test looks, with a clock of its own
    bench.ask("select 1 from runs")
    assert mark(bench.folder, bench.engine, now=seen / 1e6 + 110) == 0
    assert mark(bench.folder, bench.engine, now=seen / 1e6 + 130) == 1
    (row,) = bench.ask("select status, error from runs")
    assert (row["status"], row["error"]) == ("crashed", "nothing was heard of it for 130 s")
    bench.write("graph", [line(resources={"beat": 30, "seen": seen + 200_000_000})])
    (row,) = bench.ask("select status, error from runs")
    assert (row["status"], row["error"]) == ("running", None)


def test_a_server_puts_in_when_it_heard_of_a_run(tmp_path):
    from watchglass.receive.columns import Columns
    from watchglass.receive.lines import Lines, Reading

    lines = Lines(Reading(exact=True), Columns(lambda _: ()))
    lines.feed(json.dumps(line(resources={"beat": 30, "seen": 0})).encode())
    (told,) = (json.loads(one) for one in b"".join(lines.finish().graph).splitlines())
    assert abs(told["resources"]["seen"] / 1e6 - time.time()) < 60
    assert told["resources"]["beat"] == 30


def test_thousands_of_runs_are_looked_at_by_their_few_writers(bench):
    alive = f"{host()}:{os.getpid()}:abcdef"
    now = int(time.time() * 1e6)
    events = [line(id=f"r{n}", started=now, links={"writer": alive}) for n in range(3000)]
    events += [line(id=f"d{n}", started=now, links={"writer": f"{host()}:999999999:abcdef"}) for n in range(3000)]
    bench.write("graph", events)
    crashed._looked[bench.engine] = time.monotonic() + 1000
    bench.ask("select 1 from runs limit 1")
    begun = time.perf_counter()
    assert mark(bench.folder, bench.engine) == 3000
    assert mark(bench.folder, bench.engine) == 0
    assert time.perf_counter() - begun < 10


@pytest.mark.catalog_file
def test_a_run_is_asked_for_by_an_index(bench):
    import sqlalchemy as sa

    with bench.engine.connect() as connection:
        plan = connection.execute(
            sa.text(
                "explain query plan select id from runs where status <> 'ok' and status = 'running' "
                "and ended is null order by started limit 10"
            )
        ).all()
    assert "runs_not_ok" in str(plan)


def test_a_run_that_goes_to_a_server_beats_while_it_lasts(tmp_path, monkeypatch):
    from watchglass.capture import beats

    monkeypatch.setenv("WATCHGLASS_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr(beats, "BEAT_SECONDS", 0)
    wg.init("http://127.0.0.1:9")
    with wg.run("long"):
        beats.BEATS.tell()
        beats.BEATS.tell()
    beats.BEATS.tell()
    recorder.close()
    events = [
        json.loads(text) for path in (tmp_path / "spool").rglob("graph/*") for text in path.read_text().splitlines()
    ]
    runs = [event for event in events if event["kind"] == "run"]
    assert [event["status"] for event in runs] == ["running"] * 3 + ["ok"]
    assert [event["resources"] for event in runs[:3]] == [{"beat": 30, "seen": 0}] * 3
    assert "beat" not in runs[3]["resources"]
