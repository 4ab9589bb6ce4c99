"""A question and a format → its answer written as that: CSV, JSON, JSON lines or Parquet, from DuckDB straight to the file.

However large it is, no row of it becomes a Python object.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from watchglass.errors import BadInput, WatchglassError
from watchglass.store.query import Question, answered
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.reader import Moment

FORMATS: Final = {
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json, ARRAY true",
    "jsonl": "FORMAT json, ARRAY false",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
_ISO: Final = "%Y-%m-%dT%H:%M:%S.%f+00:00"


def format_of(path: Path) -> str:
    """Tell a format by the end of a file's name; raises `BadInput` for another.

    >>> format_of(Path("answer.CSV"))
    'csv'
    """
    kind = {"ndjson": "jsonl"}.get(path.suffix[1:].lower(), path.suffix[1:].lower())
    if kind not in FORMATS:
        message = f"{path.name!r} does not tell a format: a name that ends in .{', .'.join(FORMATS)} would do"
        raise BadInput(message)
    return kind


def write(
    folder: Folder,
    engine: Engine,
    question: Question,
    target: str | os.PathLike[str] | BinaryIO,
    kind: str | None = None,
) -> int:
    """Write an answer into a file; gives how many rows. One that is named is there whole or not at all.

    Times are ISO 8601 with offset, in Parquet times of UTC. `kind` is one of `FORMATS`; None: by the file's name.
    """
    if not isinstance(target, str | os.PathLike):
        return _stream(folder, engine, question, target, kind or "")
    path = Path(target)
    known = format_of(path) if kind is None else kind
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            rows = _stream(folder, engine, question, file, known)
        part.replace(path)
    except OSError as error:
        if isinstance(error, WatchglassError):
            raise
        message = f"{os.fspath(path)!r} cannot be written: {error.strerror or error}"
        raise BadInput(message) from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def _stream(folder: Folder, engine: Engine, question: Question, target: BinaryIO, kind: str) -> int:
    if kind not in FORMATS:
        message = f"an answer cannot be written as {kind!r}: {', '.join(FORMATS)} would do"
        raise BadInput(message)

    def copied(moment: Moment, query: str, values: dict[str, object]) -> int:
        path = moment.room / f"{uuid.uuid4().hex}.{kind}"
        first = moment.connection.execute(f"SELECT * FROM ({query}) LIMIT 0", values or None)
        columns = [(str(column[0]), str(column[1])) for column in first.description or ()]
        try:
            text = f"COPY (SELECT {_shown(columns, kind)} FROM ({query})) TO {literal(str(path))} ({FORMATS[kind]})"
            done = moment.connection.execute(text, values or None).fetchone()
            with path.open("rb") as file:
                shutil.copyfileobj(file, target, 1 << 20)
        finally:
            path.unlink(missing_ok=True)
        return int(done[0]) if done else 0

    return answered(folder, engine, question, copied)


def _shown(columns: Sequence[tuple[str, str]], kind: str) -> str:
    return ", ".join(f"{_value(identifier(name), of, kind)} AS {identifier(name)}" for name, of in columns)


def _value(name: str, of: str, kind: str) -> str:
    if of.startswith("TIMESTAMP"):
        return f"{name}::TIMESTAMPTZ" if kind == "parquet" else f"strftime({name}::TIMESTAMP, {literal(_ISO)})"
    if of in ("DOUBLE", "FLOAT") and kind.startswith("json"):
        return f"CASE WHEN isfinite({name}) THEN {name} END"  # JSON has no NaN
    return name
