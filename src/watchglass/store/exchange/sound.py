"""The bytes of a file from elsewhere, read once → the sum by which it is known, or an error that says what makes it no table."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from watchglass.errors import BadInput
from watchglass.store import history
from watchglass.store.nested import CHUNK, LINES, deepest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXTS: Final = (".csv", ".tsv")
LONGEST_LINE: Final = 16 << 20
"""Bytes of a line; DuckDB holds several of them at once."""
MEMORY: Final = "700MB"
"""What DuckDB may take of a file that nobody knows; more goes to the disk. A process comes to less than 1 GB."""
_LOOKED_AT: Final = 4096
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PACKED: Final = (".gz", ".zst", ".bz2", ".xz", ".zip")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


def content(paths: Sequence[Path]) -> str:
    """Name files by their content; raises `BadInput` for one that is not there, empty, packed, in UTF-16, or has a line beyond all bounds."""
    into = blake2b(digest_size=16)
    for path in paths:
        known = ", ".join([*history.READERS, *history.ARROW])
        if path.suffix in _PACKED:
            message = f"file {path.name!r} is packed, and what it unpacks to has no bound: unpack it first. Then name a file: {known}"
            raise BadInput(message)
        if not path.is_file():
            message = f"there is no file {str(path)!r}. Name a file: {known}, or a Delta table's folder"
            raise BadInput(message)
        if not path.stat().st_size:
            message = f"file {path.name!r} is empty (0 bytes). Name a file with a header and at least one row"
            raise BadInput(message)
        written = path.suffix in (*TEXTS, *LINES)
        run = read = depth = 0
        with path.open("rb") as file:
            while part := file.read(CHUNK):
                into.update(part)
                if written:
                    if not read:
                        _require_utf_8(path, part[:_LOOKED_AT])
                    run = _longest(path, part, run, read)
                if path.suffix in LINES:
                    depth = deepest(path, part, depth)
                read += len(part)
    return into.hexdigest()


def _require_utf_8(path: Path, begin: bytes) -> None:
    """Raise `BadInput` for a text of two bytes a character: every other byte of it is zero."""
    half = len(begin) // 2
    if begin.startswith(_MARKS) or (half and max(begin[::2].count(0), begin[1::2].count(0)) > half / 2):
        message = f"file {path.name!r} looks like UTF-16: UTF-8 would do. Next: iconv -f UTF-16 -t UTF-8 {path.name}"
        raise BadInput(message)


def _longest(path: Path, part: bytes, run: int, read: int) -> int:
    """Give how many bytes lie behind the last end of a line; raises `BadInput` where they are too many."""
    first = part.find(b"\n")
    before = run + (len(part) if first < 0 else first)
    if before > LONGEST_LINE:
        message = (
            f"file {path.name!r} has a line of more than {LONGEST_LINE:,} bytes, which begins at byte {read - run:,}: "
            "no row is so long. Cut it out, or write the file with a newline after each row"
        )
        raise BadInput(message)
    return before if first < 0 else len(part) - part.rfind(b"\n") - 1


def require_names(source: Path, delimiter: str) -> None:
    """Raise `BadInput` for a CSV file two of whose columns have one name, or names that differ in case alone."""
    with source.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        names = next(csv.reader(iter([file.readline(LONGEST_LINE)]), delimiter=delimiter), [])
    counted = Counter(name.strip().lower() for name in names)
    twice = [name for name in names if name.strip() and counted[name.strip().lower()] > 1]
    if twice:
        message = (
            f"columns {', '.join(map(repr, twice[:4]))} of file {source.name!r} have one name, as upper and lower case are not told apart: "
            "rename all but one of them in its first line"
        )
        raise BadInput(message)


def require_header(source: Path, time: str | None) -> None:
    """Raise `BadInput` where the name of the column of times, that nobody named, is a date itself: the first line is a row."""
    if time is not None and _DATE.match(time):
        message = (
            f"the first line of file {source.name!r} is no header, as one of its names is {time[:40]!r}: "
            "write a line with the names of the columns before it, or name the column of times, --time COLUMN"
        )
        raise BadInput(message)
