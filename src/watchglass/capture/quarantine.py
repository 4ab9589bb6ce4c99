"""A version of an artifact that failed a test → a mark beside the log, of which every reader of that version is warned.

The marks are empty files in the store's folder `quarantine`, named by a digest of name and version, so that another process
sees them with one look and nobody reads anything in them; the catalog says the same, and lifts them when they are released.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchglass.capture.drops import shielded

if TYPE_CHECKING:
    from collections.abc import Collection

FOLDER: Final = "quarantine"
_DIGITS: Final = 32


def digest(name: str, version: str) -> str:
    """Give the name of a mark's file."""
    return blake2b(f"{name}\0{version}".encode("utf-8", "surrogatepass"), digest_size=_DIGITS // 2).hexdigest()


def is_digest(name: str) -> bool:
    """Say whether a file of the folder is a mark: a doctor sets damaged files aside there too."""
    return len(name) == _DIGITS and set(name) <= set("0123456789abcdef")


def mark(store: str, name: str, version: str | None) -> None:
    """Mark a version; one that is not known cannot be met again, so there is nothing to mark."""
    if version is not None:
        shielded("quarantine", f"readers of {name!r} will not be warned", lambda: put(store, name, version), None)


def is_marked(store: str, name: str, version: str | None) -> bool:
    """Say whether a version is in quarantine."""
    return version is not None and os.path.exists(f"{store}/{FOLDER}/{digest(name, version)}")  # noqa: PTH110 - a hot text path


def marked(store: str) -> frozenset[str]:
    """List the marks of a store. Raises `OSError`."""
    with suppress(FileNotFoundError):
        return frozenset(path.name for path in Path(store, FOLDER).iterdir() if is_digest(path.name))
    return frozenset()


def put(store: str, name: str, version: str, there: Collection[str] = ()) -> None:
    """Put a mark down, unless it is among those that are there. Raises `OSError`."""
    one = digest(name, version)
    if one not in there:
        home = Path(store, FOLDER)
        home.mkdir(parents=True, exist_ok=True)
        (home / one).touch()


def lift(store: str, name: str, version: str, there: Collection[str]) -> None:
    """Take a mark away, if it is among those that are there. Raises `OSError`."""
    one = digest(name, version)
    if one in there:
        Path(store, FOLDER, one).unlink(missing_ok=True)
