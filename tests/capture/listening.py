"""A server that takes segments exactly once by their key and misbehaves as it is told, and a spool to ship to it."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from watchglass.capture.segment import Limits, Log

PROMPT = Limits(seconds=60, size=1 << 26, sync=False)
PREDICTION = b'{"kind":"prediction","id":"%s","features":{"x":1.5,"text":"%s"}}\n'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        self.answer(200, {"path": self.path}, {"ETag": '"1"'})

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        key = self.headers["Idempotency-Key"]
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers), data))
            trouble = self.server.trouble(len(self.server.requests), key, data)
        self.behave(trouble, key, data)

    def behave(self, trouble, key, data):
        if trouble == "slow":
            time.sleep(2)
        if trouble == "hang":
            self.server.released.wait(60)
            self.close_connection = True
            return
        if isinstance(trouble, tuple):
            status, headers = trouble
            self.answer(status, {"title": "trouble"}, headers)
            return
        if trouble == "garbage":
            self.wfile.write(b"\x00\x01 not HTTP at all \xff\r\n\r\n")
            self.close_connection = True
            return
        if trouble == "portal":
            self.answer(200, "<html>please log in</html>")
            return
        said = self.server.take(self.path, key, data)
        if trouble == "lost":
            self.close_connection = True
        elif trouble == "cut":
            text = json.dumps(said).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text[: len(text) // 2])
            self.close_connection = True
        else:
            self.answer(200, said)

    def answer(self, status, said, headers=()):
        text = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Listening(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port=0, host="127.0.0.1", certificate=None):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.lock = threading.RLock()
        self.requests = []
        self.asked = []
        self.keys = []
        self.events = []
        self.frames = {}
        self.trouble = lambda number, key, data: None
        self.released = threading.Event()
        scheme = "http"
        if certificate is not None:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{shown}:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def handle_error(self, request, client_address):
        pass  # clients hang up on purpose here

    def take(self, path, key, data):
        """Keep what is new by its key, as a store does."""
        with self.lock:
            duplicate = key in self.keys
            accepted = 0
            if not duplicate:
                self.keys.append(key)
                if urlsplit(path).path.endswith("/frames"):
                    name = parse_qs(urlsplit(path).query)["name"][0]
                    about, _, body = data.partition(b"\n")
                    self.frames[name] = (json.loads(about), body)
                    accepted = 1
                else:
                    lines = [self.read(line) for line in data.splitlines()]
                    found = [line for line in lines if line is not None]
                    self.events.extend(found)
                    accepted = len(found)
                    return {"accepted": accepted, "rejected_count": len(lines) - accepted, "duplicate": False}
            return {"accepted": accepted, "rejected_count": 0, "duplicate": duplicate}

    def read(self, line):
        with contextlib.suppress(ValueError):
            return json.loads(line)
        return None

    def ids(self, kind=None):
        with self.lock:
            return [event["id"] for event in self.events if "id" in event and kind in (None, event["kind"])]

    def stop(self):
        self.released.set()
        self.shutdown()
        self.server_close()
        self._thread.join(10)


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Waiting:
    """A spool as a recorder fills it."""

    def __init__(self, root):
        self.root = root
        self.ids = []

    def segment(self, lines=10, log="rows", size=10, tail=b""):
        one = Log(str(self.root), log, PROMPT)
        for _ in range(lines):
            name = f"{len(self.ids)}"
            self.ids.append(name)
            one.append(PREDICTION % (name.encode(), b"x" * size))
        if tail:
            one.append(tail)
        one.close()

    def names(self, log="rows"):
        return sorted(path.name for path in (self.root / "log" / log).glob("*"))

    def empty(self):
        return self.names("rows") == self.names("graph") == []
