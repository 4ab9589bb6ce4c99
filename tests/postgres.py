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

import pytest

from tests.ports import free_port

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: float(path.parent.name))
NEEDED = pytest.mark.skipif(
    BIN is None, reason="Debian's package postgresql is not installed (apt-get install postgresql)"
)


@contextmanager
def postgres():
    """Start a server; gives the URL of its database `postgres`. PostgreSQL refuses to run as root, so root starts it as another."""
    other = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    home = tempfile.mkdtemp(prefix="watchglass-postgres-")
    try:
        if other:
            shutil.chown(home, **other)
        data, port = f"{home}/data", free_port()
        subprocess.run(
            [
                f"{BIN}/initdb",
                "-D",
                data,
                "-U",
                "watchglass",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--locale-provider=icu",
                "--icu-locale=en-US",
            ],
            check=True,
            capture_output=True,
            cwd=home,
            **other,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": home,
            "fsync": "off",
            "max_connections": 400,
        }
        server = subprocess.Popen(
            [
                f"{BIN}/postgres",
                "-D",
                data,
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=home,
            **other,
        )
        try:
            _wait(port)
            yield f"postgresql://watchglass@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # at once, whoever is still connected
            server.wait(60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait(port):
    for _ in range(600):
        done = subprocess.run(
            [f"{BIN}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"], check=False, capture_output=True
        )
        if done.returncode == 0:
            return
        time.sleep(0.05)
    message = "PostgreSQL did not answer within ten minutes"
    raise TimeoutError(message)
