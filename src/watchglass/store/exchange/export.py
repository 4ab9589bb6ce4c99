"""A store, one moment of it → a folder of files that any tool reads, a few for each table, and a manifest that says what they hold."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.capture.times import micros
from watchglass.errors import BadInput, StoreError
from watchglass.store.compact import compact, engine_room
from watchglass.store.exchange import delta
from watchglass.store.exchange.aside import becoming
from watchglass.store.exchange.manifest import VERSION, Entry, Manifest, write
from watchglass.store.exchange.sources import Chosen, Part, parts
from watchglass.store.exchange.tables import ENDINGS, Format, chosen, format_of
from watchglass.store.exchange.written import OPTIONS, outward
from watchglass.store.folder import make_folder, sync_file, sync_folder
from watchglass.store.models import require_model
from watchglass.store.parquet import sum_of
from watchglass.store.quoting import literal
from watchglass.store.transactions import SCHEMA_VERSION

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.exchange.tables import Kind
    from watchglass.store.folder import Folder

MEMORY: Final = "400MB"
WIDE: Final = 500
"""Columns beyond which the groups of rows under way need more than that."""
THREADS: Final = 2
"""Each holds a group of rows that it packs."""
_LONGEST_NAME: Final = 100
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written: tables (None: all), of a model, an environment and a stretch of time, in a format."""

    tables: Iterable[str] | None = None
    model: str | None = None
    environment: str | None = None
    start: Time | None = None
    end: Time | None = None
    format: str = "parquet"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: where, in which format, under which id, how many files, rows and bytes, and the rows of each table."""

    to: str
    format: str
    id: str
    files: int
    rows: int
    bytes: int
    tables: Mapping[str, int]


def export(
    folder: Folder,
    engine: Engine,
    to: str | os.PathLike[str],
    wanted: Wanted,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write what is in a store now into a folder that is empty or not there; `progress` is told rows done and in all.

    Raises `BadInput` for what cannot be chosen and for a folder that holds something, `UnknownName` for a model that is
    not recorded, `MissingLibrary` for Delta without its extra, `StoreError` when a file cannot be read or written.
    """
    form, kinds = format_of(wanted.format), chosen(wanted.tables)
    rows = rows_of(wanted)
    if wanted.model is not None:
        require_model(folder, engine, wanted.model)
    if form == "delta":
        delta.require()
    place = _empty(to)
    compact(folder, engine)
    try:
        with becoming(place) as room:
            made = _written(folder, engine, (room, form, kinds, rows), _filters(wanted), progress)
    except (duckdb.Error, OSError) as error:
        message = f"the export stopped: {str(error).splitlines()[0]}. Nothing of it is left: make room, or name another folder, and begin again"
        raise StoreError(message) from error
    size = sum(entry.bytes for entry in made.files)
    return Exported(str(place), form, made.id, len(made.files), sum(made.counts.values()), size, made.counts)


def _written(
    folder: Folder,
    engine: Engine,
    what: tuple[Path, Format, Sequence[Kind], Chosen],
    filters: dict[str, str | None],
    progress: Callable[[int, int], None] | None,
) -> Manifest:
    """Write the files, then the manifest."""
    room, form, kinds, rows = what
    entries: list[Entry] = []
    with engine_room(folder) as connection, parts(folder, engine, connection, kinds, rows) as found:
        if max((len(part.columns.features) for part in found), default=0) <= WIDE:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET enable_progress_bar = false; SET threads = {THREADS}")
        total, done = sum(part.rows for part in found), 0
        for part in found:
            entry = _file(connection, room, part, form, entries)
            entries += [entry] if entry is not None else []
            done += part.rows
            if progress:
                progress(done, total)
    if form == "delta":
        delta.make_tables({(room / entry.path).parent for entry in entries})
    made = Manifest(
        VERSION, uuid.uuid4().hex, version("watchglass"), SCHEMA_VERSION, _now(), form, filters, tuple(entries)
    )
    write(room, made)
    return made


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _filters(wanted: Wanted) -> dict[str, str | None]:
    given = {name: getattr(wanted, name) for name in ("model", "environment", "start", "end")}
    return {name: None if value is None else str(value) for name, value in given.items()}


def rows_of(wanted: Wanted) -> Chosen:
    """Read which rows are wanted; raises `BadInput` for times that cannot be."""
    start, end = (None if edge is None else micros(edge) for edge in (wanted.start, wanted.end))
    if start is not None and end is not None and end <= start:
        message = f"start {wanted.start!r} must come before end {wanted.end!r}; are the two swapped?"
        raise BadInput(message)
    return Chosen(wanted.model, wanted.environment, start, end)


def _empty(to: str | os.PathLike[str]) -> Path:
    """Look at the folder; raises `BadInput` where there is something already."""
    place = Path(to)
    if place.resolve().is_mount():
        message = f"a file system is mounted at {str(place)!r}, which cannot be replaced whole: name a folder in it, {str(place / 'export')!r}"
        raise BadInput(message)
    try:
        held = next(place.iterdir(), None) if place.exists() else None
        if held is not None:
            message = (
                f"{str(place)!r} holds something already ({held.name!r}): name a folder that is empty or not there"
            )
            raise BadInput(message)
    except OSError as error:
        message = f"the folder {str(place)!r} cannot be written: {error.strerror or error}"
        raise StoreError(message) from error
    return place


def _file(
    connection: duckdb.DuckDBPyConnection, place: Path, part: Part, form: Format, before: list[Entry]
) -> Entry | None:
    """Write one file and bring it to the disk; None where no row is chosen."""
    home = place / part.kind.name / (folder_name(part.model) if part.model is not None else "")
    make_folder(home.absolute())
    number = sum(entry.table == part.kind.name and entry.model == part.model for entry in before)
    path = home / f"{number:05d}{ENDINGS[form]}"
    select = outward(part.kind, part.nested, part.select, form)
    rows = int(connection.execute(f"COPY ({select}) TO {literal(str(path))} {OPTIONS[form]}").fetchall()[0][0])
    if not rows:
        path.unlink()
        return None
    sync_file(path)
    sync_folder(home)
    size, summed = path.stat().st_size, sum_of(path)
    name = str(path.relative_to(place))
    return Entry(
        name, part.kind.name, part.model, rows, size, summed, part.columns.features, part.columns.tags, part.ruled
    )


def folder_name(model: str) -> str:
    """Name the folder of a model: its own name where any tool takes that for a folder's, else one like it.

    >>> folder_name("fraud"), folder_name("a/b").partition("-")[0]
    ('fraud', 'a_b')
    """
    name = _UNSAFE.sub("_", model)[:_LONGEST_NAME]
    if name == model and not name.startswith((".", "_")):  # readers of folders pass those by
        return name
    return f"{name.lstrip('._')}-{blake2b(model.encode(), digest_size=8).hexdigest()}"
