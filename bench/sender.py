"""A service that records to a server in some state → what each call costs it over recording to a folder, and the memory it holds.

A process records for some seconds at the pace of a busy service (a pause of half a millisecond between calls), to a
folder, and to servers that take events, are down, take two seconds a request, and answer 500. The ways take turns.

`python -m bench.sender [--seconds 6] [--turns 3]`
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from bench.record import Row, note, say

if TYPE_CHECKING:
    from collections.abc import Sequence

WAYS = ("folder", "taking", "down", "slow", "500")
CLIENT = """
import json, sys, time
def held():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024
before = held()
import watchglass as wg
wg.init(store=sys.argv[1])
features = {f"f{n}": n / 7 for n in range(25)}
wg.log_prediction("far", version="1", features=features, prediction=1, score=0.5)
took, clock, end = [], time.perf_counter, time.perf_counter() + float(sys.argv[2])
while clock() < end:
    began = clock()
    wg.log_prediction("far", version="1", features=features, prediction=1, score=0.5)
    took.append(clock() - began)
    time.sleep(0.0005)
held = held() - before
began = clock()
took.sort()
told = {"median": took[len(took) // 2], "p99": took[len(took) * 99 // 100], "p999": took[len(took) * 999 // 1000],
        "calls": len(took), "held": held}
from watchglass.capture import recorder
recorder.close()
told["end"] = clock() - began
sys.stdout.write(json.dumps(told))
"""


class Server(BaseHTTPRequestHandler):
    """Takes events, takes them slowly, or does not."""

    protocol_version = "HTTP/1.1"
    way = "taking"

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer as this way does."""
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.way == "slow":
            time.sleep(2)
        text = b'{"accepted":1,"rejected_count":0,"duplicate":false}'
        self.send_response(500 if self.way == "500" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        """Have nothing to tell."""
        self.send_error(404)


def serve(way: str) -> None:
    """Serve in this way until killed; prints the port first."""
    Server.way = way
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()  # ends with who started it
    server.serve_forever()


def measured(way: str, seconds: float) -> dict[str, float]:
    """Run the client once against one way."""
    with tempfile.TemporaryDirectory() as folder:
        server = None
        where = f"{folder}/store"
        if way == "down":
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                where = f"http://127.0.0.1:{free.getsockname()[1]}"
        elif way != "folder":
            command = [sys.executable, "-m", "bench.sender", "--serve", way]
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert server.stdout is not None
            where = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        try:
            env = {**os.environ, "WATCHGLASS_SPOOL": f"{folder}/spool"}
            client = [sys.executable, "-c", CLIENT, where, str(seconds)]
            done = subprocess.run(client, env=env, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            if server is not None:
                server.kill()
                server.communicate()
        found: dict[str, float] = json.loads(done.stdout)
        return found


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.serve:
        serve(given.serve)
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(given.turns):
        for way in WAYS:
            note(f"turn {turn + 1} of {given.turns}: {way}")
            found[way].append(measured(way, given.seconds))
    say("sender", rows(found))


def rows(found: dict[str, list[dict[str, float]]]) -> list[Row]:
    """Turn what was measured into promises: the middle of the turns counts."""
    made = []
    for way in WAYS[1:]:
        name = {
            "taking": "that takes events",
            "down": "that is down",
            "slow": "that takes 2 s a request",
            "500": "that answers 500",
        }[way]
        for figure, shown in (("median", "median"), ("p99", "p99"), ("p999", "p99.9")):
            middle = {which: 1000 * statistics.median(run[figure] for run in found[which]) for which in ("folder", way)}
            added = middle[way] - middle["folder"]
            calls = int(sum(run["calls"] for run in found[way]))
            what = f"added to a call, {shown}, server {name}"
            bar, ok = ("≤ 1", added <= 1) if figure != "p999" else ("", None)
            made.append(
                Row(what, "ms", added, bar, middle["folder"], "the same call to a folder", ok, f"{calls} calls")
            )
        held = max(run["held"] for run in found[way])
        made.append(
            Row(
                f"memory over the host, server {name}",
                "MB",
                held,
                "≤ 20",
                max(run["held"] for run in found["folder"]),
                "recording to a folder",
                held <= 20,
            )
        )
        ended = max(run["end"] for run in found[way])
        made.append(Row(f"end of the process, server {name}", "s", ended, "≤ 2.5", ok=ended <= 2.5))
    return made  # fmt: skip


if __name__ == "__main__":
    main()
