"""Two tables → the counts of each column that both have, read in one pass, a stretch of rows and a few columns at a time."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from watchglass.profile.counting import Places
from watchglass.profile.grid import coarse_bins
from watchglass.profile.sides import Numbers, Odd, Pair, Side, Values, count_twice, sums_of
from watchglass.store.quoting import identifier
from watchglass.store.tabular.blocks import parted
from watchglass.store.tabular.columns import chosen, hash_of, sorted_out, value_of
from watchglass.store.tabular.opened import Opened, opened, room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import duckdb
    from numpy.typing import NDArray

    from watchglass.profile.sides import Blocks, Sums
    from watchglass.store.tabular.blocks import Parting
    from watchglass.store.tabular.columns import Column
    from watchglass.store.tabular.opened import Stretch

    _Masked = np.ma.MaskedArray[tuple[int, ...], np.dtype[np.generic]]

VALUES: Final = 4_000_000  # so many values are read at once, for each thread
THREADS: Final = 4
PENDING: Final = 64
Progress: TypeAlias = "Callable[[int, int], None]"


@dataclass(frozen=True, slots=True)
class Counted:
    """Two tables as counts: what they are called, their rows, how they were parted, their columns and those that are odd."""

    names: tuple[str, str]
    rows: tuple[int, int]
    blocks: Blocks
    pairs: tuple[Pair, ...]
    odd: tuple[Odd, ...]


@dataclass(slots=True, eq=False)
class _Sums:
    """What was counted so far of one column of one table."""

    fine: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    coarse: NDArray[np.int64] | None = None
    values: NDArray[np.int64] | None = None
    sums: Sums = (0, 0.0, 0.0)

    def add(self, other: _Sums) -> None:
        """Take the counts of more rows in."""
        self.fine += other.fine
        if len(self.fine) > PENDING:
            self.fine = [pooled(self.fine)]
        self.sums = (self.sums[0] + other.sums[0], self.sums[1] + other.sums[1], self.sums[2] + other.sums[2])
        if other.coarse is not None:
            self.coarse = other.coarse if self.coarse is None else self.coarse + other.coarse
        if other.values is not None:
            self.values = other.values if self.values is None else self.values + other.values


def count_tables(
    tables: tuple[object, object],
    *,
    time: str | None = None,
    columns: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Counted:
    """Count two tables, each a path, a pattern, a folder or a frame; raises `BadInput` on what cannot be read or is not there."""
    with workshop() as (connection, folders):
        sides = (
            opened(connection, tables[0], "reference", folders[0]),
            opened(connection, tables[1], "current", folders[1]),
        )
        return count(connection, sides, time=time, columns=columns, progress=progress)


@contextmanager
def workshop() -> Iterator[tuple[duckdb.DuckDBPyConnection, tuple[Path, Path]]]:
    """Give a DuckDB and two folders for what must be written, all gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="watchglass-") as name:
        folders = (Path(name) / "reference", Path(name) / "current")
        for folder in folders:
            folder.mkdir()
        with room(Path(name)) as connection:
            yield connection, folders


def count(
    connection: duckdb.DuckDBPyConnection,
    tables: tuple[Opened, Opened],
    *,
    time: str | None,
    columns: Sequence[str] | None,
    progress: Progress | None,
) -> Counted:
    """Count two tables that are open."""
    told, partings = parted(connection, tables, time)
    planned, odd = sorted_out(connection, tables, chosen(tables, columns, told.time))
    total, done = sum(table.rows for table in tables), 0
    sums = [[_Sums() for _ in planned] for _ in tables]
    for place, rows, found in _passes(connection, tables, partings, planned):
        for mine, part in zip(sums[place], found, strict=True):
            mine.add(part)
        done += rows
        if progress:
            progress(done, total)
    pairs = tuple(_pair(column, one, other, partings) for column, one, other in zip(planned, *sums, strict=True))
    return Counted((tables[0].what, tables[1].what), (tables[0].rows, tables[1].rows), told, pairs, tuple(odd))


def _passes(
    connection: duckdb.DuckDBPyConnection,
    tables: tuple[Opened, Opened],
    partings: tuple[Parting, Parting],
    columns: Sequence[Column],
) -> Iterator[tuple[int, int, list[_Sums]]]:
    """Count stretch after stretch of both tables, a few at once: which table, how many rows, each column's counts."""
    if not columns:
        return

    def work(task: tuple[int, Stretch]) -> tuple[int, int, list[_Sums]]:
        place, stretch = task
        with connection.cursor() as cursor:
            found = _stretch(cursor, tables[place], stretch, partings[place], columns)
        return place, stretch.end - stretch.begin, found

    with ThreadPoolExecutor(max_workers=min(THREADS, os.cpu_count() or 1)) as pool:
        yield from pool.map(
            work, [(place, stretch) for place, table in enumerate(tables) for stretch in table.stretches]
        )


