"""What a server hands out of quarantine and retraction lies beside the spool, and goes when the server takes it back."""

from __future__ import annotations

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from watchglass.capture import drops, handed, quarantine, subjects
from watchglass.capture.handed import Handed, Marks, parsed, there
from watchglass.capture.subjects import Mark
from watchglass.errors import BadInput

ONE, TWO, THREE = (f"{digit}" * 32 for digit in "abc")


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.server.body
        tag = f'"{hash(body)}"'
        status = 304 if self.server.status == 200 and self.headers.get("If-None-Match") == tag else self.server.status
        self.server.asked.append((self.path, status))
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(0 if status == 304 else len(body)))
        self.end_headers()
        self.wfile.write(b"" if status == 304 else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(drops, "_warned", {})
    found = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    found.status, found.body, found.asked = 200, b"", []
    found.url = f"http://127.0.0.1:{found.server_port}"
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def says(server, *quarantined, left_out=0, released=(), **retracted):
    server.body = json.dumps(
        Handed(frozenset(quarantined), retracted, left_out, frozenset(released)).document()
    ).encode()


def names(root, folder):
    home = root / folder
    return {path.name for path in home.iterdir()} if home.is_dir() else set()


def test_marks_are_put_down_and_taken_away_as_the_server_says(tmp_path, server):
    marks = Marks(server.url, str(tmp_path))
    says(server, ONE, TWO, **{THREE: Mark(5, said=True)})
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE, TWO}
    assert subjects.read(str(tmp_path / "retracted" / THREE)) == Mark(5, said=True)
    assert there(str(tmp_path)) == parsed(server.body, "")
    marks.fetch()
    assert server.asked == [("/api/v1/marks", 200), ("/api/v1/marks", 304)]
    says(server, TWO, **{THREE: Mark(9)})
    marks.fetch()
    assert (names(tmp_path, "quarantine"), subjects.read(str(tmp_path / "retracted" / THREE))) == ({TWO}, Mark(9))
    says(server)
    Marks(server.url, str(tmp_path)).fetch()
    assert names(tmp_path, "quarantine") == names(tmp_path, "retracted") == set(), "another process knows what was told"


def test_what_this_process_put_down_stays_until_the_server_had_time_to_hear_of_it(tmp_path, server):
    quarantine.put(str(tmp_path), "rows", "1")
    own = quarantine.digest("rows", "1")
    says(server, ONE)
    marks = Marks(server.url, str(tmp_path))
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE, own}
    says(server, ONE, own)
    marks.fetch()
    says(server, ONE)
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE}, "it was told, and is told no more"
    quarantine.put(str(tmp_path), "rows", "1")
    says(server, ONE, released=[own])
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE}, "it was never told, and is released"
    quarantine.put(str(tmp_path), "rows", "1")
    long_ago = time.time() - 700
    os.utime(tmp_path / "quarantine" / own, (long_ago, long_ago))
    says(server, ONE, left_out=1)
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE, own}, "it may be among those that were left out"
    says(server, ONE)
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE}


def test_a_kill_between_loses_track_of_no_mark(tmp_path, server, monkeypatch):
    class KilledError(Exception):
        pass

    def killed(*_, **__):
        raise KilledError

    says(server, ONE)
    with monkeypatch.context() as patched:
        patched.setattr(Marks, "_lift", killed)
        with pytest.raises(KilledError):
            Marks(server.url, str(tmp_path)).fetch()
    assert names(tmp_path, "quarantine") == {ONE}
    says(server)
    Marks(server.url, str(tmp_path)).fetch()
    assert names(tmp_path, "quarantine") == set()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"quarantined": ["../../etc/passwd"], "retracted": {}, "released": [], "left_out": 0}',
        b'{"quarantined": [], "retracted": {"x": [0, 0]}, "released": [], "left_out": 0}',
        b'{"quarantined": [], "retracted": {"' + ONE.encode() + b'": "soon"}, "released": [], "left_out": 0}',
        b'{"quarantined": [], "retracted": {}, "released": ["x"], "left_out": 0}',
        b'{"quarantined": 7, "retracted": {}, "released": [], "left_out": 0}',
        b'{"quarantined": [], "retracted": {}, "released": [], "left_out": null}',
        b"x" * 2_000_000,
    ],
)
def test_an_answer_that_is_none_changes_nothing_and_is_warned_of(tmp_path, server, body, caplog):
    says(server, ONE)
    marks = Marks(server.url, str(tmp_path))
    marks.fetch()
    server.body = body
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE}
    assert "what is retracted stays as it was known" in caplog.text
    with pytest.raises(BadInput, match="a file holds no marks: names of 32 hexadecimal digits"):
        parsed(body, "a file")


def test_an_older_server_is_tolerated_and_asked_seldom(tmp_path, server, caplog):
    server.status, server.body = 404, b'{"error": "no such route"}'
    marks = Marks(server.url, str(tmp_path))
    for _ in range(3):
        marks.fetch()
    assert server.asked == [("/api/v1/marks", 404)]
    assert (caplog.text, list(tmp_path.iterdir())) == ("", [])
    marks._not_before = 0.0
    server.status = 503
    marks.fetch()
    server.status = 200
    says(server, ONE)
    marks.fetch()
    assert names(tmp_path, "quarantine") == {ONE}


def test_a_server_that_is_gone_leaves_all_as_it_is(tmp_path, server):
    says(server, ONE)
    Marks(server.url, str(tmp_path)).fetch()
    Marks("http://127.0.0.1:9", str(tmp_path)).fetch()
    assert names(tmp_path, "quarantine") == {ONE}


def test_the_newest_are_handed_out_and_the_others_counted(tmp_path, server, monkeypatch, caplog):
    monkeypatch.setattr(handed, "MOST", 3)
    home = tmp_path / "quarantine"
    home.mkdir()
    for number in range(5):
        path = home / f"{number:032x}"
        path.touch()
        os.utime(path, (number + 1, number + 1))
    (home / "damaged.parquet").touch()
    found = there(str(tmp_path))
    assert (found.quarantined, found.left_out) == (frozenset(f"{number:032x}" for number in (2, 3, 4)), 2)
    server.body = json.dumps(found.document()).encode()
    Marks(server.url, str(tmp_path / "spool")).fetch()
    assert "2 more marks are on" in caplog.text


def test_the_largest_answer_is_read(tmp_path, server):
    marked = [f"{number:032x}" for number in range(handed.MOST)]
    retracted = dict.fromkeys(marked, Mark(2**53, said=True))
    server.body = json.dumps(
        Handed(frozenset(marked), retracted, 0, frozenset(marked)).document(), separators=(",", ":")
    ).encode()
    assert len(parsed(server.body, "").quarantined) == handed.MOST
    from watchglass.capture.exchange import LARGEST_ANSWER, get

    assert len(server.body) < LARGEST_ANSWER
    assert len(get(server.url, handed.PATH, {}, 30.0)[2]) == len(server.body)
