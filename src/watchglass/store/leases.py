"""A name and an owner → a lease: one process at a time does what must not be done twice."""

from __future__ import annotations

import os
import socket
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.errors import StoreError
from watchglass.store.catalog import leases
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

LASTS = 60.0  # seconds a dead owner keeps the others waiting


class LeaseLost(StoreError):
    """Another process took the lease over; nothing of this one was published."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to publish under `name`, checked by its epoch in the publishing transaction."""

    name: str
    owner: str
    epoch: int

    def check(self, connection: Connection) -> None:
        """Raise `LeaseLost` unless this is still the newest epoch; else hold on for another while."""
        statement = (
            leases.update()
            .where(leases.c.name == self.name, leases.c.epoch == self.epoch)
            .values(until=time.time() + LASTS)
        )
        if connection.execute(statement).rowcount != 1:
            message = (
                f"the lease {self.name!r} went to another process while this one worked; nothing was published twice"
            )
            raise LeaseLost(message)


def _begun(pid: int) -> str:
    """Say when a process began, in the kernel's ticks; empty when it is gone. A number is given to others again."""
    try:
        about = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = about.rpartition(")")[2].split()
    return "" if state in ("Z", "X") else fields[18]  # the dead stay listed until their parent takes note


def _alive(owner: str) -> bool:
    host, pid, begun, _ = owner.split(":")
    return host != socket.gethostname() or _begun(int(pid)) == begun


@contextmanager
def hold(engine: Engine, name: str) -> Iterator[Lease | None]:
    """Hold a lease for the block; gives None when a living process holds it."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{_begun(os.getpid())}:{uuid.uuid4().hex}"
    now = time.time()
    with writing(engine) as connection:
        row = connection.execute(sa.select(leases).where(leases.c.name == name)).first()
        if row is not None and row.owner and row.until > now and _alive(row.owner):
            lease = None
        else:
            lease = Lease(name, owner, 1 if row is None else row.epoch + 1)
            values = {"owner": owner, "epoch": lease.epoch, "until": now + LASTS}
            connection.execute(
                leases.insert().values(name=name, **values)
                if row is None
                else leases.update().where(leases.c.name == name).values(**values)
            )
    try:
        yield lease
    finally:
        if lease is not None:
            with writing(engine) as connection:
                connection.execute(
                    leases.update()
                    .where(leases.c.name == name, leases.c.epoch == lease.epoch)
                    .values(owner="", until=0.0)
                )
