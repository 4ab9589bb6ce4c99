"""A table of any kind (files by path or glob, a frame of any library) → Parquet files that can be read a stretch at a time.

What is Parquet is read where it lies. All else is streamed once into a Parquet file in a folder of its own, by DuckDB or
by the frame's own engine, so that a table larger than memory is no matter.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

import duckdb
import numpy as np

from watchglass.capture.sheet import Lists
from watchglass.capture.sheets import sheet
from watchglass.capture.tables import library, native
from watchglass.errors import BadInput, need
from watchglass.store.history import ARROW, READERS, type_of
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Protocol

    class _Lazy(Protocol):
        def sink_parquet(self, path: str) -> object: ...

    class _Writes(Protocol):
        def write_parquet(self, path: str) -> object: ...

    class _Pandas(Protocol):
        columns: Sequence[object]

        def set_axis(self, labels: Sequence[str], *, axis: int) -> object: ...


ColumnKind: TypeAlias = Literal["number", "boolean", "text", "time", "nested", "empty"]
PACKED: Final = (".gz", ".zst")
STRETCH: Final = 122_880  # DuckDB's row group: smaller ones are read together
LARGEST: Final = 1 << 21
ROW: Final = "file_row_number"
MEMORY: Final = "256MB"
_TIMES: Final = ("TIMESTAMP", "DATE")
_NESTED: Final = ("STRUCT", "MAP", "UNION", "BLOB", "BIT", "GEOMETRY", "VARIANT")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a file that are read at once, [begin, end); `first` is how many rows of the table lie before them."""

    path: str
    begin: int
    end: int
    first: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A table ready to be read: what it is called, its files, its columns with their DuckDB types, and its stretches."""

    what: str
    files: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    stretches: tuple[Stretch, ...]
    lacking: frozenset[tuple[str, str]] = frozenset()
    """Files that lack a column which others have: (file, column)."""

    @property
    def rows(self) -> int:
        """Count the rows."""
        return sum(part.end - part.begin for part in self.stretches)

    @property
    def source(self) -> str:
        """Write what a SELECT of all its rows reads from."""
        return f"read_parquet([{', '.join(map(literal, self.files))}], union_by_name = true)"

    def select(self, stretch: Stretch, wanted: Mapping[str, tuple[str, str]]) -> str:
        """Write the SELECT of a stretch: each name in the answer with its column and the expression of its value."""
        listed = ", ".join(
            f"{'NULL' if (stretch.path, column) in self.lacking else sql} AS {name}"
            for name, (column, sql) in wanted.items()
        )
        return (
            f"SELECT {listed} FROM read_parquet({literal(stretch.path)}, {ROW} = true)"
            f" WHERE {ROW} >= {stretch.begin} AND {ROW} < {stretch.end}"
        )

    def kind(self, name: str) -> ColumnKind:
        """Say what a column holds."""
        return kind_of(dict(self.columns)[name])


def kind_of(type_: str) -> ColumnKind:
    """Give the kind of a DuckDB type.

    >>> kind_of("DECIMAL(3,1)"), kind_of("DATE"), kind_of("ENUM('a')"), kind_of("DOUBLE[]")
    ('number', 'time', 'text', 'nested')
    """
    if type_.endswith("]") or type_.startswith(_NESTED):
        return "nested"
    if type_.startswith(_TIMES):
        return "time"
    if type_ in ('"NULL"', "NULL"):
        return "empty"
    return cast("ColumnKind", type_of(type_))


@contextmanager
def room(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an in-memory DuckDB that spills into a folder, keeps rows in order and replaces no names by frames."""
    connection = duckdb.connect()
    try:
        connection.execute(
            f"SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET python_enable_replacements = false; SET memory_limit = '{MEMORY}';"
            f" SET temp_directory = {literal(str(folder / 'spill'))}; SET parquet_metadata_cache = true"
        )
        yield connection
    finally:
        connection.close()


def opened(connection: duckdb.DuckDBPyConnection, table: object, what: str, folder: Path) -> Opened:
    """Open a table; `folder` takes what has to be written of it. Raises `BadInput` on what cannot be read."""
    try:
        if isinstance(table, str | os.PathLike):
            what = f"{what} table {os.fspath(table)!r}"
            return described(connection, _files(connection, os.fspath(table), what, folder), what)
        what = f"{what} table (a frame of {library(table)})"
        path = str(folder / "frame.parquet")
        _written(connection, table, path)
        return described(connection, [path], what)
    except duckdb.Error as error:
        message = f"the {what} cannot be read: {str(error).splitlines()[0]}. Files: {', '.join([*READERS, *ARROW])}"
        raise BadInput(message) from error


