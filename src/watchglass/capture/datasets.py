"""A whole data set (a path, rows one by one, the answer of a query) → tables of some thousand rows each, ready to be recorded.

Text files are read with the standard library alone; Parquet and Arrow by the library that is there. A frame stays as it is.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from typing import IO, TYPE_CHECKING, Final, cast

from watchglass.capture.columns import is_array
from watchglass.capture.tables import library, native
from watchglass.errors import BadInput, need

if TYPE_CHECKING:
    from collections.abc import Iterator

    Row = Mapping[str, object]

ROWS: Final = 100_000
_TEXTS: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_PARQUET: Final = (".parquet", ".pq")
_ARROW: Final = (".arrow", ".feather", ".ipc")
_FRAMES: Final = ("pandas", "polars", "pyarrow")
_NUMBER: Final = re.compile(r"[+-]?\d{9,}(\.\d*)?")
KNOWN: Final = (*_PARQUET, *_TEXTS, *_ARROW)


def tables(data: object, columns: Sequence[str], time: str | None = None) -> Iterator[object]:
    """Give a data set as tables that have at least these columns, where it has them; anything unknown as it is.

    In the column `time` of a text file a number of nine digits and more is taken for epoch seconds; 20260301 is a day.
    Raises `BadInput` for a file or a row that cannot be read, `MissingLibrary` for a file that needs one.
    """
    if isinstance(data, (str, os.PathLike)):
        path = os.fspath(data)
        if not isinstance(path, str):
            path = os.fsdecode(path)
        if ending(path) in _TEXTS:
            yield from _parts(_timed(text_rows(path), time), columns)
        else:
            yield from _columnar(path, columns)
    elif library(native(data)) in _FRAMES or is_array(data) or isinstance(data, (Mapping, Sequence)):
        yield data
    elif isinstance(data, Iterable):  # the answer of a query among them, which gives its rows as dicts
        yield from _parts(data, columns)
    else:
        yield data


def _timed(rows: Iterable[Row], time: str | None) -> Iterator[Row]:
    for row in rows:
        value = row.get(time) if time is not None else None
        yield {**row, str(time): float(value)} if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else row


def ending(path: str) -> str:
    """Give what a path ends in, without .gz; raises `BadInput` when it is no file or of no known kind.

    >>> ending("labels.xlsx")
    Traceback (most recent call last):
    watchglass.errors.BadInput: there is no file 'labels.xlsx'. Known kinds: .parquet, .pq, .csv, .tsv, .jsonl, .ndjson, .json, .arrow, .feather, .ipc
    """
    if not os.path.isfile(path):  # noqa: PTH113 - text paths here
        message = f"there is no file {path!r}. Known kinds: {', '.join(KNOWN)}"
        raise BadInput(message)
    found = os.path.splitext(path.removesuffix(".gz"))[1].lower()  # noqa: PTH122 - text paths here
    if found not in KNOWN:
        message = f"file {path!r} is of no known kind ({found or 'no ending'}). Known: {', '.join(KNOWN)}"
        raise BadInput(message)
    return found


def text_rows(path: str) -> Iterator[Row]:
    """Give the rows of a CSV, TSV or JSON file, packed with gzip or not; an empty cell of CSV is None.

    Raises `BadInput` with the line that cannot be read.
    """
    kind = ending(path)
    opened = cast(
        "IO[str]",
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")  # noqa: SIM115 - closed below
        if path.endswith(".gz")
        else open(path, encoding="utf-8-sig", newline=""),  # noqa: PTH123, SIM115 - closed below
    )
    with opened as file:
        try:
            if kind in (".csv", ".tsv"):
                yield from _csv_rows(path, file, "\t" if kind == ".tsv" else ",")
            else:
                yield from _json_rows(path, file)
        except (UnicodeDecodeError, OSError, EOFError, csv.Error) as error:
            message = f"file {path!r} cannot be read: {error}"
            raise BadInput(message) from error


def _csv_rows(path: str, file: IO[str], delimiter: str) -> Iterator[Row]:
    rows = csv.DictReader(file, delimiter=delimiter, strict=True)
    for row in rows:
        if None in row:
            message = f"line {rows.line_num} of {path!r} has more cells than its first line has names"
            raise BadInput(message)
        yield {name: value or None for name, value in row.items()}


def _json_rows(path: str, file: IO[str]) -> Iterator[Row]:
    first = file.read(1)
    while first.isspace():
        first = file.read(1)
    if first == "[":
        try:
            found = json.loads(first + file.read())
        except ValueError as error:
            message = f"file {path!r} is not JSON: {error}"
            raise BadInput(message) from None
        yield from (_row(path, place, row) for place, row in enumerate(found, start=1))
        return
    for number, line in enumerate(file, start=1):
        text = (first + line if number == 1 else line).strip()
        if text:
            yield _row(path, number, _parsed(path, number, text))


def _parsed(path: str, number: int, text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except ValueError as error:
        message = f"line {number} of {path!r} is not JSON: {error}"
        raise BadInput(message) from None


def _row(where: str, number: int, row: object) -> Row:
    if isinstance(row, Mapping):
        return row
    message = f"row {number} of {where} cannot be a {type(row).__name__}: a dict such as {{'id': 'tx-1', 'label': 1}} would do"
    raise BadInput(message)


def _parts(rows: Iterable[object], columns: Sequence[str]) -> Iterator[list[Row]]:
    """Part rows into tables of the columns asked for; one that a later part lacks is empty there."""
    seen: set[str] = set()
    rest, done = iter(rows), 0
    while part := list(islice(rest, ROWS)):
        found = [_row("the data", done + place, row) for place, row in enumerate(part, start=1)]
        seen.update(str(name) for row in found for name in row)
        shown = [name for name in columns if name in seen] or sorted(seen)
        yield [{name: row.get(name) for name in shown} for row in found]
        done += len(part)


def _columnar(path: str, columns: Sequence[str]) -> Iterator[object]:
    """Read a Parquet or Arrow file with pyarrow, else with polars."""
    modules = sorted(("pyarrow", "polars"), key=lambda name: name not in sys.modules)
    found = next((name for name in modules if name in sys.modules or find_spec(name)), "pyarrow")
    engine = need(found, extra="arrow", to=f"read {path!r} (or: watchglass log labels)")
    read = _with_pyarrow if found == "pyarrow" else _with_polars
    try:
        yield from read(engine.__name__, path, columns)
    except BadInput:
        raise
    except Exception as error:
        message = f"file {path!r} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise BadInput(message) from error


def _with_pyarrow(_: str, path: str, columns: Sequence[str]) -> Iterator[object]:
    if ending(path) in _PARQUET:
        parquet = need("pyarrow.parquet", extra="arrow", to="read Parquet")
        with parquet.ParquetFile(path) as file:
            _require(path, file.schema_arrow.names, columns)
            yield from file.iter_batches(batch_size=10 * ROWS, columns=list(columns))
    else:
        table = need("pyarrow.feather", extra="arrow", to="read Arrow").read_table(path)
        _require(path, table.column_names, columns)
        yield table.select(list(columns))


def _with_polars(name: str, path: str, columns: Sequence[str]) -> Iterator[object]:
    polars = need(name, extra="polars", to="read Parquet")
    frame = polars.read_parquet(path) if ending(path) in _PARQUET else polars.read_ipc(path)
    _require(path, frame.columns, columns)
    yield frame.select(list(columns))


def _require(path: str, names: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if column not in names:
            message = f"file {path!r} has no column {column!r}. It has: {', '.join(map(str, names))}"
            raise BadInput(message)
