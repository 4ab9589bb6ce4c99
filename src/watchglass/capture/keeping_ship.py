"""Bytes kept in a spool → the server: asked for first, sent where they are not there yet, removed here once it has them.

They go after the events, largest last, each whole in one request under the name that is its sum, so that a request that
is repeated changes nothing. What a server will never take is counted and removed: the version that it belongs to stays.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from watchglass.capture import drops
from watchglass.capture.exchange import NoAnswer, Request
from watchglass.capture.keeping_place import BLOCK, FOLDER
from watchglass.capture.shipping import Later, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchglass.capture.exchange import Answer, Line

PATH: Final = "/api/v1/artifacts/"
_OK: Final = 200
_NOT_THERE: Final = 404
_NEVER: Final = frozenset((400, 405, 413, 415, 422))
_OLD: Final = 3600.0


def ship_kept(line: Line, root: str) -> Later | None:
    """Bring all kept bytes to the server; says why not all. What fails on this machine's disk raises `OSError`."""
    for path in waiting(root):
        try:
            found = _ship(line, path)
        except FileNotFoundError:  # another process of this machine was quicker
            continue
        if found is not None:
            return found
    return None


def waiting(root: str) -> list[str]:
    """List the files, the smallest first, and remove drafts that are an hour old."""
    found: list[tuple[int, str]] = []
    home = f"{root}/{FOLDER}"
    with suppress(FileNotFoundError):
        for entry in os.scandir(home):
            if entry.is_dir():
                found += [(file.stat().st_size, file.path) for file in os.scandir(entry.path)]
            elif time.time() - entry.stat().st_mtime > _OLD:
                os.unlink(entry.path)  # noqa: PTH108 - text paths here
    return [path for _, path in sorted(found)]


def _ship(line: Line, path: str) -> Later | None:
    name = os.path.basename(path)  # noqa: PTH119 - text paths here
    answer = line.ask(Request("HEAD", PATH + name, {}))
    if not isinstance(answer, NoAnswer) and answer.status == _NOT_THERE:
        size = os.path.getsize(path)  # noqa: PTH202 - likewise
        headers = {"Content-Type": "application/octet-stream"}
        answer = line.ask(Request("PUT", PATH + name, headers, lambda: _blocks(path), size))
    return _judged(answer, path)


def _blocks(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - text paths here
        while block := file.read(BLOCK):
            yield block


def _judged(answer: Answer | NoAnswer, path: str) -> Later | None:
    if isinstance(answer, NoAnswer):
        return Later(answer.why)
    if answer.status == _OK:
        os.unlink(path)  # noqa: PTH108 - text paths here
        return None
    said = f"{answer.status} {answer.body[:300].decode(errors='replace')}".strip()
    if answer.status in _NEVER or answer.status == _NOT_THERE:
        drops.count(
            f"refused {answer.status}", f"kept bytes of an artifact are removed, the server will not take them: {said}"
        )
        os.unlink(path)  # noqa: PTH108 - likewise
        return None
    seconds = retry_after(answer.headers.get("retry-after"))
    return Later(said) if seconds is None else Later(said, "asked", seconds)
