"""Debian's Chromium and a server on this machine, for tests that look at pages."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn

from watchglass.web.app import create_app

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def serving(store, ingest=None):
    """Serve the pages of a store on a free port of this machine; with `ingest` it takes events, and flags, in."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(store, ingest), log_level="warning", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@contextmanager
def looking(browser, *, scheme="light", width=1280, script=True):
    """Open a tab that keeps what it asked for and what it complained of."""
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on(
        "console",
        lambda message: page.complaints.append(message.text) if message.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    assert page.complaints == []
    assert {urlsplit(url).hostname for url in page.asked} <= {"127.0.0.1"}
    context.close()
