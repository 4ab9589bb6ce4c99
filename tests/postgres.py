"""Debian's PostgreSQL → a server of it on loopback with an empty cluster, which ends with the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Engine

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: float(path.parent.name))
NEEDED = pytest.mark.skipif(
    BIN is None, reason="Debian's package postgresql is not installed (apt-get install postgresql)"
)
CHEAP = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Settings of a server whose data nobody needs after a power cut."""


class Opened(Protocol):
    """A store that a test opened."""

    engine: Engine

    def close(self) -> None: ...


Kind = TypeVar("Kind", bound=Opened)


@contextmanager
def both(root: Path, told: Callable[[Path], Kind]) -> Iterator[tuple[Kind, Kind]]:
    """Tell two stores the same; gives the one with its catalog in a file, and the one with it in a server of its own."""
    with postgres() as url, pytest.MonkeyPatch.context() as patch:
        in_file = told(root / "file")
        patch.setenv("WATCHGLASS_CATALOG", url)
        in_server = told(root / "server")
        assert in_server.engine.dialect.name == "postgresql"
        yield in_file, in_server
        in_server.close()
        in_file.close()


@contextmanager
def postgres(settings: dict[str, str] = CHEAP) -> Iterator[str]:
    """Start a server; gives the URL of its database `postgres`. PostgreSQL refuses to run as root, so root starts it as another."""
    home = tempfile.mkdtemp(prefix="watchglass-postgres-")
    try:
        if os.getuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        made = "-U watchglass -A trust --no-sync -E UTF8 --locale C.UTF-8 --locale-provider=icu --icu-locale=en-US"
        _start("initdb", ["-D", f"{home}/data", *made.split()], home).communicate()
        port = free_port()
        told = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": home,
            "max_connections": "400",
            **settings,
        }
        words = [word for name, value in told.items() for word in ("-c", f"{name}={value}")]
        server = _start("postgres", ["-D", f"{home}/data", *words], home)
        try:
            _wait(port)
            yield f"postgresql://watchglass@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # at once, whoever is still connected
            server.wait(60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(program: str, words: list[str], home: str) -> subprocess.Popen[bytes]:
    other = "postgres" if os.getuid() == 0 else None
    quiet = subprocess.DEVNULL
    return subprocess.Popen([f"{BIN}/{program}", *words], stdout=quiet, stderr=quiet, cwd=home, user=other, group=other)


def _wait(port: int) -> None:
    for _ in range(600):
        done = subprocess.run(
            [f"{BIN}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"], check=False, capture_output=True
        )
        if done.returncode == 0:
            return
        time.sleep(0.05)
    message = "PostgreSQL did not answer within ten minutes"
    raise TimeoutError(message)
