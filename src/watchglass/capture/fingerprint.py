"""A value or a file → the version of its content: 32 hexadecimal digits, equal wherever the content is, in whatever process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from watchglass.capture import columns, contents, drops, tables
from watchglass.capture.columns import is_array
from watchglass.capture.digests import Hash, hasher, put, put_array
from watchglass.capture.states import json_text, state_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchglass.capture.digests import Array

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of a content: its kind, its version (None: it cannot be known), its extent."""

    kind: Literal["frame", "array", "file", "text", "json", "estimator"]
    version: str | None
    rows: int | None = None
    columns: tuple[str, ...] | None = None
    size: int | None = None
    preview: bool = False


def content_of(value: object) -> Content:
    """Describe a value that is in memory; one whose state cannot be read is counted and has no version."""
    frame = tables.taken(value)
    if frame is not None:
        version = _version("frame", lambda: columns.frame_digest(frame, state_digest).hex())
        return Content("array" if frame.series else "frame", version, frame.rows, None if frame.series else frame.names)
    if is_array(value):
        return _array(cast("Array", value))
    if isinstance(value, (str, bytes, bytearray)):
        return _text(value)
    if contents.is_state(value):  # in whatever kind of dict, in whatever order
        value = dict(cast("dict[str, object]", value))
    elif value is None or isinstance(value, (bool, int, float, list, tuple, dict)):
        text = json_text(value)
        version = _of("json", text) if text is not None else _version("value", lambda: state_digest(value).hex())
        return Content("json", version, preview=True)
    version = _version(type(value).__name__, lambda: state_digest(value).hex())
    if contents.derived(value, "scipy", "_spbase"):
        return Content("array", version, cast("Array", value).shape[0])
    return Content("estimator", version)


def _text(value: str | bytes | bytearray) -> Content:
    if isinstance(value, str):
        return Content("text", _of("text", value), size=len(value.encode("utf-8", "surrogatepass")), preview=True)
    return Content("text", _of("bytes", bytes(value)), size=len(value))


def file_content(path: str) -> Content:
    """Describe a file, or a folder with all that lies in it; one that is not there has no version."""
    if os.path.isdir(path):  # noqa: PTH112 - text in
        return _folder(path)
    if not os.path.isfile(path):  # noqa: PTH113 - text in; reading a pipe would wait
        return Content("file", None)
    into = hasher("file")
    size = _put_file(into, path)
    return Content("file", into.hexdigest(), size=size)


def _put_file(into: Hash, path: str) -> int:
    size = 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - text in
        while block := file.read(_BLOCK):
            into.update(block)
            size += len(block)
    return size


def _folder(path: str) -> Content:
    into, total = hasher("folder"), 0
    for folder, inner, names in os.walk(path):
        inner.sort()
        for name in [name for name in inner if os.path.islink(os.path.join(folder, name))]:  # noqa: PTH114, PTH118 - text in; nobody walks into it
            full = os.path.join(folder, name)  # noqa: PTH118 - likewise
            put(into, os.path.relpath(full, path), f"link to {os.readlink(full)}")  # noqa: PTH115 - likewise
        for name in sorted(names):
            full = os.path.join(folder, name)  # noqa: PTH118 - text in
            about = file_content(full)
            put(into, os.path.relpath(full, path), about.version or "")
            total += about.size or 0
    return Content("file", into.hexdigest(), size=total)


def _array(value: Array) -> Content:
    def read() -> str:
        if type(value).__name__ not in ("ndarray", "memmap"):
            return state_digest(value).hex()
        into = hasher("array")
        put_array(into, value, state_digest)
        return into.hexdigest()

    rows = value.shape[0] if value.shape else None
    return Content("array", _version("array", read), rows, size=value.nbytes)


def _of(domain: str, data: str | bytes) -> str:
    into = hasher(domain)
    put(into, data)
    return into.hexdigest()


def _version(what: str, read: Callable[[], str]) -> str | None:
    return drops.shielded("fingerprint", f"the version of a {what} is unknown, its state cannot be read", read, None)
