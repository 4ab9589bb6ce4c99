"""Processes record to a server, they and the server are killed again and again: in the end the store holds every event exactly once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import watchglass as wg
from watchglass.capture import spool
from watchglass.capture.sender import Sender

HERE = Path(__file__).parent
LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))
EVENTS = 20_000 if LONG else 4_000
MANY = 2_000_000 if LONG else 200_000  # more than there is time for
KILLS = {"client": 30, "server": 30, "both": 30} if LONG else {"client": 3, "server": 2, "both": 2}


class Server:
    """`watchglass serve` over one store on one port, which may die and come back."""

    def __init__(self, folder):
        self.folder = folder
        self.port = 0
        self.process = None

    def start(self):
        words = ["serve", "--store", str(self.folder), "--port", str(self.port), "--json"]
        command = [sys.executable, "-c", "from watchglass.cli.main import main; main()", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told = self.process.stdout.readline()
        if not told:
            self.end()
            pytest.fail("the server does not start")
        self.url = json.loads(told)["address"].rstrip("/")
        port = int(self.url.rpartition(":")[2])
        assert self.port in (0, port), "the port of the server before is taken"
        self.port = port

    def kill(self):
        self.process.kill()
        self.end()

    def end(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "store")
    made.start()
    yield made
    made.end()


class Writers:
    """Processes that record to a server by one spool, and what each was told is recorded."""

    def __init__(self, folder, url):
        self.folder = folder
        self.url = url
        self.told = []
        self.running = []
        self.spool = str(folder / "spool" / spool.folder_name(url))

    def start(self, count=EVENTS, **environment):
        name = f"w{len(self.told)}"
        self.told.append(self.folder / name)
        env = {**os.environ, "WATCHGLASS_SPOOL": str(self.folder / "spool"), **environment}
        command = [sys.executable, str(HERE / "remote_writer.py"), self.url, str(count), name]
        with self.told[-1].open("w") as output:
            self.running.append(subprocess.Popen(command, stdout=output, env=env))
        return self.running[-1]

    def end(self):
        for process in self.running:
            process.kill()
            process.wait()

    def acknowledged(self):
        lines = [line for path in self.told for line in path.read_text().splitlines(keepends=True)]
        return {line.strip() for line in lines if line.endswith("\n") and line != "done\n"}

    def deliver(self, seconds=60):
        """Ship what the dead left, as the next process with this spool does."""
        one = Sender(self.url, self.spool)
        one.start()
        end = time.monotonic() + seconds
        while any(spool.waiting(self.spool, log) for log in ("graph", "rows")):
            assert time.monotonic() < end, "it does not arrive"
            time.sleep(0.05)
        one.close(5)


@pytest.fixture
def writers(tmp_path, server):
    made = Writers(tmp_path, server.url)
    yield made
    made.end()


def seen(folder):
    with wg.open(folder) as store:
        store.compact()
        rows = store.sql("SELECT id, (features->>'x')::DOUBLE AS x FROM predictions", model=None).rows()
    assert all(row["x"] == float(row["id"].partition("-")[2]) for row in rows)
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids)), "an event is there twice"
    return set(ids)


def test_a_process_records_to_a_server_by_its_url(server, writers):
    assert writers.start().wait(60) == 0
    writers.deliver()
    assert seen(server.folder) == {f"w0-{number}" for number in range(EVENTS)}


def test_what_was_recorded_while_the_server_was_down_comes_with_the_next_process(server, writers):
    server.kill()
    begun = time.monotonic()
    assert writers.start(WATCHGLASS_DELIVER_SECONDS="0.5").wait(60) == 0
    assert time.monotonic() - begun < 30, "the end of the process waited for a server that is down"
    assert spool.waiting(writers.spool, "rows")
    server.start()
    assert writers.start(10).wait(60) == 0
    writers.deliver()
    assert seen(server.folder) == writers.acknowledged()
    assert len(writers.acknowledged()) == EVENTS + 10


@pytest.mark.slow
@pytest.mark.parametrize("victims", ["client", "server", "both"])
def test_kills_lose_nothing_that_was_acknowledged_and_double_nothing(server, writers, victims):
    chance = random.Random(victims)
    small = {"WATCHGLASS_ROLL_BYTES": "60000", "WATCHGLASS_ROLL_SECONDS": "0.3"}
    running = [writers.start(MANY, **small) for _ in range(2)]
    for _ in range(KILLS[victims]):
        time.sleep(chance.uniform(0.2, 1.5))
        if victims != "server":
            running[0].kill()
            running[0].wait()
            running = [running[1], writers.start(MANY, **small)]
        if victims != "client":
            server.kill()
            time.sleep(chance.uniform(0, 0.5))
            server.start()
    writers.end()
    writers.deliver(120)
    known, found = writers.acknowledged(), seen(server.folder)
    assert len(known) > 1000
    assert known <= found, "an acknowledged event was lost"
    assert len(found - known) <= 60 * (KILLS[victims] + 2), "more than was in a killed writer's buffer of words"
