"""A frame as a client sends it (a line that says what its columns are, then Parquet) → a columnar segment, under its own name.

The bytes go to the disk as they come, so that a frame may be larger than the memory for requests. The segment's name is the
key: one that is there already, or was compacted, is not taken again.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import orjson

from watchglass.capture.encode import line
from watchglass.capture.ids import new_hex
from watchglass.capture.segment import prepare, sync_folder
from watchglass.receive.lines import TooLarge, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{7,190}(\.parquet)?")
_SIDECAR: Final = 4 << 20
_MARK: Final = b"PAR1"
_SHORTEST: Final = 12
_KINDS: Final = ("predictions", "labels")
_TIME_TYPES: Final = ("datetime", "date", "text", "epoch_s")
_COLUMN_TYPES: Final = ("number", "boolean", "text", "json")


@dataclass(frozen=True, slots=True)
class About:
    """What a frame's first line says."""

    sidecar: Mapping[str, object]
    model: str
    names: tuple[str, ...]
    """The columns that it names; the file must have them."""
    told: tuple[tuple[str, str, str], ...]
    """Role, name and type of features and tags."""


def segment_name(name: str) -> str:
    """Check a segment's name; raises `Unreadable`.

    >>> segment_name("0190f3a2b1c47d8e9f00aa11bb22cc33-417")
    '0190f3a2b1c47d8e9f00aa11bb22cc33-417.parquet'
    """
    if not _NAME.fullmatch(name):
        message = f"name cannot be {name[:200]!r}: 8 to 190 letters, digits, - and _ would do, such as a UUID; it is the frame's key"
        raise Unreadable(message)
    return name if name.endswith(".parquet") else f"{name}.parquet"


class Arriving:
    """A frame under way to the disk."""

    def __init__(self, root: str, name: str, limit: int) -> None:
        """Open a file aside; raises `OSError`."""
        self._folder = prepare(root, "rows")
        self._path = f"{self._folder}/{name}"
        self.aside = f"{self._path}.{new_hex()}.tmp"
        self._limit = limit
        self._first = b""
        self._sidecar: bytes | None = None
        self._size = 0
        self._file: BinaryIO = open(self.aside, "xb", buffering=0)  # noqa: PTH123, SIM115 - closed by `close`

    @property
    def there(self) -> bool:
        """Whether a segment of this name lies in the log."""
        return os.path.exists(self._path)  # noqa: PTH110 - text paths here

    def feed(self, data: bytes) -> None:
        """Write the next piece; raises `OSError`, `Unreadable` or `TooLarge`."""
        if self._sidecar is None:
            first, end, data = (self._first + data).partition(b"\n")
            if len(first) > _SIDECAR or not end:
                self._first = first
                if len(first) > _SIDECAR:
                    message = f"the first line is longer than {_SIDECAR} bytes: a line of JSON that says what the columns are would do"
                    raise Unreadable(message)
                return
            self._sidecar = first
        self._size += len(data)
        if self._size > self._limit:
            message = f"the frame holds more than {self._limit} bytes: send it in parts"
            raise TooLarge(message)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def read(self) -> About:
        """Bring the frame to the disk and say what it is; raises `OSError` or `Unreadable`."""
        if self._sidecar is None:
            message = (
                "the first line is not there: a line of JSON that says what the columns are would do, then Parquet"
            )
            raise Unreadable(message)
        about = _about(self._sidecar)
        os.fsync(self._file.fileno())
        ends = os.open(self.aside, os.O_RDONLY | os.O_CLOEXEC)
        try:
            whole = self._size >= _SHORTEST and {os.pread(ends, 4, 0), os.pread(ends, 4, self._size - 4)} == {_MARK}
        finally:
            os.close(ends)
        if not whole:
            message = "what follows the first line is not a whole Parquet file"
            raise Unreadable(message)
        return about

    def publish(self, about: About) -> None:
        """Give the segment its name, its sidecar first; raises `OSError`."""
        beside = f"{self.aside[:-4]}.json.tmp"
        try:
            with open(beside, "xb") as file:  # noqa: PTH123 - text paths here
                file.write(line(about.sidecar))
                file.flush()
                os.fsync(file.fileno())
            os.rename(beside, f"{self._path}.json")  # noqa: PTH104 - a Parquet segment is never without its sidecar
        except OSError:
            with suppress(OSError):
                os.unlink(beside)  # noqa: PTH108 - text paths here
            raise
        os.rename(self.aside, self._path)  # noqa: PTH104 - text paths here
        sync_folder(self._folder)

    def close(self) -> None:
        """Let go; what was not published is gone."""
        self._file.close()
        with suppress(OSError):
            os.unlink(self.aside)  # noqa: PTH108 - text paths here


def _about(first: bytes) -> About:
    try:
        found = orjson.loads(first)
    except ValueError as error:
        message = f"the first line is not JSON: {error}"
        raise Unreadable(message) from None
    if not isinstance(found, dict):
        message = "the first line is not an object that says what the columns are"
        raise Unreadable(message)
    kind, model = found.get("kind"), found.get("model")
    _require(kind in _KINDS, "kind", kind, "predictions or labels")
    _require(isinstance(model, str) and model, "model", model, "a text that is not empty")
    columns = found.get("columns")
    _require(
        isinstance(columns, dict) and all(isinstance(name, (str, type(None))) for name in columns.values()),
        "columns",
        columns,
        'an object such as {"id": "tx", "time": "at", "prediction": "p"}',
    )
    roles = cast("dict[str, str | None]", columns)
    for role in ("time", "prediction") if kind == "predictions" else ("time", "id", "label"):
        _require(roles.get(role), f"columns.{role}", roles.get(role), "the name of a column")
    _require(found.get("time_type") in _TIME_TYPES, "time_type", found.get("time_type"), ", ".join(_TIME_TYPES))
    listed = {part: _listed(found, part) for part in ("features", "tags")} if kind == "predictions" else {}
    types = found.setdefault("types", {}) if listed else {}
    _require(
        isinstance(types, dict) and set(map(str, types.values())) <= set(_COLUMN_TYPES),
        "types",
        types,
        'an object such as {"amount": "number"}',
    )
    return about_of(found)


def about_of(sidecar: Mapping[str, object]) -> About:
    """Say what a frame is by its sidecar, which was checked."""
    roles, types = cast("dict[str, str | None]", sidecar["columns"]), cast("dict[str, str]", sidecar.get("types") or {})
    features, tags = (cast("Sequence[str]", sidecar.get(part) or ()) for part in ("features", "tags"))
    told = [("feature", name, types[name]) for name in features if name in types]
    told += [("tag", name, "text") for name in tags]
    names = [*(name for name in roles.values() if name), *features, *tags]
    return About(sidecar, str(sidecar["model"]), tuple(dict.fromkeys(names)), tuple(told))


def _listed(found: dict[str, object], part: str) -> list[str]:
    names = found.setdefault(part, [])
    _require(
        isinstance(names, list) and all(isinstance(name, str) and name for name in names),
        part,
        names,
        "a list of columns",
    )
    return cast("list[str]", names)


def _require(held: object, name: str, value: object, would_do: str) -> None:
    if not held:
        message = f"{name} in the first line cannot be {value!r:.80}: {would_do} would do"
        raise Unreadable(message)
