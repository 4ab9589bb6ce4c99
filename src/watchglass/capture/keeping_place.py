"""A draft on the disk → the same bytes kept once below a store's folder `artifacts`, under a name that is their sum and their format.

    artifacts/3f/3f0c…9a.pandas.parquet     BLAKE2b of the bytes, 128 bits; then how to read them
    artifacts/.41d2….tmp                    a draft: swept when it is an hour old

A draft is synced, renamed, and its folder synced: what has a name is whole. Bytes that are there already are touched, so
that a sweep which is about to begin sees that somebody names them anew.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from watchglass.capture.segment import sync_file, sync_folder
from watchglass.errors import BadInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER: Final = "artifacts"
BLOCK: Final = 1 << 20
_NAME: Final = re.compile(r"[0-9a-f]{32}(\.[A-Za-z0-9_]{1,60}){1,4}")
_PRIVATE: Final = 0o700


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that are kept: their name, how many they are, and whether they were not there before."""

    name: str
    size: int
    new: bool


def checked_name(name: str) -> str:
    """Take the name of kept bytes; raises `BadInput` for anything else, so that no path leads out of the folder.

    >>> checked_name("../catalog.db")
    Traceback (most recent call last):
    watchglass.errors.BadInput: kept bytes cannot be named '../catalog.db': 32 hexadecimal digits and a format would do, as 3f…9a.npy
    """
    if _NAME.fullmatch(name) is None:
        message = f"kept bytes cannot be named {name[:80]!r}: 32 hexadecimal digits and a format would do, as 3f…9a.npy"
        raise BadInput(message)
    return name


def place_of(root: str, name: str) -> str:
    """Give the path of kept bytes."""
    return f"{root}/{FOLDER}/{name[:2]}/{name}"


def form_of(name: str) -> str:
    """Give the format of kept bytes by their name.

    >>> form_of("3f0c.pandas.parquet")
    'pandas.parquet'
    """
    return name.partition(".")[2]


def draft(root: str, ending: str = "") -> str:
    """Name a file to write to that nobody else has; some libraries go by its ending."""
    folder = f"{root}/{FOLDER}"
    os.makedirs(folder, mode=_PRIVATE, exist_ok=True)  # noqa: PTH103 - text paths here
    return f"{folder}/.{uuid4().hex}.tmp{ending}"


def put(root: str, write: Callable[[str], object], form: str, ending: str = "", most: int | None = None) -> Kept:
    """Keep what `write` writes to the path that it is given; raises `TooMuch` beyond `most` new bytes, and what `write` raises."""
    path = draft(root, ending)
    try:
        write(path)
        return adopt(root, path, form, most)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - text paths here


class TooMuch(StoreError):
    """There is no room for so many bytes more."""


def adopt(root: str, path: str, form: str, most: int | None = None) -> Kept:
    """Give a draft its name, unless its bytes are there already; raises `TooMuch` beyond `most` new bytes."""
    digest, size = summed(path)
    name = f"{digest}.{form}"
    target = place_of(root, name)
    if touched(target, size):
        return Kept(name, size, new=False)
    if most is not None and size > most:
        message = f"{size} bytes are more than the {most} that may still be kept"
        raise TooMuch(message)
    sync_file(path)
    os.chmod(path, 0o444)  # noqa: PTH101 - nobody changes what has the name of its sum
    parent = os.path.dirname(target)  # noqa: PTH120 - text paths here
    os.makedirs(parent, mode=_PRIVATE, exist_ok=True)  # noqa: PTH103 - likewise
    os.rename(path, target)  # noqa: PTH104 - likewise
    sync_folder(parent)
    return Kept(name, size, new=True)


def touched(target: str, size: int) -> bool:
    """Say whether so many bytes lie there, and mark them as named just now."""
    try:
        if os.stat(target).st_size != size:  # noqa: PTH116 - text paths here
            return False
        os.utime(target)
    except FileNotFoundError:
        return False
    return True


def summed(path: str) -> tuple[str, int]:
    """Give the sum of a file's bytes and how many they are."""
    found, size = blake2b(digest_size=16), 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - text paths here
        while block := file.read(BLOCK):
            found.update(block)
            size += len(block)
    return found.hexdigest(), size


def checked(path: str, name: str) -> str:
    """Hold kept bytes against their name; raises `StoreError` when they are gone or damaged."""
    try:
        found, _ = summed(path)
    except FileNotFoundError:
        message = f"the kept bytes {name!r} are not at {path!r}: they were removed, or they have not come from another machine yet"
        raise StoreError(message) from None
    if found != name.partition(".")[0]:
        message = f"the kept bytes {path!r} are damaged: their sum is {found}. Next: watchglass doctor"
        raise StoreError(message)
    return path


def held(root: str) -> int:
    """Count the bytes that are kept in a store."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(f"{root}/{FOLDER}") as folders:
        for folder in folders:
            if folder.is_dir():
                with suppress(FileNotFoundError), os.scandir(folder.path) as files:
                    total += sum(file.stat().st_size for file in files)
    return total
