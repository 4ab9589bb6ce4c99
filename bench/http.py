"""Batches of predictions over HTTP → acknowledged events a second, latency, memory and CPU of the server, and whether every one is stored once.

Four client processes post prepared batches of 500 events of 25 features over kept connections, to `watchglass serve` with
its maintenance. Measured beside it in the same run: the same posts to an application that only reads the body, and the
same bytes written, synced and renamed without a server.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import watchglass as wg
from bench.load.posting import batch
from bench.record import Row, note, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLIENTS: Final = 4
EVENTS: Final = 500
RATE: Final = 30_000
SLOWEST: Final = 200.0
LOADED_MB: Final = 600.0
IDLE_MB: Final = 200.0
IDLE_WAIT: Final = 90.0
_TICK: Final = os.sysconf("SC_CLK_TCK")
_BARE: Final = """
import sys, uvicorn
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
import socket
bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
bound.bind(("127.0.0.1", 0))
print('{"address": "http://127.0.0.1:%d"}' % bound.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[bound])
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server process and where it listens."""

    process: subprocess.Popen[str]
    port: int

    def family(self) -> list[int]:
        """Give its process number and those of its children."""
        found = [self.process.pid]
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def memory(self) -> tuple[float, float]:
        """Sum the resident and the proportional megabytes of the family."""
        resident = shared = 0
        for pid in self.family():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue
            about = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
            resident += about["Rss"]
            shared += about["Pss"]
        return resident / 1024, shared / 1024

    def own_cpu(self) -> float:
        """Give the seconds of processor time of the server alone."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def cpu(self) -> float:
        """Sum the seconds of processor time of the server, its children that ended among them, and of those that live."""
        total = 0
        for pid in self.family():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += sum(int(fields[place]) for place in ((11, 12, 13, 14) if pid == self.process.pid else (11, 12)))
        return total / _TICK


@contextmanager
def server(command: Sequence[str]) -> Iterator[Server]:
    """Start a server that prints where it listens, and end it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield Server(process, int(json.loads(line)["address"].rpartition(":")[2]))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@dataclass(frozen=True, slots=True)
class Load:
    """What four clients saw."""

    events: int
    seconds: float
    latencies: tuple[float, ...]
    failed: int
    cpu: float

    @property
    def rate(self) -> float:
        """Acknowledged events a second."""
        return self.events / self.seconds

    def at(self, share: float) -> float:
        """Give a quantile of the latencies in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def load(port: int, seconds: float, path: str = "/api/v1/events") -> Load:
    """Post from four processes at once."""
    command = [sys.executable, "-m", "bench.load.posting", str(port), path, str(EVENTS), str(seconds)]
    begun = time.monotonic()
    clients = [subprocess.Popen([*command, str(place)], stdout=subprocess.PIPE, text=True) for place in range(CLIENTS)]
    told = [json.loads(client.communicate(timeout=seconds + 120)[0]) for client in clients]
    assert time.monotonic() > begun
    return Load(
        sum(one["acknowledged"] for one in told),
        max(one["seconds"] for one in told),
        tuple(latency for one in told for latency in one["latencies"]),
        sum(one["failed"] for one in told),
        sum(one["cpu"] for one in told),
    )


