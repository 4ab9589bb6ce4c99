"""A request to a server → its answer, or why there is none, over one connection that is kept; never by way of a proxy."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from watchglass import settings
from watchglass.capture.forking import whole
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from http.client import HTTPConnection

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 30.0
LARGEST_ANSWER: Final = 1 << 20
_HIGHEST_PORT: Final = 65535
_left_alone: Final[list[object]] = []


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is: `prefix` is the path that a reverse proxy gives it."""

    secure: bool
    host: str
    port: int
    prefix: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why nothing was heard, and whether the request had gone out, so that it may have been heeded all the same."""

    why: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked; `body` makes the bytes anew for each try, `length` says how many there are."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Callable[[], Iterable[bytes]] | None = None
    length: int = 0


def address(url: str) -> Address:
    """Read a server's URL; raises `BadInput` for one that leads nowhere.

    >>> address("https://[::1]/watchglass/")
    Address(secure=True, host='::1', port=443, prefix='/watchglass')
    """
    try:
        found = urlsplit(url.strip())
        secure = {"http": False, "https": True}[found.scheme.lower()]
        host, port = found.hostname, found.port
    except (KeyError, ValueError):
        host, port, secure = None, None, False
    if not host or port == 0:
        message = f"a server's URL cannot be {url!r}: http://host:port or https://host/path would do"
        raise BadInput(message)
    if found.username is not None or found.query or found.fragment:
        message = f"a server's URL at {host!r} cannot carry a user, a query or a fragment: http://host:port would do, a token goes into the setting 'token'"
        raise BadInput(message)
    return Address(secure, host, port or (443 if secure else 80), found.path.rstrip("/"))


def credentials() -> dict[str, str]:
    """Give the header that shows the setting `token`, if it is set; raises `BadInput` for one that no header can carry."""
    token = settings.resolve(settings.TOKEN)
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        message = (
            "setting 'token' holds a character that no HTTP header can carry: letters, digits and -._~+/= would do"
        )
        raise BadInput(message)
    return {"Authorization": f"Bearer {token}"}


def get(url: str, path: str, headers: Mapping[str, str], timeout: float) -> tuple[int, dict[str, str], bytes]:
    """Ask a server for one thing, over a connection of its own; raises `OSError` when there is no answer.

    The names of the answer's headers are in lower case.
    """
    line = Line(address(url), credentials(), connect=min(timeout, CONNECT_SECONDS), answer=timeout)
    try:
        found = line.ask(Request("GET", path, headers))
    finally:
        line.close()
    if isinstance(found, NoAnswer):
        message = f"{url}{path}: {found.why}"
        raise OSError(message)
    return found.status, dict(found.headers), found.body


class Line:
    """One connection to a server, kept between requests: opened when needed, opened anew when the server closed it."""

    def __init__(
        self,
        server: Address,
        headers: Mapping[str, str],
        *,
        connect: float = CONNECT_SECONDS,
        answer: float = ANSWER_SECONDS,
    ) -> None:
        self._server = server
        self._headers = headers
        self._connect_seconds = connect
        self._answer_seconds = answer
        self._connection: HTTPConnection | None = None
        self._lock = threading.RLock()
        self.hung_up = False

    def ask(self, request: Request) -> Answer | NoAnswer:
        """Send a request and read its answer; a kept connection that turns out closed is replaced once."""
        with whole:  # a child must not inherit these imports half done and locked for ever
            from http.client import HTTPException  # noqa: PLC0415 - 30 ms, and only with a server
        kept = self._connection is not None
        try:
            try:
                return self._ask(request)
            except ConnectionError:  # servers close idle connections; a request is safe to repeat, by its key
                if not kept or self.hung_up:
                    raise
                self.close()
                return self._ask(request)
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a host or an answer beyond all grammar
            sent = self._connection is not None
            self.close()
            return NoAnswer(f"{type(error).__name__}: {error}".removesuffix(": "), sent)

    def _ask(self, request: Request) -> Answer:
        connection = self._opened()
        headers = {**self._headers, **request.headers}
        if request.body is not None:
            headers["Content-Length"] = str(request.length)
        body = None if request.body is None else request.body()
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was read: the answer says why
            connection.request(request.method, f"{self._server.prefix}{request.path}", body, headers)
        response = connection.getresponse()
        data = response.read(LARGEST_ANSWER)
        whole_answer = response.isclosed() or not response.read(1)
        if response.will_close or not whole_answer:
            self.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)

    def _opened(self) -> HTTPConnection:
        if self._connection is None:
            connection = _connection(self._server, self._connect_seconds)
            connection.connect()
            connection.sock.settimeout(self._answer_seconds)
            with self._lock:
                self._connection = connection
        return self._connection

    def close(self) -> None:
        """Let go of the connection; the next request opens another."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def hurry(self, seconds: float) -> None:
        """Wait for nothing longer than this from now on."""
        self._connect_seconds, self._answer_seconds = (
            min(self._connect_seconds, seconds),
            min(self._answer_seconds, seconds),
        )

    def hang_up(self) -> None:
        """Make a request that is under way in another thread fail now, and any later one unrepeated."""
        self.hung_up = True
        with self._lock:
            sock = None if self._connection is None else self._connection.sock
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # TLS has its own, which is not for another thread

    def after_fork_in_child(self) -> None:
        """Let go of the parent's connection without a word to the server."""
        self._lock = threading.RLock()
        connection, self._connection = self._connection, None
        if connection is None or connection.sock is None:
            return
        # The parent's thread may have been reading: the lock of its buffer is held for ever here, so nothing may close it.
        _left_alone.append(connection)
        with suppress(OSError):
            os.close(connection.sock.detach())


def _connection(server: Address, timeout: float) -> HTTPConnection:
    from http.client import HTTPConnection  # noqa: PLC0415 - loaded by `ask`

    if not server.secure:
        return HTTPConnection(server.host, server.port, timeout=timeout)
    from http.client import HTTPSConnection  # noqa: PLC0415 - not there where Python has no TLS
    from ssl import create_default_context  # noqa: PLC0415 - likewise

    return HTTPSConnection(server.host, server.port, timeout=timeout, context=create_default_context())
