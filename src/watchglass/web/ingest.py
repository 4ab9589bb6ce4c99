"""Requests that bring events → the log: each is acknowledged once it is on the disk, or told why not and when to come again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from watchglass import settings
from watchglass.errors import BadInput
from watchglass.receive.columns import Columns, News
from watchglass.receive.committer import Committer, Request
from watchglass.receive.frames import Arriving, about_of
from watchglass.receive.inflate import bounded, inflating
from watchglass.receive.keys import Keys, Taken
from watchglass.receive.ledger import Ledger
from watchglass.receive.lines import Checked, Lines, TooLarge, Unreadable
from watchglass.receive.moments import latest
from watchglass.receive.redacting import Guard
from watchglass.store import ingested
from watchglass.store.folder import prepare
from watchglass.store.redacting import redact_frame
from watchglass.store.transactions import connect
from watchglass.web import bodies

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import fastapi

    from watchglass.receive.inflate import Inflating
    from watchglass.receive.ledger import Share
    from watchglass.receive.lines import Reading

T = TypeVar("T")
_PARSERS: Final = 2
_DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes."""

    queue: int
    body: int
    inflated: int
    frame: int
    patience: bodies.Patience

    @classmethod
    def configured(cls) -> Limits:
        """Read them from the settings."""
        return cls(
            settings.resolve(settings.INGEST_QUEUE_BYTES),
            settings.resolve(settings.INGEST_BODY_BYTES),
            settings.resolve(settings.INGEST_INFLATED_BYTES),
            settings.resolve(settings.INGEST_FRAME_BYTES),
            bodies.Patience(
                settings.resolve(settings.INGEST_PAUSE_SECONDS), settings.resolve(settings.INGEST_BODY_SECONDS)
            ),
        )


@dataclass(frozen=True, slots=True)
class Came:
    """What a request came to."""

    taken: Taken
    duplicate: bool
    checked: Checked


class Ingest:
    """What a server needs to take events in: its threads, its memory of keys and columns, its bounds."""

    def __init__(self, path: str | os.PathLike[str], limits: Limits | None = None) -> None:
        """Open a store's folder, made when there is none; raises `StoreError`."""
        self.folder = prepare(path, create=True)
        self.limits = limits or Limits.configured()
        self._engine = connect(self.folder)
        root = str(self.folder.root)
        self._root = root
        self.ledger = Ledger(self.limits.queue, self.limits.inflated)
        self._columns = Columns(lambda model: ingested.columns_told(self.folder, self._engine, model))
        self.committer = Committer(root, Keys(root, self._known), self._committed)
        self._pool = ThreadPoolExecutor(_PARSERS, thread_name_prefix="watchglass-parse")
        self._frames: set[str] = set()
        self._guard = Guard(root)

    def dropped(self) -> dict[str, int] | None:
        """Count what recording processes could not record, by reason; None when the catalog cannot be asked."""
        try:
            return ingested.dropped(self._engine)
        except OSError:
            return None

    def close(self) -> None:
        """Write what waits, and end."""
        self._pool.shutdown(wait=True)
        self.committer.close()
        self._engine.dispose()

    def _known(self, keys: Sequence[str]) -> Mapping[str, Taken]:
        return {key: Taken(*counts) for key, counts in ingested.known(self._engine, keys).items()}

    def _committed(self, checked: Checked) -> None:
        if checked.news is not None:
            self._columns.committed(checked.news)

    async def _apart(self, work: Callable[[], T]) -> T:
        """Work in a thread, so that the pages stay quick."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def take(self, request: fastapi.Request, reading: Reading, encoding: str) -> Came:
        """Take a body of lines; raises what `web/taking.py` answers with."""
        bodies.announced(request, self.limits.body)
        share = self.ledger.begin()
        try:
            checked = await self._read(request, reading, encoding, share)
            if not checked.rows and not checked.graph:
                return Came(Taken(checked.accepted, checked.refused), duplicate=False, checked=checked)
            receipt = await asyncio.wrap_future(self.committer.submit(Request(reading.key, checked)))
            return Came(receipt.taken, receipt.duplicate, checked)
        finally:
            share.done()

    async def _read(self, request: fastapi.Request, reading: Reading, encoding: str, share: Share) -> Checked:
        lines, packed = Lines(reading, self._columns, self._guard.redactor()), inflating(encoding)
        inflated = 0
        pieces = bodies.pieces(
            request, self.limits.body, self.limits.patience, lambda held: share.set(lines.held + held)
        )
        async for piece in pieces:
            inflated = await self._apart(partial(self._feed, lines, packed, piece, inflated, share))
        return await self._apart(lambda: _finish(lines, packed, share))

    def _feed(self, lines: Lines, packed: Inflating, piece: bytes, so_far: int, share: Share) -> int:
        for part in bounded(packed.feed(piece), so_far, self.limits.inflated):
            so_far += len(part)
            lines.feed(part)
            share.set(lines.held + len(piece))
            if lines.held > self.limits.inflated:
                message = (
                    f"the body comes to more than {self.limits.inflated} bytes once decompressed: send it in parts"
                )
                raise TooLarge(message)
        return so_far

    async def take_frame(self, request: fastapi.Request, name: str) -> Came:
        """Take a frame under its segment's name; raises what `web/taking.py` answers with."""
        bodies.announced(request, self.limits.frame)
        if name in self._frames:
            message = f"a frame named {name!r} is being taken in by another request"
            raise AtIt(message)
        self._frames.add(name)
        try:
            arriving = await self._apart(lambda: Arriving(self._root, name, self.limits.frame))
            try:
                async for piece in bodies.pieces(request, self.limits.frame, self.limits.patience):
                    await self._apart(partial(arriving.feed, piece))
                return await self._apart(lambda: self._frame(arriving, name))
            finally:
                await self._apart(arriving.close)
        finally:
            self._frames.discard(name)

    def _frame(self, arriving: Arriving, name: str) -> Came:
        about = arriving.read()
        redactor = self._guard.redactor()
        try:
            told = None if redactor is None else redact_frame(self.folder, arriving.aside, about.sidecar, redactor)
            about = about if told is None else about_of(told)
            rows = ingested.rows_of_frame(arriving.aside, about.names)
        except BadInput as error:
            raise Unreadable(str(error)) from None
        duplicate = arriving.there or ingested.published(self._engine, name)
        news = News(self._columns)
        if not duplicate:
            news.tell(about.model, about.told)
            now = latest() - _DAY
            schema = Checked(graph=news.events(now), news=news)
            if schema.graph:
                self.committer.submit(Request(None, schema)).result()
            arriving.publish(about)
        return Came(Taken(rows, 0), duplicate=duplicate, checked=Checked(accepted=rows))


class AtIt(Exception):
    """Another request is doing the same; this one will do later."""


def _finish(lines: Lines, packed: Inflating, share: Share) -> Checked:
    packed.finish()
    checked = lines.finish()
    share.set(checked.size)
    return checked
