"""A store that others keep → held still: the log's sealed rows in the tables and counted, and the leases of all who write files in one hand."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store.cells import follow
from watchglass.store.compact import move
from watchglass.store.graph import take_in
from watchglass.store.labels.marks import marks_of
from watchglass.store.leases import hold
from watchglass.store.manifest import POSITION
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

PATIENCE: Final = 600.0  # seconds: a first count of a large store takes minutes
RENEWED: Final = 10.0
_TRIES: Final = 10


class Held:
    """The leases of all who write files, renewed at each step; steps are told to whoever watches."""

    def __init__(self, engine: Engine, leases: tuple[Lease, ...], progress: Callable[[int, int], None] | None) -> None:
        self._engine, self._leases, self._progress = engine, leases, progress
        self._renewed = time.monotonic()
        self._done = self._total = 0

    def check(self, transaction: Connection) -> None:
        """Raise `LeaseLost` when another process took one over."""
        for lease in self._leases:
            lease.check(transaction)

    def expect(self, steps: int) -> None:
        """Say how many more steps there will be."""
        self._total += steps

    def step(self) -> None:
        """Note that a step is done; raises `LeaseLost`."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        if time.monotonic() - self._renewed > RENEWED:
            with writing(self._engine) as transaction:
                self.check(transaction)
            self._renewed = time.monotonic()


@contextmanager
def held(folder: Folder, engine: Engine, progress: Callable[[int, int], None] | None) -> Iterator[Held]:
    """Hold a store still; raises `StoreError` when others do not let go of it for ten minutes."""
    with ExitStack() as stack:
        compactor = stack.enter_context(_waited(engine, "compactor"))
        take_in(folder, engine)
        move(folder, engine, compactor)
        cells = _counted(folder, engine, stack)
        others = [stack.enter_context(_waited(engine, name)) for name in ("merger", "retention", "mirror")]
        yield Held(engine, (compactor, cells, *others), progress)


@contextmanager
def _waited(engine: Engine, name: str) -> Iterator[Lease]:
    end = time.monotonic() + PATIENCE
    while True:
        with hold(engine, name) as lease:
            if lease is not None:
                yield lease
                return
        if time.monotonic() > end:
            message = f"another process holds the lease {name!r} for {PATIENCE:.0f} s: nothing was forgotten. Next: ask again when it is done"
            raise StoreError(message)
        time.sleep(0.05)


def _counted(folder: Folder, engine: Engine, stack: ExitStack) -> Lease:
    """Count what is not counted, and take the lease of who counts: a file that is rewritten is never counted again."""
    for _ in range(_TRIES):
        follow(folder, engine)
        own = stack.enter_context(ExitStack())
        lease = own.enter_context(_waited(engine, "cells"))
        if _all_counted(engine):
            return lease
        own.close()
    message = "there are files that cannot be counted: nothing was forgotten. Next: watchglass doctor"
    raise StoreError(message)


def _all_counted(engine: Engine) -> bool:
    files = c.files.c
    counted = files.kind.in_(("predictions", "labels")) & files.removed.is_(None)
    with engine.connect() as connection:
        later = sa.select(files.seq).where(counted, marks_of(connection).cells < POSITION).limit(1)
        return connection.execute(later).first() is None
