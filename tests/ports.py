"""Which port may a server of a test take? → One that is free, and that no other process is given while this one lives."""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """Reserve a port of 127.0.0.1: nothing answers there until a server that sets SO_REUSEADDR, as all do, takes it."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _held.append(reserved)  # bound, it is given to nobody who asks for any port: tests run beside each other
    return int(reserved.getsockname()[1])
