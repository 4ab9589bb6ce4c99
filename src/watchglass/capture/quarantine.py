"""A version of an artifact that failed a test → a mark beside the log, of which every reader of that version is warned.

The marks are empty files in the store's folder `quarantine`, named by a digest of name and version, so that another process
sees them with one look and nobody reads anything in them; the catalog says the same.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from watchglass.capture.drops import shielded


def _place(store: str, name: str, version: str) -> str:
    digits = blake2b(f"{name}\0{version}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{store}/quarantine/{digits}"


def mark(store: str, name: str, version: str | None) -> None:
    """Mark a version; one that is not known cannot be met again, so there is nothing to mark."""
    if version is None:
        return
    place = Path(_place(store, name, version))

    def write() -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()

    shielded("quarantine", f"readers of {name!r} will not be warned", write, None)


def is_marked(store: str, name: str, version: str | None) -> bool:
    """Say whether a version is in quarantine."""
    return version is not None and os.path.exists(_place(store, name, version))  # noqa: PTH110 - a hot text path
