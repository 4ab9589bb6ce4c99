"""A path → the store's layout: where the two logs, the tables and the catalog lie, made when first needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from watchglass.errors import StoreError


@dataclass(frozen=True, slots=True)
class Folder:
    """The directory of one store; properties name what lies in it."""

    root: Path

    @property
    def graph_log(self) -> Path:
        """Segments of runs, artifacts, models, deployments and schemas."""
        return self.root / "log" / "graph"

    @property
    def row_log(self) -> Path:
        """Segments of predictions and labels."""
        return self.root / "log" / "rows"

    @property
    def tables(self) -> Path:
        """Parquet files, listed in the manifest."""
        return self.root / "tables"

    @property
    def scratch(self) -> Path:
        """What readers keep for themselves while they live."""
        return self.root / "tmp"

    @property
    def catalog(self) -> Path:
        """The SQLite file that holds manifest and graph."""
        return self.root / "catalog.db"

    @property
    def elsewhere(self) -> Path:
        """The file that names the database where the catalog lies, when it does not lie here."""
        return self.root / "catalog.url"


def prepare(path: str | os.PathLike[str], *, create: bool = False) -> Folder:
    """Give the folder of a store; with `create`, make it.

    Raises `StoreError` when there is none, or when it cannot be made.
    """
    folder = Folder(Path(path))
    if not create and not folder.root.is_dir():
        message = (
            f"there is no store at {str(path)!r}. Name one with --store or WATCHGLASS_STORE, "
            "or record something first: wg.log_prediction(…). Next: watchglass demo"
        )
        raise StoreError(message)
    try:
        for part in (folder.graph_log, folder.row_log, folder.tables):
            make_folder(part)
        ignore = folder.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        message = (
            f"the store {str(path)!r} cannot be written: {error.strerror or error}. "
            "Name a folder that this user may write: --store, WATCHGLASS_STORE or wg.init(store=…)"
        )
        raise StoreError(message) from error
    return folder


def make_folder(path: Path) -> None:
    """Make a folder and those above it, each so that it survives a power cut."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make a rename or a new file in `path` survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's bytes survive a power cut; `COPY` does not."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
