"""A table of the past, a file or a frame → segments in the log, exactly as live predictions and labels would lie there."""

from __future__ import annotations

import os
import re
import time as clock
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from watchglass.capture.batches import write_parquet
from watchglass.capture.ids import new_hex
from watchglass.errors import BadInput, StoreError
from watchglass.store.compact import engine_room
from watchglass.store.nested import LINES, require_shallow
from watchglass.store.quoting import identifier, literal
from watchglass.store.redacting import read_through, redactor_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from watchglass.store.folder import Folder

READERS = {
    ".parquet": "read_parquet({})",
    ".pq": "read_parquet({})",
    ".csv": "read_csv({}, header = true)",
    ".tsv": "read_csv({}, header = true)",
    ".jsonl": "read_json({}, format = 'newline_delimited')",
    ".ndjson": "read_json({}, format = 'newline_delimited')",
}
ARROW = (".arrow", ".feather", ".ipc")
_TIMES = ("time", "timestamp", "ts", "datetime", "date", "event_time", "created_at")
_PREDICTIONS = ("prediction", "pred", "predicted", "y_pred", "yhat", "y_hat")
_SCORES = ("score", "proba", "probability", "y_pred_proba", "predicted_probability", "y_score")
_LABELS = ("label", "target", "y", "y_true", "actual", "class", "truth", "ground_truth")
_IDS = ("id", "prediction_id", "uuid", "request_id")
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
)


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column of a table is what; None where there is none, `features` None for every column not named."""

    time: str | None = None
    prediction: str | None = None
    score: str | None = None
    label: str | None = None
    id: str | None = None
    tags: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None

    def named(self) -> list[str]:
        """List the columns that have a role other than feature."""
        return [name for name in (self.time, self.prediction, self.score, self.label, self.id, *self.tags) if name]


@dataclass(frozen=True, slots=True)
class Past:
    """A table opened for a replay: how to read it, and its columns with DuckDB's types."""

    source: str
    columns: tuple[tuple[str, str], ...]
    rows: int

    def features(self, roles: Roles) -> tuple[tuple[str, str], ...]:
        """List the features with their types: those named, else every column without another role."""
        kinds = dict(self.columns)
        chosen = (
            roles.features if roles.features is not None else tuple(name for name in kinds if name not in roles.named())
        )
        return tuple((name, type_of(kinds[name])) for name in chosen)


def look(folder: Folder, table: object) -> Past:
    """Look at a table without taking it in; raises `BadInput` on what cannot be read or is empty."""
    with engine_room(folder) as connection, past(connection, table) as opened:
        return opened


