"""A server of a folder, as `watchglass serve` starts it, for tests that speak to it over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

import watchglass as wg

COMMAND = [sys.executable, "-c", "from watchglass.cli.main import main; main()", "serve", "--port", "0", "--json"]


@dataclass
class Served:
    """A server process and a client of it."""

    process: subprocess.Popen
    url: str
    folder: Path

    def post(self, path, content, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(f"{self.url}/api/v1/{path}", content=content, headers=named, timeout=60)

    def get(self, path):
        return httpx.get(f"{self.url}{path}", timeout=60)

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def rows(self, query):
        with wg.open(self.folder) as store:
            return store.sql(query).rows()

    def rejected(self):
        """Compact, and give what was refused with its raw text."""
        import sqlite3

        with wg.open(self.folder) as store:
            store.compact()
        with sqlite3.connect(self.folder / "catalog.db") as catalog:
            found = catalog.execute("SELECT reason, raw FROM rejected ORDER BY id").fetchall()
        catalog.close()
        return found

    def children(self):
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self, seconds=60):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextmanager
def serving(folder, *options, **environment):
    """Serve a folder until the block ends; without maintenance unless the options say so."""
    process = subprocess.Popen(
        [*COMMAND, "--store", str(folder), *(options or ["--no-maintain"])],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        line = process.stdout.readline()
        assert line, "the server did not start"
        yield Served(process, json.loads(line)["address"], Path(folder))
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
        process.stdout.close()


def until(true, seconds=60):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)
