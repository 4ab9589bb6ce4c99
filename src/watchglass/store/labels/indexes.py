"""Hashes of ids → the rows of a model's files that may have them, found in the indexes beside the files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import numpy as np
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.manifest import POSITION
from watchglass.store.parquet import ENTRY, INDEX, hashed, write_index
from watchglass.store.quoting import literal
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb
    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

    Hashes = NDArray[np.uint64]

_LEAST_BITS: Final = 12
_MOST_BITS: Final = 24
_SPARE_BITS: Final = 4
"""A map of sixteen times as many bits as hashes are wanted lets one in sixteen of the others pass."""
_ROWS: Final = (1 << 32) - 1
_SEARCHED: Final = 64
"""Where a file has so many times the hashes that are wanted, each is searched for; else all of the file's are looked at."""


class Indexed(NamedTuple):
    """A live file with an index: its path, and the sequence number that its rows came with."""

    path: Path
    position: int
    rows: int


def files_of(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, model: str, kind: str
) -> list[Indexed]:
    """List a model's live files of a kind in the order in which their rows came; a merged file's by its newest.

    An index that an older version did not write is made.
    """
    query = (
        sa.select(c.files.c.path, POSITION.label("position"), c.files.c.rows, c.files.c.indexed)
        .where(c.files.c.model == model, c.files.c.kind == kind, c.files.c.removed.is_(None))
        .order_by(POSITION)
    )
    with engine.connect() as catalog:
        found = catalog.execute(query).all()
    bare = [row.path for row in found if not row.indexed]
    for path in bare:
        write_index(connection, folder.tables / path)
    if bare:
        with writing(engine) as transaction:
            for path in bare:
                transaction.execute(c.files.update().where(c.files.c.path == path).values(indexed=1))
    return [Indexed(folder.tables / row.path, row.position, row.rows) for row in found]


def index_of(file: Indexed) -> tuple[Hashes, NDArray[np.uint32]]:
    """Map a file's index: the hashes, sorted, and the place of each in the file."""
    handle = os.open(f"{file.path}{INDEX}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not os.fstat(handle).st_size:
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint32)
        data = np.frombuffer(mmap(handle, 0, access=ACCESS_READ), dtype=np.uint8)  # np.memmap takes three times as long
    finally:
        os.close(handle)
    count = len(data) // ENTRY
    return (
        cast("Hashes", data[: 8 * count].view("<u8")),
        cast("NDArray[np.uint32]", data[8 * count : ENTRY * count].view("<u4")),
    )


def file_hashes(files: Iterable[Indexed]) -> Hashes:
    """Give the hashes of the ids of files, those of each sorted."""
    return np.concatenate([np.empty(0, dtype=np.uint64), *(index_of(file)[0] for file in files)])


def twice(hashes: Hashes) -> Hashes:
    """Give those of sorted hashes that occur more than once."""
    return cast("Hashes", hashes[1:][hashes[1:] == hashes[:-1]])


