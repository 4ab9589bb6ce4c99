"""What an export holds → manifest.json beside its files, written last, so that an export is whole or none; and back."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from watchglass.errors import BadInput
from watchglass.store.exchange.tables import KINDS, Format
from watchglass.store.folder import sync_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "manifest.json"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: where it lies below the export, the table and model of its rows, how many, and the BLAKE2b sum of its bytes.

    `features` and `tags` are names and DuckDB types of the fields of predictions. `ruled` is the time in µs up to which
    predictions have expired, where a model's rule of feedback looked at all of these rows and its labels are in the export.
    """

    path: str
    table: str
    model: str | None
    rows: int
    bytes: int
    sum: str
    features: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    ruled: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An export: its own id, the package's and the catalog's version, when it was made, and its files."""

    version: int
    id: str
    watchglass: str
    catalog: int
    made: str
    format: Format
    filters: dict[str, str | None]
    files: tuple[Entry, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The rows of each table."""
        found: dict[str, int] = {}
        for entry in self.files:
            found[entry.table] = found.get(entry.table, 0) + entry.rows
        return found


def write(folder: Path, manifest: Manifest) -> None:
    """Publish a manifest: whole, on the disk, or not there."""
    told = {**asdict(manifest), "counts": manifest.counts}
    aside = folder / f"{FILE}.tmp"
    with aside.open("w") as file:
        json.dump(told, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(folder / FILE)
    sync_folder(folder)


def read(folder: Path) -> Manifest | None:
    """Read the manifest of an export; None where a folder has none. Raises `BadInput` for one that cannot be."""
    path = folder / FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        told: Mapping[str, object] = json.loads(text)
        version = told.get("version") if isinstance(told, dict) else None
        if isinstance(version, int) and version > VERSION:
            message = (
                f"{str(path)!r} is of version {version}, this package reads {VERSION}: pip install --upgrade watchglass"
            )
            raise BadInput(message)
        found = TypeAdapter(Manifest).validate_json(text)
    except (ValueError, ValidationError) as error:
        if isinstance(error, BadInput):
            raise
        message = f"{str(path)!r} is no manifest of an export: {str(error).splitlines()[0]}"
        raise BadInput(message) from None
    for entry in found.files:
        place = Path(entry.path)
        if entry.table not in KINDS or place.is_absolute() or ".." in place.parts:
            message = f"{str(path)!r} lists {entry.path!r} of table {entry.table!r}, which no export does"
            raise BadInput(message)
    return found
