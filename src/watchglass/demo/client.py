"""A question → its answer, from a service in this process or from one started as a process and asked over HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import httpx
import orjson

from watchglass.demo.service import Answer, Question, Service
from watchglass.errors import WatchglassError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Ask = Callable[[Question], Answer]

_STARTS_WITHIN: Final = 30.0
_STOPS_WITHIN: Final = 10.0


class ServiceFailed(WatchglassError, RuntimeError):
    """The model's service did not start, or did not answer a question with 200."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A process that serves, and its address."""

    process: subprocess.Popen[bytes]
    address: str

    def stop(self) -> int:
        """Ask it to end, wait until it has, and give its exit code; one that ended before is no error."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            return self.process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


def start(store: Path, system: Path, workers: int = 1) -> Serving:
    """Start a service on a free port and wait until it answers; raises `ServiceFailed` when it does not.

    It ends with this process, however this one comes to its end.
    """
    command = [sys.executable, "-m", "watchglass.demo.service", "--store", str(store), "--system", str(system)]
    process = subprocess.Popen(  # noqa: S603 - our own module
        [*command, "--workers", str(workers), "--with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this process, which then stops the service
    )
    address = process.stdout.readline().decode().strip() if process.stdout is not None else ""
    serving = Serving(process, address)
    try:
        _wait_until_healthy(serving)
    except BaseException:
        serving.stop()
        raise
    return serving


def _wait_until_healthy(serving: Serving) -> None:
    ends = time.monotonic() + _STARTS_WITHIN
    while serving.process.poll() is None and time.monotonic() < ends:
        try:
            if httpx.get(f"{serving.address}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    message = f"the demo's service did not start (exit code {serving.process.poll()}): its own message stands above"
    raise ServiceFailed(message)


@contextmanager
def over_http(store: Path, system: Path) -> Iterator[Ask]:
    """Serve from a process of its own for as long as the block lasts."""
    serving = start(store, system)
    try:
        with httpx.Client(base_url=serving.address, trust_env=False, timeout=30.0) as client:
            yield lambda question: asked(client, question)
    finally:
        serving.stop()


@contextmanager
def in_process(system: Path) -> Iterator[Ask]:
    """Serve from this process."""
    yield Service(system).answer


def asked(client: httpx.Client, question: Question) -> Answer:
    """Send a question; raises `ServiceFailed` for any answer but 200, httpx's error when there is none."""
    reply = client.post(
        "/predict", content=orjson.dumps(asdict(question)), headers={"content-type": "application/json"}
    )
    if reply.status_code != httpx.codes.OK:
        message = f"the demo's service answered {reply.status_code} to {len(question.ids)} images of {question.site}: {reply.text[:500]}"
        raise ServiceFailed(message)
    return Answer(**orjson.loads(reply.content))
