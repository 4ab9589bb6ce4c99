"""A file from elsewhere (Parquet, CSV, JSON lines, Arrow, a Delta table) and what its columns are → predictions or labels in the store, once."""

from __future__ import annotations

import time as clock
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.errors import BadInput
from watchglass.store import history
from watchglass.store.columns import SQL_TYPES
from watchglass.store.compact import engine_room
from watchglass.store.exchange import delta, sifted
from watchglass.store.exchange.importing import Imported, imported, note_import
from watchglass.store.exchange.redacted_rows import withheld
from watchglass.store.exchange.sound import MEMORY, TEXTS, content, require_header, require_names
from watchglass.store.exchange.tables import KINDS
from watchglass.store.exchange.taking import KEYS, AlreadyTakenError, Done, Rows, take_rows, taken
from watchglass.store.lines import RAW_KEPT, Rejected
from watchglass.store.nested import LINES
from watchglass.store.quoting import identifier, literal
from watchglass.store.redacting import read_through, redactor_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.capture.redaction import Redactor
    from watchglass.store.folder import Folder
    from watchglass.store.history import Roles

TABLES: Final = ("predictions", "labels")


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a file is: which table, of which model, version and environment, and which column is what."""

    table: str
    model: str
    roles: Roles
    version: str | None = None
    environment: str = "live"


def import_file(
    folder: Folder,
    engine: Engine,
    source: Path,
    what: Foreign,
    progress: Callable[[int, int], None] | None = None,
    *,
    named: str | None = None,
) -> Imported:
    """Take a file in; the same file under the same words again changes nothing. `named` is what it is called in the record of it.

    A row without an id, where a column of ids is named, or without a time that can be read, costs only itself and is counted.
    Raises `BadInput` for a file or a column that is not there, and for a table that cannot be taken in like this.
    """
    if what.table not in TABLES:
        message = f"table cannot be {what.table!r} for a file from elsewhere: {', '.join(TABLES)} would do"
        raise BadInput(message)
    called = named or str(source)
    paths = [Path(path) for path in delta.files_of(source)] if delta.is_table(source) else [source]
    key = f"{KEYS}{content(paths)}:{blake2b(repr(what).encode(), digest_size=8).hexdigest()}"
    if taken(engine, [key]):
        return Imported(called, 0, 0, 0, 1)
    redactor = redactor_of(folder)
    try:
        try:
            done = _attempt(folder, engine, source, (what, key, redactor))
        except duckdb.Error:
            if source.suffix not in LINES:
                raise
            done = _attempt(folder, engine, source, (what, key, redactor), careful=True)
    except AlreadyTakenError:
        return Imported(called, 0, 0, 0, 1)
    except duckdb.Error as error:
        message = f"{called!r} cannot be taken in: {str(error).splitlines()[0]}"
        raise BadInput(message) from error
    if progress:
        progress(done.rows, done.rows)
    result = imported(called, done)
    note_import(engine, result, {"table": what.table, "model": what.model})
    return result


def _attempt(
    folder: Folder, engine: Engine, source: Path, about: tuple[Foreign, str, Redactor | None], *, careful: bool = False
) -> Done:
    """Take a file in with a DuckDB of its own; `careful` looks at each of its lines before DuckDB does."""
    with engine_room(folder, MEMORY) as connection, ExitStack() as stack:
        # A row without an id is known by its place.
        connection.execute("SET preserve_insertion_order = true; SET enable_progress_bar = false")
        aside = Path(stack.enter_context(TemporaryDirectory(prefix="import-", dir=folder.scratch))) / "lines.jsonl"
        return _take(folder, engine, connection, source, (*about, _opened(connection, source, aside, careful=careful)))


def _take(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    source: Path,
    about: tuple[Foreign, str, Redactor | None, tuple[str, Sequence[tuple[str, str]], list[Rejected]]],
) -> Done:
    what, key, redactor, (relation, columns, left_out) = about
    roles = _roles(what, columns)
    if what.roles.time is None and source.suffix in TEXTS:
        require_header(source, roles.time)
    told = [
        withheld(item) if redactor is not None else item for item in [*left_out, *_lost(connection, relation, source)]
    ]
    relation, columns, roles = read_through(connection, relation, columns, (what.model, roles, redactor))
    stem = key.removeprefix(KEYS).partition(":")[0]
    rows = (_predictions if what.table == "predictions" else _labels)(relation, dict(columns), roles, what, stem)
    count, rejected = take_rows(folder, engine, connection, rows, key, told)
    return Done(1, count, 0, rejected)


def _opened(
    connection: duckdb.DuckDBPyConnection, source: Path, aside: Path, *, careful: bool
) -> tuple[str, Sequence[tuple[str, str]], list[Rejected]]:
    """Open a file so that a line without a form costs only itself; gives the relation, its columns with their types, such lines."""
    if delta.is_table(source):
        listed = ", ".join(literal(path) for path in delta.files_of(source))
        relation = f"read_parquet([{listed}], union_by_name = true)"
    elif source.suffix in TEXTS:
        sniffed = connection.execute(
            f"SELECT Delimiter FROM sniff_csv({literal(str(source))}, ignore_errors = true)"
        ).fetchall()
        require_names(source, str(sniffed[0][0]) if sniffed else ",")
        relation = f"read_csv({literal(str(source))}, header = true, store_rejects = true)"
    elif source.suffix in LINES:
        opened = None if careful else sifted.as_it_lies(connection, source)
        return sifted.line_by_line(connection, source, aside) if opened is None else (*opened, [])
    else:
        with history.past(connection, source) as past:
            return past.source, past.columns, []
    found = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return relation, [(str(row[0]), str(row[1])) for row in found], []


def _lost(connection: duckdb.DuckDBPyConnection, relation: str, source: Path) -> list[Rejected]:
    """Tell the lines of a text that have no form."""
    if source.suffix not in TEXTS:
        return []
    connection.execute(f"SELECT count(COLUMNS(*)) FROM {relation}").fetchall()
    query = "SELECT line, any_value(error_message), any_value(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
    return [
        Rejected(source.name, int(line), f"the line has no form: {str(why).splitlines()[0]}"[:500], str(raw)[:RAW_KEPT])
        for line, why, raw in connection.execute(query).fetchall()
    ]


def _roles(what: Foreign, columns: Sequence[tuple[str, str]]) -> Roles:
    """Say which column is what: as named, else by the usual names."""
    given = what.roles
    if what.table == "labels":
        named = replace(given, features=())
        found = history.guess(columns, named if given.time else replace(named, time=columns[0][0]))
        roles = replace(found, time=given.time)
        for role in ("id", "label"):
            if getattr(roles, role) is None:
                message = f"no column of {role}s is named and none can be guessed. Columns: {', '.join(dict(columns))}. Name it: --{role} COLUMN"
                raise BadInput(message)
        return roles
    if given.label is not None:
        message = (
            "labels are taken in by themselves: --table labels --label COLUMN; watchglass replay takes both at once"
        )
        raise BadInput(message)
    roles = history.guess(columns, given)
    if roles.label is not None and given.features is None:
        message = (
            f"column {roles.label!r} looks like the truth, which is no feature: take it in with --table labels --label {roles.label}, "
            "and here name the features: --feature COLUMN"
        )
        raise BadInput(message)
    return replace(roles, label=None)


def _features(roles: Roles, columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    if roles.features is not None:
        return roles.features
    return tuple(name for name, _ in columns if name not in roles.named())


def _time(roles: Roles, columns: Mapping[str, str]) -> str:
    if roles.time is None:
        return f"make_timestamp({int(clock.time() * 1e6)})"
    return f"TRY({history.moment_of(roles.time, columns[roles.time])})"


def _cast(name: str | None, kind: str) -> str:
    return f"NULL::{kind}" if name is None else f"TRY_CAST({identifier(name)} AS {kind})"


def _predictions(relation: str, columns: Mapping[str, str], roles: Roles, what: Foreign, stem: str) -> Rows:
    ident = f"CAST({identifier(roles.id)} AS VARCHAR)" if roles.id else f"{literal(stem + ':')} || row_number() OVER ()"
    values = {
        "id": ident,
        "time": _time(roles, columns),
        "version": literal(what.version) if what.version is not None else "NULL::VARCHAR",
        "environment": literal(what.environment),
        "prediction": _cast(roles.prediction, "VARCHAR"),
        "prediction_number": _cast(roles.prediction, "DOUBLE"),
        "score": _cast(roles.score, "DOUBLE"),
    }
    kind = KINDS["predictions"]
    listed = [f"{values.get(name, f'NULL::{of}')} AS {name}" for name, of in kind.columns]
    features = tuple(
        (name, SQL_TYPES[history.type_of(columns[name])]) for name in _features(roles, list(columns.items()))
    )
    nested = (("features", features), ("tags", tuple((name, "VARCHAR") for name in roles.tags)))
    for role, of in nested:
        if of:
            packed = ", ".join(f"{identifier(name)} := {_cast(name, to)}" for name, to in of)
            listed.append(f"struct_pack({packed}) AS {role}")
    return Rows(kind, what.model, f"(SELECT {', '.join(listed)} FROM {relation})", nested, stem)


def _labels(relation: str, columns: Mapping[str, str], roles: Roles, what: Foreign, stem: str) -> Rows:
    """Write the rows of labels; one without a label says nothing yet and is left out."""
    label = _cast(roles.label, "VARCHAR")
    select = (
        f"SELECT {_cast(roles.id, 'VARCHAR')} AS id, {_time(roles, columns)} AS time, {literal(what.model)} AS model,"
        f" {literal(what.environment)} AS environment, {label} AS label FROM {relation} WHERE {label} IS NOT NULL"
    )
    return Rows(KINDS["labels"], what.model, f"({select})", (), stem)