def hashes_in(connection: duckdb.DuckDBPyConnection, table: str) -> Hashes:
    """Hash the ids of a table."""
    found = connection.execute(f"SELECT {hashed('id')} AS h FROM {table} WHERE id IS NOT NULL").fetchnumpy()["h"]
    return np.ma.getdata(found).astype(np.uint64, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Hashes that are looked for, sorted, each once, and a map of their last bits that tells most others off."""

    hashes: Hashes
    near: NDArray[np.bool_]

    @classmethod
    def of(cls, hashes: Hashes) -> Wanted:
        """Sort them and draw the map."""
        ordered = np.sort(hashes)
        found = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]]
        bits = min(max(len(found).bit_length() + _SPARE_BITS, _LEAST_BITS), _MOST_BITS)
        near = np.zeros(1 << bits, dtype=np.bool_)
        near[_low(found, bits)] = True
        return cls(found, near)

    def at(self, hashes: Hashes) -> NDArray[np.intp]:
        """Give the places in sorted hashes that hold a wanted one, in order."""
        if not len(hashes) or not len(self.hashes):
            return np.empty(0, dtype=np.intp)
        if len(hashes) > _SEARCHED * len(self.hashes):
            return _each(hashes, self.hashes)
        bits = len(self.near).bit_length() - 1
        maybe = np.flatnonzero(self.near.take(_low(hashes, bits)))
        close = hashes[maybe]
        place = np.minimum(np.searchsorted(self.hashes, close), len(self.hashes) - 1)
        return cast("NDArray[np.intp]", maybe[self.hashes[place] == close])

    def have(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Say of each hash, in any order, whether it is wanted."""
        found = np.zeros(len(hashes), dtype=np.bool_)
        if len(self.hashes):
            place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
            found[:] = self.hashes[place] == hashes
        return found


def _low(hashes: Hashes, bits: int) -> NDArray[np.int64]:
    return (hashes & np.uint64((1 << bits) - 1)).view(np.int64)  # a view, where a cast would take half of the time


def _each(hashes: Hashes, wanted: Hashes) -> NDArray[np.intp]:
    """Search for each of some hashes among many more."""
    first, end = np.searchsorted(hashes, wanted, "left"), np.searchsorted(hashes, wanted, "right")
    number = end - first
    found = np.flatnonzero(number)
    if (number[found] == 1).all():
        return first[found]
    return np.concatenate([np.arange(first[at], end[at]) for at in found.tolist()])


class Spot(NamedTuple):
    """Rows of a file that may have wanted ids, and their hashes."""

    file: Indexed
    rows: NDArray[np.int64]
    hashes: Hashes


def spots(files: Iterable[Indexed], wanted: Wanted) -> list[Spot]:
    """Give the files that may have wanted ids, each with the rows."""
    found = []
    for file in files:  # a second thread would wait for the interpreter more than it helps
        hashes, rows = index_of(file)
        at = wanted.at(hashes)
        found.append(Spot(file, rows[at].astype(np.int64), hashes[at]))
    return [one for one in found if len(one.rows)]


def locate(
    connection: duckdb.DuckDBPyConnection, files: Iterable[Indexed], wanted: Wanted, table: str
) -> list[Indexed]:
    """Make the table (filename, file_row_number, position) of the rows that may have the wanted ids; gives the files that have some."""
    found = spots(files, wanted)
    Rows.of(found).put(connection, f"{table}_keys")
    names = np.asarray([str(spot.file.path) for spot in found], dtype=object)
    connection.register("found_files", {"file": np.arange(len(found)), "name": names})
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT name::VARCHAR AS filename, row_key & {_ROWS} AS file_row_number, position"
        f" FROM {table}_keys JOIN found_files ON row_key >> 32 = file"
    )
    connection.unregister("found_files")
    connection.execute(f"DROP TABLE {table}_keys")
    return [spot.file for spot in found]


class Rows(NamedTuple):
    """Rows of some files that may have wanted ids: the files, and arrays of `row_key` (as `keyed` of them), `position` and `several`."""

    files: list[Indexed]
    columns: dict[str, NDArray[np.generic]]

    @classmethod
    def of(cls, found: Sequence[Spot]) -> Rows:
        """Number the rows of spots; `several` says of a row that its hash is not the only one."""
        none = np.empty(0, dtype=np.int64)
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *(spot.hashes for spot in found)])
        columns: dict[str, NDArray[np.generic]] = {
            "row_key": np.concatenate([none, *(spot.rows + (place << 32) for place, spot in enumerate(found))]),
            "position": np.concatenate([none, *(np.full(len(spot.rows), spot.file.position) for spot in found)]),
            "several": Wanted.of(twice(np.sort(hashes))).have(hashes),
        }
        return cls([spot.file for spot in found], columns)

    @property
    def several(self) -> bool:
        """Whether the hash of any is not the only one."""
        return bool(self.columns["several"].any())

    @contextmanager
    def known(self, connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[None]:
        """Let a connection read the arrays as a table."""
        connection.register(table, self.columns)
        try:
            yield
        finally:
            connection.unregister(table)

    def put(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Make a temporary table of the arrays."""
        with self.known(connection, "found_rows"):
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM found_rows")


def locate_among(connection: duckdb.DuckDBPyConnection, files: Sequence[Indexed], wanted: Wanted, table: str) -> None:
    """Make the table (row_key, position, several) of the rows that may have the wanted ids by the keys of all the files."""
    found = {spot.file: spot for spot in spots(files, wanted)}
    none = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
    Rows.of([found.get(file, Spot(file, *none)) for file in files]).put(connection, table)


def keyed(files: Sequence[Indexed]) -> str:
    """Write the relation of files, each row with a number of its own (`row_key`): its file's place in the list, and its own in the file."""
    listed = ", ".join(literal(str(file.path)) for file in files)
    source = f"read_parquet([{listed}], union_by_name = true, file_row_number = true)"
    return f"(SELECT * EXCLUDE file_row_number, (file_index::BIGINT << 32) + file_row_number AS row_key FROM {source})"


def rows_of(files: Sequence[Indexed]) -> str:
    """Write the table function of files, each row with its file (`filename`) and its place there (`file_row_number`)."""
    listed = ", ".join(literal(str(file.path)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true, filename = true, file_row_number = true)"
