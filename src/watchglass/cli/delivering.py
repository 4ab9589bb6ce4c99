"""Events as JSON lines → a store's folder, or a server: how many were taken, and what was refused with its reason."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from watchglass import settings
from watchglass.capture.exchange import Line, NoAnswer, Request, address, credentials
from watchglass.capture.ids import new_id
from watchglass.errors import BadInput, StoreError
from watchglass.receive.columns import Columns
from watchglass.receive.committer import Committer
from watchglass.receive.committer import Request as Waiting
from watchglass.receive.keys import Keys
from watchglass.receive.lines import Lines, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from watchglass.receive.lines import Checked
    from watchglass.records import Json

PIECE: Final = 4 << 20
_TRIES: Final = 5
_LONGEST_WAIT: Final = 10.0
_OK: Final = 200
_AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))


@dataclass(slots=True)
class Told:
    """What was delivered so far."""

    accepted: int = 0
    rejected_count: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    """Line and reason of the first hundred."""
    ids: list[str] = field(default_factory=list)
    """The ids given to events that had none."""


class Folder:
    """A store in a folder: what is delivered is on the disk when the call returns."""

    def __init__(self, path: str) -> None:
        self._columns = Columns(lambda _: ())  # announced again by every command: the catalog keeps the first
        self._committer = Committer(path, Keys(path, lambda _: {}), self._committed)

    def _committed(self, checked: Checked) -> None:
        if checked.news is not None:
            self._columns.committed(checked.news)

    def deliver(self, data: bytes, told: Told, offset: int = 0) -> None:
        """Write lines; raises `StoreError` when the disk refuses."""
        lines = Lines(Reading(), self._columns)
        lines.feed(data)
        checked = lines.finish()
        if checked.rows or checked.graph:
            try:
                self._committer.submit(Waiting(None, checked)).result()
            except OSError as error:
                message = f"the event could not be written: {error}"
                raise StoreError(message) from error
        told.accepted += checked.accepted
        told.rejected_count += checked.refused
        told.rejected += [(number + offset, why) for number, why in checked.reasons]
        told.ids += [given for _, given in checked.ids]

    def close(self) -> None:
        """End the writer."""
        self._committer.close()


class Server:
    """A server: what is delivered is acknowledged when the call returns; each piece has a key, so that none is taken twice."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._line = Line(address(url), credentials(), answer=120.0)

    def deliver(self, data: bytes, told: Told, offset: int = 0) -> None:
        """Post lines, again while the server asks for it; raises `StoreError` when it takes nothing."""
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": new_id()}
        request = Request("POST", "/api/v1/events", headers, lambda: iter((data,)), len(data))
        why = "no answer"
        for attempt in range(_TRIES):
            answer = self._line.ask(request)
            if isinstance(answer, NoAnswer):
                why, wait = answer.why, 2.0**attempt / 4
            elif answer.status == _OK:
                self._take(answer.body, told, offset)
                return
            else:
                why = f"{answer.status} {answer.body[:300].decode(errors='replace').strip()}"
                if answer.status not in _AGAIN:
                    message = f"the server {self._url!r} refuses: {why}"
                    raise BadInput(message)
                asked = answer.headers.get("retry-after", "")
                wait = float(asked) if asked.isdecimal() else 1.0
            if attempt < _TRIES - 1:
                time.sleep(min(wait, _LONGEST_WAIT))
        message = f"the server {self._url!r} did not take it: {why}. Is it running there (watchglass serve)?"
        raise StoreError(message)

    @staticmethod
    def _take(body: bytes, told: Told, offset: int) -> None:
        try:
            found = json.loads(body)
            told.accepted += int(found["accepted"])
            told.rejected_count += int(found["rejected_count"])
            told.rejected += [(int(one["line"]) + offset, str(one["reason"])) for one in found["rejected"]]
            told.ids += [str(one["id"]) for one in found.get("ids", ())]
        except (ValueError, KeyError, TypeError):
            message = f"the answer is not a watchglass server's: {body[:200]!r}. Name its URL with --store or WATCHGLASS_STORE"
            raise StoreError(message) from None

    def close(self) -> None:
        """Let go of the connection."""
        self._line.close()


class Delivery:
    """Where a command's events go: a folder, else WATCHGLASS_STORE, else ./watchglass-data; or a server's URL."""

    def __init__(self, store: str | None) -> None:
        place = settings.resolve(settings.STORE, store)
        self.disabled = settings.resolve(settings.DISABLED)
        self.told = Told()
        self._place: Folder | Server = Server(place) if "://" in place else Folder(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.close()

    def event(self, event: dict[str, object]) -> None:
        """Deliver one event; raises `BadInput`, before anything is sent, when it cannot be taken."""
        data = json.dumps(event).encode()
        looked = Lines(Reading(), Columns(lambda _: ()))
        looked.feed(data)
        for _, why in looked.finish().reasons:
            raise BadInput(why)
        self.lines(data)
        if self.told.rejected:
            raise BadInput(self.told.rejected[0][1])

    def lines(self, data: bytes, offset: int = 0) -> None:
        """Deliver lines, of which `offset` came before."""
        if not self.disabled:
            self._place.deliver(data, self.told, offset)

    def answer(self) -> dict[str, Json]:
        """Give what was delivered, as the server answers it."""
        return {
            "accepted": self.told.accepted,
            "rejected": [{"line": number, "reason": why} for number, why in self.told.rejected[:100]],
            "rejected_count": self.told.rejected_count,
            "ids": list(self.told.ids),
        }


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """Give a file's lines in pieces of a few megabytes; an array, or an object over several lines, comes whole."""
    first = file.read(PIECE)
    start = first.lstrip()[:1]
    if start == b"[" or (start == b"{" and not _is_line(first)):
        yield first + file.read()
        return
    part = first
    while part:
        part += file.readline()
        yield part
        part = file.read(PIECE)


def _is_line(data: bytes) -> bool:
    try:
        json.loads(data.lstrip().partition(b"\n")[0])
    except ValueError:
        return False
    return True
