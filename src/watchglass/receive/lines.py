"""A body, piece by piece → lines for the two logs, complete and plain JSON, and what could not be taken with its reason.

Accepted events are written anew, so that of a repeated key the last value stands, as parsers read it, and every reader
after this one sees plain JSON. A line that is refused goes into the row log too: as it is where no reader can take it for
an event, else as the raw text of a line of kind "rejected"; compaction counts it and keeps it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import orjson

from watchglass.capture.encode import canonical, line
from watchglass.capture.ids import new_id
from watchglass.errors import BadInput
from watchglass.receive.columns import News
from watchglass.receive.kinds import KINDS, completed, finished
from watchglass.receive.moments import latest
from watchglass.receive.redacting import withheld

if TYPE_CHECKING:
    from watchglass.capture.redaction import Redactor
    from watchglass.receive.columns import Columns
    from watchglass.receive.kinds import Event, Kind

LONGEST: Final = 32 << 20
"""Bytes of one line; a reader's buffer for a line is larger."""
WHOLE: Final = 16 << 20
"""Bytes of a body that is one array or one object over several lines: it is parsed at once, which takes ten times the room."""
DEEPEST: Final = 100
TOLD: Final = 100
REFUSED_AT_MOST: Final = 50_000
_RAW_KEPT: Final = 100_000
_BLANK: Final = b" \t\r\n"
_DAY: Final = 86_400_000_000

Numbered: TypeAlias = "tuple[int, str]"


class Unreadable(BadInput):
    """A body that cannot be read as events; nothing of it is recorded."""


class TooLarge(BadInput):
    """A body that holds more than the server takes at once; nothing of it is recorded."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a body is read: the kind that its lines are (None: each says its own), whether times are microseconds, its key."""

    kind: str | None = None
    exact: bool = False
    key: str | None = None


@dataclass(slots=True)
class Checked:
    """What a body came to."""

    rows: list[bytes] = field(default_factory=list)
    graph: list[bytes] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    reasons: list[Numbered] = field(default_factory=list)
    """The first hundred, by line."""
    ids: list[Numbered] = field(default_factory=list)
    """Ids that were given to events which had none, by line."""
    news: News | None = None

    @property
    def size(self) -> int:
        """Bytes that will be written."""
        return sum(map(len, self.rows)) + sum(map(len, self.graph))


