"""A store → its pages and API on a port, events taken in, and the store kept in order, until stopped."""

from __future__ import annotations

import json
import resource
import signal
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from watchglass.cli.printing import json_option, store_option
from watchglass.errors import StoreError

if TYPE_CHECKING:
    from watchglass.reading import Store
    from watchglass.web.ingest import Ingest
    from watchglass.web.maintenance import Maintenance

HOST: Final = "127.0.0.1"
_BACKLOG: Final = 2048
_GRACE: Final = 10  # seconds for requests under way when told to end


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served, and where."""

    path: str | None
    host: str = HOST
    port: int = 8000
    ingest: bool = True
    maintain: bool = True
    as_json: bool = False


def _bound(host: str, port: int) -> socket.socket:
    """Bind the port that was asked for, or, when it is in use, any."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        message = f"host cannot be {host!r}: {error}. A name or an address of this machine would do: 127.0.0.1, 0.0.0.0"
        raise StoreError(message) from None
    for wanted in (port, 0):
        bound = socket.socket(
            family, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )  # named, else asyncio leaves Nagle's delay on
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, wanted))
            bound.listen(_BACKLOG)  # who reads the address may connect at once
        except OSError as error:
            bound.close()
            if wanted == 0 or port == 0:
                message = f"host cannot be {host!r}: {error.strerror}"
                raise StoreError(message) from None
        else:
            return bound
    raise AssertionError


def serve_store(serving: Serving) -> None:
    """Serve until stopped, and print the address first."""
    import uvicorn  # noqa: PLC0415 - costs only who serves

    from watchglass.reading import create_store, open_store  # noqa: PLC0415 - likewise
    from watchglass.show.render import draw_with  # noqa: PLC0415 - likewise
    from watchglass.web.app import create_app  # noqa: PLC0415 - likewise
    from watchglass.web.painting import Painter  # noqa: PLC0415 - likewise

    _many_files()
    with ExitStack() as stack:
        painter = Painter()
        stack.callback(painter.close)
        draw_with(painter.draw)
        store = stack.enter_context(create_store(serving.path) if serving.ingest else open_store(serving.path))
        bound = stack.enter_context(_bound(serving.host, serving.port))
        address = _address(bound)
        app = create_app(store, *_taking(store, serving, stack))
        click.echo(
            json.dumps({"address": address, "store": store.path})
            if serving.as_json
            else f"pages: {address}   {'events go to the same address   ' if serving.ingest else ''}(Ctrl-C stops)"
        )
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE, lifespan="off")
        signal.signal(
            signal.SIGTERM, _heeded
        )  # uvicorn raises it again at its end: what it ends must be ended in order
        with suppress(_Heeded):
            uvicorn.Server(config).run(sockets=[bound])


class _Heeded(BaseException):
    """The server was told to end."""


def _heeded(*_: object) -> None:
    raise _Heeded


def _taking(store: Store, serving: Serving, stack: ExitStack) -> tuple[Ingest | None, Maintenance | None]:
    """Start what takes events in and keeps the store; it ends with the stack, in the order that loses nothing."""
    from watchglass.web.ingest import Ingest  # noqa: PLC0415 - costs only who serves
    from watchglass.web.maintenance import Maintenance  # noqa: PLC0415 - likewise

    maintenance = None
    if serving.maintain:
        maintenance = Maintenance(store.path)
        maintenance.start()
        stack.callback(maintenance.close)
    if not serving.ingest:
        return None, maintenance
    ingest = Ingest(store.path)
    stack.callback(ingest.close)
    return ingest, maintenance


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _many_files() -> None:
    """Let as many files be open as may be: a reader holds every segment of the log open."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_server(path: str | None, port: int) -> None:
    """Serve the pages of a store that nobody sends to."""
    serve_store(Serving(path, port=port, ingest=False, maintain=False))


@click.command()
@click.option("--host", default=HOST, show_default=True, help="The address; 0.0.0.0 is every one of this machine.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port; another is taken when it is in use.",
)
@click.option(
    "--ingest/--no-ingest", default=True, help="Take events in over HTTP; makes the store when there is none."
)
@click.option("--maintain/--no-maintain", default=True, help="Compact, count, merge and judge beside the server.")
@store_option
@json_option
def serve(host: str, port: int, path: str | None, *, ingest: bool, maintain: bool, as_json: bool) -> None:
    """Serve the pages and the API, take events in, and keep the store in order."""
    serve_store(Serving(path, host, port, ingest, maintain, as_json))


COMMANDS = (serve,)