def described(connection: duckdb.DuckDBPyConnection, files: Sequence[str], what: str) -> Opened:
    """Look at Parquet files: their columns and in what stretches they are to be read."""
    found = Opened(what, tuple(files), (), ())
    columns = tuple((row[0], row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {found.source}").fetchall())
    if any(name == ROW for name, _ in columns):
        message = f"the {what} has a column {ROW!r}, a name that DuckDB keeps for itself: rename it"
        raise BadInput(message)
    groups = connection.execute(
        "SELECT file_name, row_group_id, any_value(row_group_num_rows) FROM"
        f" parquet_metadata([{', '.join(map(literal, files))}]) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    sizes: dict[str, list[int]] = {}
    for name, _, rows in groups:
        sizes.setdefault(name, []).append(int(rows))
    return Opened(what, tuple(files), columns, tuple(_stretches(files, sizes)), _lacking(connection, files, columns))


def _lacking(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], columns: Sequence[tuple[str, str]]
) -> frozenset[tuple[str, str]]:
    if len(files) == 1:
        return frozenset()
    listed = ", ".join(map(literal, files))
    told = connection.execute(f"SELECT DISTINCT file_name, lower(name) FROM parquet_schema([{listed}])").fetchall()
    there = set(told)
    return frozenset(
        (path, name)
        for path in files
        for name, _ in columns
        if (path, name.lower()) not in there and f"/{name}=" not in path  # a folder may be named for a column's value
    )


def _stretches(files: Sequence[str], sizes: dict[str, list[int]]) -> Iterator[Stretch]:
    """Join row groups of a file that are small, and part those that are too large for memory."""
    first = 0
    for path in files:
        begin = end = 0
        groups = [size for size in sizes.get(path, []) if size]
        for place, size in enumerate(groups):
            end += size
            if end - begin < STRETCH and place < len(groups) - 1:
                continue
            for low in range(begin, end, LARGEST):
                high = min(low + LARGEST, end)
                yield Stretch(path, low, high, first)
                first += high - low
            begin = end


def ending(path: str) -> str:
    """Give the ending that says what a file is, whether or not it is packed.

    >>> ending("rows.csv.gz")
    '.csv'
    """
    for packed in PACKED:
        path = path.removesuffix(packed)
    return Path(path).suffix


def _files(connection: duckdb.DuckDBPyConnection, path: str, what: str, folder: Path) -> list[str]:
    """List a table's Parquet files; what is of another kind is written as one."""
    names = _matching(path, what)
    kinds = {ending(name) for name in names}
    if len(kinds) > 1 or not kinds <= {*READERS, *ARROW}:
        message = f"the {what} has files of the kinds {', '.join(map(repr, sorted(kinds)))}: files of one kind would do, of {', '.join([*READERS, *ARROW])}"
        raise BadInput(message)
    (kind,) = kinds
    if kind in (".parquet", ".pq"):
        return names
    empty = next((name for name in names if not os.path.getsize(name)), None)  # noqa: PTH202 - texts from glob
    if empty is not None:
        message = f"the {what} is empty: {empty!r} has 0 bytes. Name a file with a header, or with rows"
        raise BadInput(message)
    written = str(folder / "rows.parquet")
    if kind in ARROW:
        dataset = need("pyarrow.dataset", extra="arrow", to=f"read {Path(path).name}")
        connection.register("rows", dataset.dataset(names, format="ipc"))
        _copy(connection, "rows", written)
        connection.unregister("rows")
        return [written]
    listed = f"[{', '.join(map(literal, names))}]"
    more = ", sample_size = 100000, union_by_name = true)" if len(names) > 1 else ", sample_size = 100000)"
    _copy(connection, READERS[kind].format(listed).removesuffix(")") + more, written)
    return [written]


def _matching(path: str, what: str) -> list[str]:
    if has_magic(path) and not Path(path).exists():
        names = sorted(name for name in glob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207 - texts as given
        if not names:
            message = f"no file matches the {what}. Next: ls {path}"
            raise BadInput(message)
        return names
    here = Path(path)
    if here.is_dir():
        names = sorted(str(name) for name in here.rglob("*") if name.is_file() and ending(name.name) in READERS)
        if not names:
            message = f"the {what} is a folder without a table in it: a file of {', '.join(READERS)} would do"
            raise BadInput(message)
        return names
    if not here.is_file():
        beside = [p.name for p in here.parent.glob("*") if p.is_file()] if here.parent.is_dir() else []
        near = get_close_matches(here.name, beside, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"there is no file for the {what}.{hint} Name a file or a pattern: {', '.join([*READERS, *ARROW])}"
        raise BadInput(message)
    return [path]


def _copy(connection: duckdb.DuckDBPyConnection, source: str, path: str) -> None:
    connection.execute(f"COPY (SELECT * FROM {source}) TO {literal(path)} (FORMAT parquet, COMPRESSION lz4_raw)")


def _written(connection: duckdb.DuckDBPyConnection, table: object, path: str) -> None:
    """Write a frame as Parquet, by its own engine where it has one."""
    table = native(table)
    where, sort = library(table), type(table).__name__
    if where == "polars" and sort == "LazyFrame":
        cast("_Lazy", table).sink_parquet(path)
        return
    if where not in ("polars", "pandas", "pyarrow") and hasattr(table, "__arrow_c_stream__"):
        connection.register("frame", table)
    else:
        found = sheet(table)
        if where == "polars":
            cast("_Writes", table).write_parquet(path)
            return
        if isinstance(found, Lists):
            connection.register("frame", {name: _array(values) for name, values in found.columns.items()})
        elif where == "pandas":
            frame = cast("_Pandas", table)
            connection.register("frame", frame.set_axis([str(name) for name in frame.columns], axis=1))
        else:
            connection.register("frame", table)
    if not connection.execute("DESCRIBE SELECT * FROM frame").fetchall():
        message = "a table without columns cannot be compared: name one with at least one column"
        raise BadInput(message)
    _copy(connection, "frame", path)
    connection.unregister("frame")


def _array(values: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Put a column's own values into an array of objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array