class Lines:
    """A body under way: fed piece by piece, so that no more than its lines is held."""

    def __init__(self, reading: Reading, columns: Columns, redactor: Redactor | None = None) -> None:
        self._reading = reading
        self._redactor = redactor
        self._newest = latest()
        self._news = News(columns)
        self._done = Checked(news=self._news)
        self._rest = b""
        self._number = 0
        self._whole: bool | None = None  # None: not known yet
        self._out: dict[str, list[bytes]] = {"rows": [], "graph": []}
        self._size = 0

    @property
    def held(self) -> int:
        """Bytes held so far."""
        return self._size + len(self._rest)

    def feed(self, data: bytes) -> None:
        """Take the next piece; raises `Unreadable` or `TooLarge`."""
        data = self._rest + data if self._rest else data
        if self._whole is None:
            self._whole = self._is_whole(data)
        if self._whole is not False:
            self._rest = data
            if len(data) <= WHOLE:
                return
            if data.lstrip(_BLANK)[:1] == b"[":
                message = f"an array of more than {WHOLE} bytes: send JSON lines, or several arrays"
                raise TooLarge(message)
            self._whole = False
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if len(self._rest) > LONGEST:
            message = f"a line of more than {LONGEST} bytes"
            raise TooLarge(message)
        if end:
            self._lines(data[:end])

    def finish(self) -> Checked:
        """Take what is left, and give what the body came to."""
        data, self._rest = self._rest, b""
        if self._whole is not False and data.strip(_BLANK):
            self._at_once(data)
        elif data:
            self._lines(data)
        done = self._done
        done.graph[:0] = self._news.events(self._newest - _DAY)
        return done

    @staticmethod
    def _is_whole(data: bytes) -> bool | None:
        """Say whether a body is one array or one object over several lines; None when it does not show yet."""
        start = data.lstrip(_BLANK)
        if start[:1] == b"[":
            return True
        first, end, _ = start.partition(b"\n")
        if not end:
            return None
        return first[:1] == b"{" and _parsed(first) is None

    def _at_once(self, data: bytes) -> None:
        try:
            found = _parsed_or_why(data)
        except BadInput as error:
            if data.lstrip(_BLANK)[:1] == b"[":
                message = f"the array cannot be read, and nothing of it is recorded: {error}"
                raise Unreadable(message) from None
            self._lines(data)
            return
        events = found if isinstance(found, list) else [found]
        for event in events:
            self._number += 1
            self._event(event, data if event is found else None)
        self._keep()

    def _lines(self, data: bytes) -> None:
        for raw in data.split(b"\n"):
            self._number += 1
            if raw and not raw.isspace():
                self._line(raw)
        if data.endswith(b"\n"):
            self._number -= 1
        self._keep()

    def _keep(self) -> None:
        for log, kept in (("rows", self._done.rows), ("graph", self._done.graph)):
            if self._out[log]:
                joined = b"".join(self._out[log])
                self._out[log].clear()
                self._size += len(joined)
                kept.append(joined)

    def _line(self, raw: bytes) -> None:
        try:
            event = orjson.loads(raw)
        except ValueError:
            try:
                event = _parsed_or_why(raw)
            except BadInput as error:
                self._refuse(raw, str(error), plainly=True)
                return
        self._event(event, raw)

    def _event(self, event: object, raw: bytes | None) -> None:
        if type(event) is not dict:
            self._refuse(raw or canonical(event).encode(), f"not an object but {type(event).__name__}", plainly=True)
            return
        raw = raw or line(event)[:-1]
        kind = event.setdefault("kind", self._reading.kind)
        shape = KINDS.get(kind) if isinstance(kind, str) else None
        if shape is None:
            reason = (
                f"kind cannot be {kind!r:.80}: {', '.join(KINDS)} would do" if kind is not None else "kind is missing"
            )
            self._refuse(raw, reason, plainly=kind not in ("batch", "rejected"))
            return
        try:
            self._check(event, cast("str", kind), shape, raw)
        except BadInput as error:
            self._refuse(raw, str(error), plainly=False)
            return
        self._out[shape.log].append(line(event))
        self._done.accepted += 1

    def _check(self, event: Event, kind: str, shape: Kind, raw: bytes) -> None:
        reading = self._reading
        if reading.kind is not None and kind != reading.kind:
            message = (
                f"kind is {kind!r}, but only events of kind {reading.kind!r} go here; any kind goes to /api/v1/events"
            )
            raise BadInput(message)
        given = None
        if shape.gets_id and event.get("id") is None:
            given = event["id"] = self._new_id()
        completed(event, shape, self._newest, exact=reading.exact)
        if raw.count(b"[") + raw.count(b"{") > DEEPEST and _deeper_than(event, DEEPEST):
            message = f"nested more than {DEEPEST} deep"
            raise BadInput(message)
        if self._redactor is not None:
            self._redact(event, self._redactor)
        if kind == "prediction":
            self._news.look(event["model"], event.get("features"), event.get("tags"))  # type: ignore[arg-type]  # checked by now
        elif kind == "model":
            self._news.declare(event)
        elif kind == "run":
            finished(event, self._newest, exact=reading.exact)
        if given is not None:
            self._done.ids.append((self._number, given))

    @staticmethod
    def _redact(event: Event, redactor: Redactor) -> None:
        """Redact an event in place, before anything of it is kept."""
        kept = redactor.event(event)
        if not kept:
            message = "it cannot be redacted, so nothing of it is recorded"
            raise BadInput(message)
        event.clear()
        event.update(kept)

    def _new_id(self) -> str:
        """Make an id; with a key the same one again for the same line, so that a request that is repeated is answered the same."""
        if self._reading.key is None:
            return new_id()
        mark = blake2b(f"{self._number} {self._reading.key}".encode(), digest_size=16).hexdigest()
        return f"{mark[:8]}-{mark[8:12]}-8{mark[13:16]}-8{mark[17:20]}-{mark[20:]}"

    def _refuse(self, raw: bytes, reason: str, *, plainly: bool) -> None:
        done = self._done
        done.refused += 1
        if done.refused > REFUSED_AT_MOST:
            message = f"more than {REFUSED_AT_MOST} lines cannot be taken, so nothing of this body is recorded; the first, line {done.reasons[0][0]}: {done.reasons[0][1]}"
            raise Unreadable(message)
        if len(done.reasons) < TOLD:
            done.reasons.append((self._number, reason[:500]))
        kept = raw.strip(b"\r\n")[:_RAW_KEPT]
        if self._redactor is not None:
            about = {"kind": "rejected", "line": self._number, "reason": withheld(reason), "raw": None}
            kept = line(about)[:-1]
        elif not plainly or b"\n" in kept:
            text = kept.decode("utf-8", "backslashreplace")
            kept = line({"kind": "rejected", "line": self._number, "reason": reason[:500], "raw": text})[:-1]
        self._out["rows"].append(kept + b"\n")


def _parsed(raw: bytes) -> object | None:
    try:
        return _parsed_or_why(raw)
    except BadInput:
        return None


def _parsed_or_why(raw: bytes) -> object:
    """Parse JSON the way clients write it: NaN and infinity are null, half a surrogate pair is mended later."""
    try:
        return cast("object", orjson.loads(raw))
    except ValueError:
        pass
    try:
        return cast("object", json.loads(raw.decode(), parse_constant=lambda _: None))
    except UnicodeDecodeError as error:
        message = f"not UTF-8: {error.reason} at byte {error.start}"
    except RecursionError:
        message = f"nested more than {DEEPEST} deep"
    except ValueError as error:
        message = f"not JSON: {error}"
    raise BadInput(message)


def _deeper_than(value: object, deepest: int) -> bool:
    """Say whether a value is nested deeper than so many levels, without recursion."""
    level: list[object] = [value]
    for _ in range(deepest):
        level = [part for item in level for part in _parts(item) if isinstance(part, (dict, list))]
        if not level:
            return False
    return True


def _parts(item: object) -> list[object]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []
