"""A sealed segment → requests to the server → whether it has all of it, will never take it, or should be asked again later.

A segment's name is the key of its request, so a request repeated after a lost answer changes nothing. One that is too
large goes in halves by lines, with keys `name#0` and `name#1`, and so on down; what was split is written down beside
the segment before a half is sent, so that every later try splits alike, whatever the server's limit is by then.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from watchglass.capture.exchange import Answer, NoAnswer, Request
from watchglass.capture.segment import sync_folder
from watchglass.capture.spool import CHUNK, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchglass.capture.exchange import Line
    from watchglass.capture.spool import Sealed

LONGEST_WAIT: Final = 60.0
_EVENTS: Final = "/api/v1/events?times=us"  # what the recorder wrote, taken exactly so
_WORTH_PACKING: Final = 512
_PAYS: Final = 0.9
_GZIP: Final = 31  # zlib's number for the gzip format
_OK: Final = 200
_TOO_LARGE: Final = 413
_NEVER: Final = frozenset((400, _TOO_LARGE, 415, 422))
_BUSY: Final = frozenset((429, 503))
_NOT_THERE: Final = frozenset((404, 405))
_AGAIN: Final = frozenset((408, 409, 425))
_SERVERS_FAULT: Final = 500


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a segment that go in one request, and its key."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server will never take, and what it said."""

    part: Part
    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The server has the segment but for what it refused; of what it took it set `rejected` lines aside, for reasons it keeps."""

    refusals: tuple[Refusal, ...] = ()
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Later:
    """Ask again: soon (trouble), after `seconds` (asked), or slowly (denied: somebody has to change something)."""

    why: str
    manner: Literal["trouble", "asked", "denied"] = "trouble"
    seconds: float = 0.0
    blamed: bool = False
    """Whether this very segment may be the reason, so that others should go before it."""


def ship(line: Line, segment: Sealed) -> Taken | Later:
    """Bring a segment to the server; what fails on this machine's disk raises `OSError`."""
    whole = Part(segment.name, 0, segment.size)
    if segment.sidecar is not None:
        return _ship_frame(line, segment, whole, segment.sidecar)
    if segment.log == "drops":
        return _ship_losses(line, segment, whole)
    if segment.size == 0:
        return Taken()
    return _ship_lines(line, segment, whole, _split_before(segment))


def _ship_frame(line: Line, segment: Sealed, whole: Part, sidecar: str) -> Taken | Later:
    try:
        with open(sidecar, "rb") as file:  # noqa: PTH123 - text paths here
            about = file.read().strip() + b"\n"
    except FileNotFoundError:
        return Taken((Refusal(whole, 0, "what its columns are is not beside it"),))
    request = Request(
        "POST",
        f"/api/v1/frames?name={quote(segment.name, safe='')}",
        {"Content-Type": "application/octet-stream", "Idempotency-Key": segment.name},
        lambda: _framed(about, segment),
        len(about) + segment.size,
    )
    return _judged(line.ask(request), whole)


def _framed(about: bytes, segment: Sealed) -> Iterator[bytes]:
    yield about
    yield from chunks(segment, 0, segment.size)


def _ship_losses(line: Line, segment: Sealed, whole: Part) -> Taken | Later:
    """Tell what a process that died could not record."""
    try:
        told = json.loads(b"".join(chunks(segment, 0, segment.size)))
        event = {"kind": "drops", "writer": told["writer"], "reasons": told["reasons"], "time": told["time"]}
    except (ValueError, TypeError, KeyError):
        return Taken((Refusal(whole, 0, "it cannot be read"),))
    if not event["reasons"]:
        return Taken()
    body = json.dumps(event).encode() + b"\n"
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": segment.name}
    return _judged(line.ask(Request("POST", _EVENTS, headers, lambda: [body], len(body))), whole)


