"""A file under way lies below tmp/ only as long as the process that takes it in lives."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time

import watchglass as wg
from tests.store.life.searched import places
from tests.web.served import serving
from watchglass.store.exchange.arriving import arriving, sweep_arrived
from watchglass.store.folder import prepare

HOLDING = """
import sys
from pathlib import Path
from watchglass.store.exchange.arriving import arriving
from watchglass.store.folder import Folder

with arriving(Folder(Path(sys.argv[1]))) as room:
    (room / "rows.csv").write_text("ssn-planted")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_goes_and_what_a_living_one_holds_stays(tmp_path):
    folder = prepare(tmp_path / "store", create=True)
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "store")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert sweep_arrived(folder) == 0
        assert places(tmp_path / "store", ["ssn-planted"])
        process.kill()
        process.wait()
    assert sweep_arrived(folder) == 1
    assert places(tmp_path / "store", ["ssn-planted"]) == []
    with arriving(folder) as room:
        assert sweep_arrived(folder) == 0
        assert room.is_dir()
    assert list(folder.scratch.iterdir()) == []


def test_of_a_server_that_was_killed_the_next_start_and_the_next_upkeep_delete_what_was_sent(tmp_path):
    root = tmp_path / "store"
    with serving(root) as server:
        _send_half(server)
    shutil.copytree(root, tmp_path / "same")
    for begin_again, lying in ((_serve, root), (_compact, tmp_path / "same")):
        assert places(lying, ["ssn-planted"])
        begin_again(lying)
        assert places(lying, ["ssn-planted"]) == []


def _send_half(server):
    head = "POST /api/v1/import?name=rows.csv&model=m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as sent:
        sent.sendall(head.encode() + b"id,time,ssn\na,2026-06-01,ssn-planted\n" * 90_000)
        _wait_for(lambda: places(server.folder, ["ssn-planted"]))
        server.kill()


def _serve(root):
    with serving(root) as server:
        assert server.get("/api/v1/settings").status_code == 200


def _compact(root):
    with wg.open(root) as store:
        store.compact()


def _wait_for(there, seconds=60):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)
