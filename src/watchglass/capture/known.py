"""The versions that runs of this process read and wrote → the names they went by, so that what meets them again calls them so."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_MOST: Final = 10_000
_names: OrderedDict[str, str] = OrderedDict()
_wanted = False


def want() -> None:
    """Begin to remember: only what records by itself has a use for it."""
    global _wanted  # noqa: PLW0603 - for the process
    _wanted = True


def forget() -> None:
    """Remember nothing more, and no longer what there was."""
    global _wanted  # noqa: PLW0603 - likewise
    _wanted = False
    _names.clear()


def remember(version: str | None, name: str) -> None:
    """Keep the name of a version; the latest of the last ten thousand stay."""
    if not _wanted or version is None:
        return
    _names[version] = name
    _names.move_to_end(version)
    if len(_names) > _MOST:
        _names.popitem(last=False)


def name_of(version: str | None, otherwise: str) -> str:
    """Give the name that a version went by; else another."""
    return otherwise if version is None else _names.get(version, otherwise)