def _ship_lines(line: Line, segment: Sealed, part: Part, split: frozenset[str]) -> Taken | Later:
    middle = _middle(segment.handle, part)
    if part.key not in split or middle is None:
        found = _judged(line.ask(_events(segment, part)), part)
        too_large = isinstance(found, Taken) and any(refusal.status == _TOO_LARGE for refusal in found.refusals)
        if not too_large or middle is None:
            return found
        _note_split(segment, part.key)
    refusals: list[Refusal] = []
    rejected = 0
    for half in (Part(f"{part.key}#0", part.start, middle), Part(f"{part.key}#1", middle, part.end)):
        found = _ship_lines(line, segment, half, split)
        if isinstance(found, Later):
            return found
        refusals.extend(found.refusals)
        rejected += found.rejected
    return Taken(tuple(refusals), rejected)


def _split_before(segment: Sealed) -> frozenset[str]:
    try:
        with open(segment.parts, encoding="utf-8") as file:  # noqa: PTH123 - text paths here
            return frozenset(file.read().splitlines())
    except FileNotFoundError:
        return frozenset()


def _note_split(segment: Sealed, key: str) -> None:
    handle = os.open(segment.parts, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, f"{key}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(os.path.dirname(segment.parts))  # noqa: PTH120 - text paths here


def _middle(handle: int, part: Part) -> int | None:
    """Find the line end nearest after the middle, else before it; None for one line."""
    middle = (part.start + part.end) // 2
    at = middle
    while at < part.end:
        found = os.pread(handle, min(CHUNK, part.end - at), at)
        newline = found.find(b"\n")
        if newline >= 0 and at + newline + 1 < part.end:
            return at + newline + 1
        if newline >= 0 or not found:
            break
        at += len(found)
    at = middle
    while at > part.start:
        begin = max(part.start, at - CHUNK)
        newline = os.pread(handle, at - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        at = begin
    return None


def _events(segment: Sealed, part: Part) -> Request:
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": part.key}
    packed = _packed(segment, part)
    if packed is None:
        return Request("POST", _EVENTS, headers, lambda: chunks(segment, part.start, part.end), part.end - part.start)
    headers["Content-Encoding"] = "gzip"
    return Request("POST", _EVENTS, headers, lambda: iter(packed), sum(map(len, packed)))


def _packed(segment: Sealed, part: Part) -> list[bytes] | None:
    """Compress, chunk by chunk so that only the result is in memory; None where it would not pay."""
    if part.end - part.start < _WORTH_PACKING:
        return None
    sample = os.pread(segment.handle, min(CHUNK, part.end - part.start), part.start)
    if len(zlib.compress(sample, 1)) > _PAYS * len(sample):
        return None
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    packed = [packer.compress(chunk) for chunk in chunks(segment, part.start, part.end)]
    return [*packed, packer.flush()]


def _judged(answer: Answer | NoAnswer, part: Part) -> Taken | Later:
    if isinstance(answer, NoAnswer):
        return Later(answer.why, blamed=answer.sent)
    said = f"{answer.status} {answer.body[:300].decode(errors='replace')}".strip()
    if answer.status == _OK:
        rejected = _acknowledged(answer.body)
        return (
            Taken(rejected=rejected) if rejected is not None else Later(f"no acknowledgement in {said!r}", blamed=True)
        )
    if answer.status in _NEVER:
        return Taken((Refusal(part, answer.status, said),))
    if answer.status in _BUSY:
        seconds = retry_after(answer.headers.get("retry-after"))
        return Later(said) if seconds is None else Later(said, "asked", seconds)
    if answer.status >= _SERVERS_FAULT or answer.status in _AGAIN:
        return Later(said, blamed=True)
    moved = answer.headers.get("location")
    why = f"{said} (it points to {moved!r}; the server's own URL would do)" if moved else said
    return Later(why, "denied", blamed=answer.status in _NOT_THERE)


def _acknowledged(body: bytes) -> int | None:
    """Count the lines that the server set aside; None when the answer is not the acknowledgement of a watchglass server."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or type(found.get("accepted")) is not int:
        return None
    rejected = found.get("rejected_count", 0)
    return rejected if type(rejected) is int else 0


def retry_after(header: str | None) -> float | None:
    """Read Retry-After: seconds or a date, a minute at most."""
    if header is None:
        return None
    try:
        wanted = float(int(header))
    except ValueError:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - loaded with http.client

        try:
            wanted = parsedate_to_datetime(header).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return min(max(wanted, 0.0), LONGEST_WAIT)
