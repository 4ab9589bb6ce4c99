"""One file of predictions → how many values each of its columns has, day by day where that matters, and what its numbers are.

A Parquet file's own statistics tell most of it; a column is read only where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

DAY: Final = 86_400_000_000  # µs
LEAST_OF_FILE: Final = 1000
LEAST_OF_DAY: Final = 100
_STRUCTS: Final = {"features": "feature", "tags": "tag"}


class Key(NamedTuple):
    """A column of a model's files."""

    role: str
    name: str

    @property
    def sql(self) -> str:
        """Write the column as an expression."""
        return f"{self.role}s.{identifier(self.name)}"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the manifest: its place, rows, first and last time in µs."""

    seq: int
    model: str
    path: str
    rows: int
    first: int
    last: int

    @property
    def source(self) -> str:
        """Write the table function that reads it."""
        return f"read_parquet({literal(self.path)})"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a file: their first and last time in µs, how many, how many values each column has, and how many rows show that one is missing."""

    first: int
    last: int
    rows: int
    values: Mapping[Key, int]
    least: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a file's statistics tell: how many values each column has, and which have a least or a greatest that is no whole number."""

    values: Mapping[Key, int]
    fractions: frozenset[Key]


def look(connection: duckdb.DuckDBPyConnection, file: File) -> Look:
    """Read a file's statistics; where they do not count, the values are counted."""
    low, high = (f"TRY_CAST(coalesce(stats_{edge}_value, stats_{edge}) AS DOUBLE)" for edge in ("min", "max"))
    query = (
        "SELECT path_in_schema, sum(num_values), sum(stats_null_count), count(*) - count(stats_null_count),"
        f" coalesce(bool_or(type = 'DOUBLE' AND ({low} != trunc({low}) OR {high} != trunc({high}))), false)"
        f" FROM parquet_metadata({literal(file.path)}) GROUP BY path_in_schema"
    )
    values: dict[Key, int] = {}
    fractions, uncounted = set(), []
    for path, rows, nulls, silent, fraction in connection.execute(query).fetchall():
        struct, _, name = path.partition(", ")
        if struct not in _STRUCTS or not name:
            continue
        key = Key(_STRUCTS[struct], name)
        values[key] = 0 if silent else int(rows) - int(nulls)
        if silent:
            uncounted.append(key)
        if fraction:
            fractions.add(key)
    if uncounted:
        counted = connection.execute(f"SELECT {_counts(uncounted)} FROM {file.source}").fetchone() or ()
        values.update(zip(uncounted, map(int, counted), strict=True))
    return Look(values, frozenset(fractions))


def _counts(keys: Sequence[Key]) -> str:
    return ", ".join(f"count({key.sql})" for key in keys)


def stretches(connection: duckdb.DuckDBPyConnection, file: File, seen: Look, known: Sequence[Key]) -> list[Stretch]:
    """Part a file by days where a column of these has values in some of its rows alone; a day inside it is whole."""
    some = [key for key in known if 0 < seen.values.get(key, 0) < file.rows]
    if not some or file.first // DAY == file.last // DAY:
        return [Stretch(file.first, file.last, file.rows, seen.values, LEAST_OF_FILE)]
    query = (
        f"SELECT epoch_us(min(time)), epoch_us(max(time)), count(*), {_counts(some)} FROM {file.source}"
        f" GROUP BY floor(epoch_us(time) / {DAY}) ORDER BY 1"
    )
    days = connection.execute(query).fetchall()
    found = []
    for place, (first, last, rows, *counted) in enumerate(days):
        values = {key: rows if count else 0 for key, count in seen.values.items()} | dict(
            zip(some, counted, strict=True)
        )
        whole = 0 < place < len(days) - 1
        found.append(Stretch(first, last, rows, values, LEAST_OF_DAY if whole else LEAST_OF_FILE))
    return found


def first_times(connection: duckdb.DuckDBPyConnection, file: File, seen: Look, keys: Sequence[Key]) -> dict[Key, int]:
    """Give the time, in µs, of the first row that has a value in each of these columns, which all have some."""
    found = {key: file.first for key in keys if seen.values[key] == file.rows}
    others = [key for key in keys if key not in found]
    if others:
        listed = ", ".join(f"epoch_us(min(time) FILTER ({key.sql} IS NOT NULL))" for key in others)
        row = connection.execute(f"SELECT {listed} FROM {file.source}").fetchone() or ()
        found.update((key, int(at)) for key, at in zip(others, row, strict=True) if at is not None)
    return found


def broken(connection: duckdb.DuckDBPyConnection, file: File, seen: Look, keys: Sequence[Key]) -> set[Key]:
    """Say which of these columns of numbers hold one that is not whole; those whose least and greatest are whole are read."""
    found = {key for key in keys if key in seen.fractions}
    others = [key for key in keys if key not in found and seen.values.get(key)]
    if others:
        listed = ", ".join(
            f"coalesce(bool_or(isfinite({key.sql}) AND {key.sql} != trunc({key.sql})), false)" for key in others
        )
        row = connection.execute(f"SELECT {listed} FROM {file.source}").fetchone() or ()
        found |= {key for key, is_broken in zip(others, row, strict=True) if is_broken}
    return found


def day_of(
    connection: duckdb.DuckDBPyConnection, files: Sequence[File], day: int, keys: Sequence[Key]
) -> tuple[int, set[Key]]:
    """Count the rows of one day, and give the columns of these that have a value in it; a file that lies inside it is not read."""
    rows, there = 0, set[Key]()
    for file in files:
        seen = look(connection, file)
        if file.first // DAY == file.last // DAY:
            rows += file.rows
            there |= {key for key in keys if seen.values.get(key)}
            continue
        inside = f"FROM {file.source} WHERE floor(epoch_us(time) / {DAY}) = {day}"
        asked = [key for key in keys if key not in there and seen.values.get(key)]
        listed = "".join(f", count({key.sql})" for key in asked)
        count, *counted = connection.execute(f"SELECT count(*){listed} {inside}").fetchone() or (0,)
        rows += int(count)
        there |= {key for key, values in zip(asked, counted, strict=True) if values}
    return rows, there