def _stretch(
    cursor: duckdb.DuckDBPyConnection, table: Opened, stretch: Stretch, parting: Parting, columns: Sequence[Column]
) -> list[_Sums]:
    """Count the columns of a stretch, as many at a time as memory should hold."""
    size = stretch.end - stretch.begin
    step = max(VALUES // size, 1)
    found: list[_Sums] = []
    blocks: NDArray[np.intp] | None = parting.of_rows(stretch.first, size) if parting.expression is None else None
    for begin in range(0, len(columns), step):
        some = columns[begin : begin + step]
        wanted: dict[str, tuple[str, str]] = {}
        if blocks is None and parting.expression is not None:
            wanted["tick"] = ("", parting.expression)
        for i, column in enumerate(some):
            if column.frame is not None:
                wanted[f"n{i}"] = (column.name, value_of(column.name, column.kind))
            if column.frame is None or column.kind == "text":
                sql = _code_of(column)
                wanted[f"t{i}"] = (column.name, sql)
        read = {
            name: np.ma.asarray(array)
            for name, array in cursor.execute(table.select(stretch, wanted)).fetchnumpy().items()
        }
        if blocks is None:
            blocks = parting.of_ticks(read["tick"])
        found += [_column(column, i, read, Places(blocks, parting.width)) for i, column in enumerate(some)]
    return found


def _code_of(column: Column) -> str:
    return f"{identifier(column.name)}::TINYINT" if column.kind == "boolean" else hash_of(column.name)


def _column(column: Column, place: int, read: Mapping[str, _Masked], blocks: Places) -> _Sums:
    sums = _Sums()
    if column.frame is not None:
        values = np.ma.filled(read[f"n{place}"].astype(np.float64, copy=False), np.nan)
        keys, counts, sums.coarse = count_twice(values, column.frame, blocks)
        sums.fine.append((keys, counts))
        sums.sums = sums_of(values, column.frame.centre)
    if column.frame is None or column.kind == "text":
        codes = _codes(column, read[f"t{place}"])
        width = len(column.values) + 2
        of_row = 0 if blocks.of_row is None else blocks.of_row
        counts = np.bincount(of_row * width + codes, minlength=blocks.size * width)
        sums.values = counts.reshape(blocks.size, width).astype(np.int64)
    return sums


def _codes(column: Column, found: _Masked) -> NDArray[np.intp]:
    """Give each row the index of its value; one past the last for another, two for none."""
    size = len(column.values)
    gone = np.ma.getmaskarray(found)
    if column.hashes is None:
        codes = np.ma.filled(found.astype(np.intp), 0)
    else:
        codes = column.hashes.index(np.ma.filled(found.astype(np.uint64, copy=False), 0))
    codes[gone] = size + 1
    return codes


def pooled(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add counts by key, the keys in order.

    >>> [found.tolist() for found in pooled([(np.array([3, 1]), np.array([1, 1])), (np.array([3]), np.array([2]))])]
    [[1, 3], [1, 3]]
    """
    keys = np.concatenate([keys for keys, _ in parts]) if parts else np.zeros(0, dtype=np.int64)
    n = np.concatenate([n for _, n in parts]) if parts else np.zeros(0, dtype=np.int64)
    found, index = np.unique(keys, return_inverse=True)
    return found.astype(np.int64), np.bincount(index, weights=n, minlength=len(found)).astype(np.int64)


def _pair(column: Column, one: _Sums, other: _Sums, partings: tuple[Parting, Parting]) -> Pair:
    numbers = values = None
    if column.frame is not None:
        frame = column.frame
        fine = [pooled(sums.fine) for sums in (one, other)]
        keys = np.union1d(fine[0][0], fine[1][0]).astype(np.int64)
        width = len(frame.edges) + 2
        sides = [
            _side(_placed(own, n, keys), sums.coarse, (parting.width, width))
            for (own, n), sums, parting in zip(fine, (one, other), partings, strict=True)
        ]
        bins = coarse_bins(keys, np.asarray(frame.edges, dtype=np.int64))
        numbers = Numbers(
            frame.centre, frame.scale, keys, bins, sides[0], sides[1], column.whole, (one.sums, other.sums)
        )
    if column.frame is None or column.kind == "text":
        shape = len(column.values) + 2
        made = [
            _side(None, sums.values, (parting.width, shape))
            for sums, parting in zip((one, other), partings, strict=True)
        ]
        seen = made[0].counts[:-1] > 0
        unseen = None if column.kind == "text" else int(made[1].counts[:-1][~seen].sum() + made[1].counts[-1])
        values = Values(column.values, made[0], made[1], unseen)
    return Pair(column.name, column.kind, numbers, values)


def _placed(own: NDArray[np.int64], n: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.zeros(len(keys), dtype=np.int64)
    counts[np.searchsorted(keys, own)] = n
    return counts


def _side(fine: NDArray[np.int64] | None, dense: NDArray[np.int64] | None, shape: tuple[int, int]) -> Side:
    found = np.zeros(shape, dtype=np.int64) if dense is None else dense
    blocks, missing = found[:, :-1], found[:, -1]
    return Side(blocks.sum(axis=0) if fine is None else fine, blocks, missing)