def disk(folder: Path, seconds: float) -> float:
    """Write, sync and rename the same batches without a server; gives events a second."""
    data = batch(0, 0, EVENTS)
    handle = os.open(folder, os.O_RDONLY)
    begun, done = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        path = folder / f"{done}.tmp"
        with path.open("wb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
        path.rename(folder / f"{done}.jsonl")
        os.fsync(handle)
        done += EVENTS
    taken = time.monotonic() - begun
    os.close(handle)
    return done / taken


def peaked(served: Server, seconds: float) -> tuple[Load, float, float]:
    """Post, and look at the memory every half second; gives the load and the most that was seen."""
    over, most = Event(), [0.0, 0.0]

    def look() -> None:
        while not over.wait(0.5):
            resident, shared = served.memory()
            most[0], most[1] = max(most[0], resident), max(most[1], shared)

    watcher = Thread(target=look)
    watcher.start()
    try:
        return load(served.port, seconds), most[0], most[1]
    finally:
        over.set()
        watcher.join()


def counted(store: Path) -> tuple[int, int]:
    """Count the stored predictions, and the distinct ids among them."""
    with wg.open(store) as opened:
        row = opened.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions").rows()[0]
    return int(str(row["n"])), int(str(row["ids"]))


def settled(served: Server, begun: float) -> tuple[float, float]:
    """Wait until the maintenance has ended, and give the memory that is left."""
    while time.monotonic() - begun < IDLE_WAIT and len(served.family()) > 1:
        time.sleep(1)
    return served.memory()


def measure(seconds: float) -> list[Row]:
    """Run all of it."""
    with tempfile.TemporaryDirectory(prefix="watchglass-http-") as folder:
        root = Path(folder)
        note("bare application")
        with server([sys.executable, "-c", _BARE]) as bare:
            limit = load(bare.port, min(seconds, 5))
        note("bare disk")
        (root / "disk").mkdir()
        bare_disk = disk(root / "disk", min(seconds, 5))
        note("watchglass serve")
        serve = [sys.executable, "-c", "from watchglass.cli.main import main; main()", "serve", "--port", "0", "--json"]
        with server([*serve, "--store", str(root / "store")]) as served:
            time.sleep(3)
            before = settled(served, time.monotonic())
            used, own = served.cpu(), served.own_cpu()
            found, resident, shared = peaked(served, seconds)
            ingest, own = served.cpu() - used, served.own_cpu() - own
            note(f"{found.rate:,.0f} events/s acknowledged; now it becomes quiet")
            idle = settled(served, time.monotonic())
            used = served.cpu() - used
        stored, distinct = counted(root / "store")
    exact = stored == distinct == found.events
    per_event = 1e6 / found.events
    return [
        Row(
            "acknowledged",
            "events/s",
            found.rate,
            f"≥ {RATE:,}".replace(",", " "),
            limit.rate,
            "the same posts to an application that only reads the body",
            found.rate >= RATE,
            f"batches of {EVENTS}, {CLIENTS} clients, {len(found.latencies)} requests, {found.failed} told to come again",
        ),
        Row("bare write, fsync and rename of the same bytes", "events/s", bare_disk),
        Row("answer, median", "ms", found.at(0.5), "", limit.at(0.5), "the bare application"),
        Row(
            "answer, 99 of 100",
            "ms",
            found.at(0.99),
            f"≤ {SLOWEST:g}",
            limit.at(0.99),
            "the bare application",
            found.at(0.99) <= SLOWEST,
        ),
        Row("CPU of the server while posted to", "µs/event", own * per_event),
        Row("CPU of server and maintenance while posted to", "µs/event", ingest * per_event),
        Row("CPU of server and maintenance until all is in the tables", "µs/event", used * per_event),
        Row(
            "CPU of the clients",
            "µs/event",
            found.cpu * per_event,
            "",
            limit.cpu * 1e6 / limit.events,
            "to the bare application",
        ),
        Row(
            "memory before",
            "MB",
            before[0],
            f"≤ {IDLE_MB:g}",
            ok=before[0] <= IDLE_MB,
            detail=f"RSS of all processes; PSS {before[1]:.0f}",
        ),
        Row(
            "memory under load, the most",
            "MB",
            resident,
            f"≤ {LOADED_MB:g}",
            ok=resident <= LOADED_MB,
            detail=f"RSS of all processes; PSS {shared:.0f}",
        ),
        Row(
            "memory after",
            "MB",
            idle[0],
            f"≤ {IDLE_MB:g}",
            ok=idle[0] <= IDLE_MB,
            detail=f"RSS of all processes; PSS {idle[1]:.0f}",
        ),
        Row(
            "acknowledged events that are not in the store exactly once",
            "events",
            abs(stored - found.events) + stored - distinct,
            "0",
            ok=exact,
            detail=f"{stored} stored, {distinct} distinct, {found.events} acknowledged",
        ),
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.http", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    say("http", measure(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