@contextmanager
def past(connection: duckdb.DuckDBPyConnection, table: object) -> Iterator[Past]:
    """Open a file by its path, or a frame (pandas, polars, Arrow); raises `BadInput` on what cannot be read or is empty."""
    if isinstance(table, str | os.PathLike):
        source = _file(connection, Path(table))
        what = f"file {str(table)!r}"
    else:
        connection.register("replayed", _readable(table))
        source, what = "replayed", f"the {type(table).__module__.partition('.')[0]} frame"
    try:
        columns = tuple((row[0], row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall())
        rows = (connection.execute(f"SELECT count(*) FROM {source}").fetchone() or (0,))[0]
    except duckdb.Error as error:
        message = f"{what} cannot be read: {str(error).splitlines()[0]}. Files: {', '.join([*READERS, *ARROW])}"
        raise BadInput(message) from error
    if not rows:
        message = f"{what} has no rows, so there is nothing to replay. Name a table with at least one row"
        raise BadInput(message)
    yield Past(source, columns, rows)


def _readable(table: object) -> object:
    """Hand polars over as Arrow streams need it; DuckDB takes the others as they are."""
    return table.to_arrow() if type(table).__module__.startswith("polars") and hasattr(table, "to_arrow") else table


def _file(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    if not path.is_file():
        near = get_close_matches(
            path.name, [p.name for p in path.parent.glob("*") if p.is_file()] if path.parent.is_dir() else [], n=1
        )
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"there is no file {str(path)!r}.{hint} Name a file: {', '.join([*READERS, *ARROW])}"
        raise BadInput(message)
    if not path.stat().st_size:
        message = f"file {str(path)!r} is empty (0 bytes). Name a file with a header and at least one row"
        raise BadInput(message)
    if path.suffix in ARROW:
        from watchglass.errors import need  # noqa: PLC0415 - an optional library

        feather = need("pyarrow.feather", extra="arrow", to=f"read {path.name}")
        connection.register("replayed", feather.read_table(str(path)))
        return "replayed"
    if path.suffix not in READERS:
        message = f"file {str(path)!r} is of no known kind ({path.suffix or 'no ending'!r}). Known: {', '.join([*READERS, *ARROW])}"
        raise BadInput(message)
    if path.suffix in LINES:
        require_shallow(path)
    return READERS[path.suffix].format(literal(str(path)))


def guess(columns: Sequence[tuple[str, str]], roles: Roles) -> Roles:
    """Fill in the roles that were not named by the usual names; raises `BadInput` for a name that is not there, or without a time."""
    kinds = dict(columns)
    for role in ("time", "prediction", "score", "label", "id"):
        if (name := getattr(roles, role)) is not None:
            _present(role, name, kinds)
    for name in (*roles.tags, *(roles.features or ())):
        _present("column", name, kinds)
    taken = set(roles.named()) | set(roles.features or ())
    found: dict[str, str | None] = {}
    for role, usual in (
        ("time", _TIMES),
        ("prediction", _PREDICTIONS),
        ("score", _SCORES),
        ("label", _LABELS),
        ("id", _IDS),
    ):
        found[role] = getattr(roles, role) or next(
            (name for wish in usual for name in kinds if name.lower() == wish and name not in taken), None
        )
        taken |= {found[role] or ""}
    found["time"] = found["time"] or next(
        (name for name, kind in columns if kind.startswith(("TIMESTAMP", "DATE")) and name not in taken), None
    )
    if found["time"] is None:
        message = f"no column of time is named and none can be guessed. Columns: {', '.join(kinds)}. Name it: --time COLUMN (time=… in Python)"
        raise BadInput(message)
    return replace(
        roles,
        time=found["time"],
        prediction=found["prediction"],
        score=found["score"],
        label=found["label"],
        id=found["id"],
    )


def _present(role: str, name: str, kinds: dict[str, str]) -> None:
    if name not in kinds:
        near = get_close_matches(name, kinds, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"the {role} column {name!r} is not in the table.{hint} Columns: {', '.join(kinds)}"
        raise BadInput(message)


def type_of(kind: str) -> str:
    """Give the type that a column of a DuckDB type has among features.

    >>> type_of("DECIMAL(3,1)"), type_of("BOOLEAN"), type_of("DATE")
    ('number', 'boolean', 'text')
    """
    if re.split(r"[\s(]", kind)[0] in _NUMBERS:
        return "number"
    return {"BOOLEAN": "boolean"}.get(kind, "text")


def moment_of(column: str, kind: str) -> str:
    """Write the expression of a column's time: numbers are epoch seconds."""
    name = identifier(column)
    if type_of(kind) == "number":
        return f"make_timestamp(CAST(round({name} * 1000000) AS BIGINT))"
    return f"CAST(CAST({name} AS TIMESTAMPTZ) AS TIMESTAMP)"


def require_times(folder: Folder, table: object, roles: Roles) -> None:
    """Raise `BadInput` when a row has no time, or one that cannot be read, before anything is written."""
    column = roles.time or ""
    with engine_room(folder) as connection, past(connection, table) as opened:
        at = moment_of(column, dict(opened.columns)[column]).replace("CAST(", "TRY_CAST(")
        missing = (connection.execute(f"SELECT count(*) - count({at}) FROM {opened.source}").fetchone() or (0,))[0]
    if missing:
        message = f"{missing} rows have no time in column {column!r}, or none that can be read, so they belong to no window. Fill it or drop those rows"
        raise BadInput(message)


@dataclass(frozen=True, slots=True)
class Logged:
    """What a replay wrote to the log: rows, labels, and the stretch of time in µs."""

    rows: int
    labels: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A table as its rows may be written: how to read it, its columns, and what those that are left are."""

    connection: duckdb.DuckDBPyConnection
    past: Past
    roles: Roles


@contextmanager
def redacted_past(folder: Folder, table: object, model: str, roles: Roles) -> Iterator[Redacted]:
    """Open a table, with all roles known, through the rules of redaction in force; raises `StoreError` where they cannot be known."""
    redactor = redactor_of(folder)
    with engine_room(folder) as connection, past(connection, table) as opened:
        try:
            source, columns, left = read_through(connection, opened.source, opened.columns, (model, roles, redactor))
        except duckdb.Error as error:
            message = f"the table cannot be read: {str(error).splitlines()[0]}"
            raise BadInput(message) from error
        yield Redacted(connection, Past(source, tuple(columns), opened.rows), left)


def log_past(folder: Folder, table: Redacted, model: str, *, label_delay: timedelta, version: str | None) -> Logged:
    """Write a table's predictions and labels as columnar segments."""
    connection, opened, roles = table.connection, table.past, table.roles
    kinds = dict(opened.columns)
    features = [name for name, _ in opened.features(roles)]
    at = moment_of(roles.time or "", kinds[roles.time or ""])
    ident = (
        f"CAST({identifier(roles.id)} AS VARCHAR)"
        if roles.id
        else f"{literal(new_hex() + ':')} || row_number() OVER ()"
    )
    connection.execute(
        f'CREATE TEMP TABLE chosen AS SELECT *, {ident} AS "wg id", {at} AS "wg time" FROM {opened.source}'
    )
    edges = connection.execute('SELECT epoch_us(min("wg time")), epoch_us(max("wg time")) FROM chosen').fetchone()
    used = dict.fromkeys(name for name in (roles.prediction, roles.score, *roles.tags, *features) if name)
    columns = ", ".join(identifier(name) for name in ("wg id", "wg time", *used))
    named = {"id": "wg id", "time": "wg time", "prediction": roles.prediction, "score": roles.score}
    about = {"model": model, "version": version, "environment": "live"}
    served = {**about, "kind": "predictions", "columns": named, "features": features, "tags": list(roles.tags)}
    rows = _segment(folder, connection, f"SELECT {columns} FROM chosen", served)
    labelled = 0
    if roles.label:
        label, late = identifier(roles.label), label_delay // timedelta(microseconds=1)
        known = f'SELECT "wg id", "wg time" + to_microseconds({late}) AS "wg time", {label} FROM chosen WHERE {label} IS NOT NULL'
        told = {**about, "kind": "labels", "columns": {"id": "wg id", "time": "wg time", "label": roles.label}}
        labelled = _segment(folder, connection, known, told)
    first, last = edges or (0, 0)
    return Logged(rows, labelled, first, last)


def _segment(folder: Folder, connection: duckdb.DuckDBPyConnection, select: str, about: Mapping[str, object]) -> int:
    """Publish rows as one columnar segment, as a recording process would; gives how many."""
    rows = 0

    def write(path: str) -> None:
        nonlocal rows
        copied = connection.execute(f"COPY ({select}) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)").fetchone()
        rows = int(copied[0]) if copied else 0

    outcome = write_parquet(str(folder.root), write, {**about, "written": int(clock.time() * 1e6)})
    if outcome != "written":
        message = f"the log of {str(folder.root)!r} cannot be written: {outcome or 'DuckDB refused the columns'}. Is the disk full?"
        raise StoreError(message)
    return rows
