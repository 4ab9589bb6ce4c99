"""Folders of Parquet files ↔ Delta Lake tables over the very same files, by the extra `delta`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from watchglass.errors import BadInput, need

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

LOG = "_delta_log"


def require() -> ModuleType:
    """Import deltalake, or raise `MissingLibrary` with the line that installs it."""
    return need("deltalake", extra="delta", to="write or read a Delta table")


def make_tables(folders: Iterable[Path]) -> None:
    """Write a Delta log beside the Parquet files of each folder; they stay as they are."""
    library = require()
    for folder in sorted(folders):
        library.convert_to_deltalake(str(folder.absolute()))


def is_table(folder: Path) -> bool:
    """Say whether a folder is a Delta table."""
    return (folder / LOG).is_dir()


def files_of(folder: Path) -> list[str]:
    """List the files of a Delta table as it is now; raises `BadInput` where it cannot be read."""
    library = require()
    try:
        found = library.DeltaTable(str(folder.absolute())).file_uris()
    except Exception as error:  # noqa: BLE001 - the library's errors have no common kind of their own
        message = f"the Delta table {str(folder)!r} cannot be read: {str(error).splitlines()[0]}"
        raise BadInput(message) from None
    return [unquote(urlsplit(uri).path) if uri.startswith("file:") else str(uri) for uri in found]
