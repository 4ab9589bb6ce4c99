"""A store → its pages and API on a port of this machine."""

from __future__ import annotations

import json
import socket

import click

import watchglass as wg
from watchglass.cli.printing import json_option, store_option

HOST = "127.0.0.1"


def _free(port: int) -> socket.socket:
    """Bind the port that was asked for, or, when it is in use, any."""
    for wanted in (port, 0):
        bound = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )  # named, else asyncio leaves Nagle's delay on
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, wanted))
        except OSError:
            bound.close()
            if wanted == 0:
                raise
        else:
            return bound
    raise AssertionError


def run_server(path: str | None, port: int, *, as_json: bool = False) -> None:
    """Serve the pages until stopped, and print their address first."""
    import uvicorn  # noqa: PLC0415 - costs only who serves

    from watchglass.web.app import create_app  # noqa: PLC0415 - likewise

    with wg.open(path) as store, _free(port) as bound:
        address = f"http://{HOST}:{bound.getsockname()[1]}"
        click.echo(
            json.dumps({"address": address, "store": store.path}) if as_json else f"pages: {address}   (Ctrl-C stops)"
        )
        server = uvicorn.Server(uvicorn.Config(create_app(store), log_level="warning"))
        server.run(sockets=[bound])


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port; another is taken when it is in use.",
)
@store_option
@json_option
def serve(port: int, path: str | None, *, as_json: bool) -> None:
    """Serve the pages and the API on this machine."""
    run_server(path, port, as_json=as_json)


COMMANDS = (serve,)
