"""A store of its own for each test, and how to read what lies in its logs."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.capture.listening import Listening, Waiting

import watchglass as wg
from watchglass.capture import drops, recorder
from watchglass.capture.sender import Sender

if TYPE_CHECKING:
    from pathlib import Path


class Logs:
    """A store's folder as another process sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.killed = False
        """Whether a writer was killed: a kill may cut the write(2) of a line, which was then not acknowledged."""

    def segments(self, log: str) -> list[Path]:
        return sorted((self.root / "log" / log).glob("*.jsonl"))

    def events(self, log: str, kind: str | None = None) -> list[dict]:
        found = []
        for path in self.segments(log):
            data = path.read_bytes()
            if not self.killed:
                assert data == b"" or data.endswith(b"\n"), f"{path.name} ends in the middle of a line"
            found += [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
        return [event for event in found if kind is None or event["kind"] == kind]

    def rows(self, kind: str | None = None) -> list[dict]:
        return self.events("rows", kind)

    def graph(self, kind: str | None = None) -> list[dict]:
        return self.events("graph", kind)

    def sealed(self, path: Path) -> bool:
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True


@pytest.fixture
def logs(tmp_path):
    """Record into a folder of this test."""
    root = tmp_path / "store"
    wg.init(root)
    return Logs(root)


@pytest.fixture
def python(tmp_path):
    """Run a script in a process of its own, with a store of its own unless told."""

    def run(script, *, check=True, **environment):
        env = {**os.environ, "WATCHGLASS_STORE": str(tmp_path / "store"), "PYTHONWARNINGS": "ignore", **environment}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def lost():
    """Count what is dropped from here on."""
    before = recorder.dropped()
    return lambda: {
        why: count - before.get(why, 0) for why, count in recorder.dropped().items() if count != before.get(why, 0)
    }


@pytest.fixture
def remote(tmp_path):
    """The store that `python` records into."""
    return Logs(tmp_path / "store")


@pytest.fixture
def waiting(tmp_path):
    """Give a spool that fills as a recorder fills it."""
    return Waiting(tmp_path / "spool")


@pytest.fixture
def listening():
    """Start servers that end with the test."""
    made = []

    def listen(*arguments, **more):
        made.append(Listening(*arguments, **more))
        return made[-1]

    yield listen
    for server in made:
        server.stop()


@pytest.fixture
def send(waiting, monkeypatch):
    """Ship that spool to a URL; nobody was warned of anything yet."""
    monkeypatch.setattr(drops, "_warned", {})
    made = []

    def begin(url):
        made.append(Sender(url, str(waiting.root)))
        made[-1].start()
        return made[-1]

    yield begin
    for one in made:
        one.close(0)
