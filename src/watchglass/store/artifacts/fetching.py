"""A server and a name → the artifact version as the server knows it, its bytes on this machine: from the spool, else fetched and held against their name."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from watchglass.capture.exchange import credentials
from watchglass.capture.keeping_place import adopt, checked_name, draft, form_of, place_of
from watchglass.errors import BadInput, StoreError, UnknownName
from watchglass.store.artifacts.known import Artifact
from watchglass.store.codec import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

_API: Final = "/api/v1"
_SECONDS: Final = 30.0
_OK: Final = 200
_UNKNOWN: Final = 404
_BAD: Final = 400
_WEEK: Final = 7 * 86_400.0


def fetched(url: str, spool: str, name: str, version: str | None) -> Artifact:
    """Ask the server for a version; raises `UnknownName`, `BadInput`, `StoreError` when it does not answer."""
    asked = {"name": name, **({} if version is None else {"version": version})}
    try:
        with httpx.Client(base_url=url, headers=credentials(), timeout=_SECONDS, trust_env=False) as client:
            found = decode(Artifact, _answer(client, asked))
            if found.kept is None:
                return replace(found, file=None)
            return replace(found, file=_bytes(client, spool, checked_name(found.kept)))
    except httpx.HTTPError as error:
        message = f"the server at {url} did not give artifact {name!r}: {type(error).__name__}: {error}"
        raise StoreError(message) from error


def _forget(home: str) -> None:
    """Let go of what nobody has asked for in a week."""
    for path in Path(home).glob("artifacts/*/*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _WEEK:
                path.unlink()


def _answer(client: httpx.Client, asked: Mapping[str, str]) -> str:
    answer = client.get(f"{_API}/artifact", params=asked)
    if answer.status_code == _OK:
        return answer.text
    said = str(answer.json().get("error", "")) if "json" in answer.headers.get("content-type", "") else ""
    kinds = {_UNKNOWN: UnknownName, _BAD: BadInput}
    raise kinds.get(answer.status_code, StoreError)(said or f"the server answered {answer.status_code}")


def _bytes(client: httpx.Client, spool: str, kept: str) -> str:
    """Give the path of the bytes: fetched within a week, or those that wait here for the server, else fetched now."""
    home = f"{spool}/fetched"
    _forget(home)
    found = Path(place_of(home, kept))
    if found.exists():
        os.utime(found)
        return str(found)
    path = Path(draft(home))
    try:
        with suppress(OSError):  # they may go any moment, once the server has them
            path.hardlink_to(place_of(spool, kept))
            return place_of(home, adopt(home, str(path), form_of(kept)).name)
        plain = {"Accept-Encoding": "identity"}  # most of these formats are packed already
        with client.stream("GET", f"{_API}/artifacts/{kept}", headers=plain) as answer, path.open("wb") as file:
            if answer.status_code != _OK:
                message = f"the bytes {kept!r} are not on the server (yet): it answered {answer.status_code}"
                raise StoreError(message)
            for part in answer.iter_bytes():
                file.write(part)
        done = adopt(home, str(path), form_of(kept))
    finally:
        path.unlink(missing_ok=True)
    if done.name != kept:
        message = f"the server's bytes {kept!r} are damaged: they have the sum {done.name.partition('.')[0]}"
        raise StoreError(message)
    return place_of(home, kept)
