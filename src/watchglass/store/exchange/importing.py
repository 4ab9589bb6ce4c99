"""The folder that an export wrote → the same rows in this store, each file once, whatever is killed and begun again."""

from __future__ import annotations

import csv
import getpass
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.errors import BadInput
from watchglass.store.compact import engine_room
from watchglass.store.exchange import graph_rows, settings_rows
from watchglass.store.exchange.manifest import FILE, Entry, Manifest, read
from watchglass.store.exchange.redacted_graph import redacted
from watchglass.store.exchange.redacted_rows import through, withheld
from watchglass.store.exchange.ruled import OF
from watchglass.store.exchange.tables import KINDS, Format, Kind, chosen
from watchglass.store.exchange.taking import (
    KEYS,
    AlreadyTakenError,
    Done,
    Rows,
    alone,
    mark,
    require_new,
    require_unknown,
    take_rows,
    taken,
)
from watchglass.store.exchange.written import csv_reader, field_text, inward, line_reader, shape_of_lines, typed
from watchglass.store.graph import take_in
from watchglass.store.life.audit import note
from watchglass.store.lines import RAW_KEPT, Rejected, each_told
from watchglass.store.parquet import sum_of
from watchglass.store.quoting import identifier, literal
from watchglass.store.redacting import redactor_of
from watchglass.store.schemas.aside import keep_aside
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.records import Json
    from watchglass.store.folder import Folder

_TOLD: Final = 1000


@dataclass(frozen=True, slots=True)
class Imported:
    """What was taken in: from where, how many files and rows, how many rows could not be, how many files had been before.

    `notes` say what is to be done now that rules of redaction came in.
    """

    source: str
    files: int
    rows: int
    rejected: int
    already: int
    notes: tuple[str, ...] = ()


def imported(source: object, done: Done) -> Imported:
    """Say what an import came to."""
    return Imported(
        str(source), done.files, done.rows, sum(item.rows for item in done.rejected), done.already, done.notes
    )


def import_export(
    folder: Folder,
    engine: Engine,
    source: Path,
    tables: Iterable[str] | None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Take in an export, or some of its tables; `progress` is told rows done and in all.

    Raises `BadInput` for a folder without a manifest, and for a file that is not what the manifest says it is.
    """
    manifest = _manifest(source)
    wanted = {kind.name for kind in chosen(tables)}
    entries = sorted((entry for entry in manifest.files if entry.table in wanted), key=_place)
    keys = {entry.path: f"{KEYS}{manifest.id}:{entry.path}" for entry in entries}
    labelled = "labels" in wanted
    known, done, total = taken(engine, list(keys.values())), Done(), sum(entry.rows for entry in entries)
    moved = 0
    if entries and entries[0].table == "settings" and keys[entries[0].path] not in known:
        done.notes = _check_rules(folder, source, manifest.format, entries[0])
    for entry in entries:
        about = entry if labelled else replace(entry, ruled=None)  # its labels are to be made here
        try:
            require_unknown(keys[entry.path], known)
            rows, rejected = _take(folder, engine, source, (manifest.format, about, keys[entry.path]))
        except AlreadyTakenError:
            done.already += 1
        else:
            done.files, done.rows = done.files + 1, done.rows + rows
            done.rejected += [Rejected("", None, "", None, item.rows) for item in rejected]
        moved += entry.rows
        if progress:
            progress(moved, total)
    result = imported(source, done)
    if done.files:
        note_import(engine, result, {"export": manifest.id})
    return result


def _check_rules(folder: Folder, source: Path, form: Format, entry: Entry) -> tuple[str, ...]:
    """Say what the rules of redaction that come in ask for; raises `BadInput` where they cannot be held here, before anything is written."""
    _check(source, entry)
    with engine_room(folder) as connection:
        relation, _ = opened(connection, KINDS[entry.table], (), form, str(source / entry.path))
        found = dict(connection.execute(f"SELECT name, value FROM {relation}").fetchall())
    return settings_rows.check_rules(folder, found.get("redaction"), str(source))


def _place(entry: Entry) -> tuple[int, int]:
    """Say when a file is taken in: rows that a rule of feedback looked at before those that it did not."""
    order = list(KINDS)
    if entry.ruled is not None and entry.table in OF:
        return order.index("predictions"), OF.index(entry.table)
    return order.index(entry.table), len(OF)


def note_import(engine: Engine, result: Imported, more: dict[str, str]) -> None:
    """Write into the store's record of deeds that rows came from elsewhere."""
    with writing(engine) as transaction:
        told: dict[str, Json] = {"source": result.source, "files": result.files, "rows": result.rows}
        record = {**told, "rejected": result.rejected, **more}
        note(transaction, "import", getpass.getuser(), record, datetime.now(UTC))


def _manifest(source: Path) -> Manifest:
    found = read(source)
    if found is None:
        message = (
            f"{str(source)!r} has no {FILE}, so it is no whole export. Of a file from elsewhere, say what it is: "
            "--table predictions --model NAME (table=…, model=… in Python)"
        )
        raise BadInput(message)
    return found


def _check(source: Path, entry: Entry) -> None:
    """Raise `BadInput` for a file that is not the one that was exported."""
    path = source / entry.path
    if not path.is_file():
        message = f"{str(path)!r} is gone, though the manifest lists it: the export is not whole"
        raise BadInput(message)
    if path.stat().st_size != entry.bytes or sum_of(path) != entry.sum:
        message = (
            f"{str(path)!r} is not what was exported: its bytes have another sum than the manifest says. "
            "Export again, or take it in as a file from elsewhere with --table"
        )
        raise BadInput(message)


def _take(folder: Folder, engine: Engine, source: Path, what: tuple[Format, Entry, str]) -> tuple[int, list[Rejected]]:
    form, entry, key = what
    _check(source, entry)
    path, redactor = str(source / entry.path), redactor_of(folder)
    try:
        with engine_room(folder) as connection:
            kind = _as_then(connection, KINDS[entry.table], form, path)
            both = (("features", entry.features), ("tags", entry.tags)) if kind.nested else ()
            nested = tuple((role, fields) for role, fields in both if fields)
            relation, told = opened(connection, kind, nested, form, path)
            told = told if redactor is None else [withheld(item) for item in told]
            if not kind.rows:
                return _take_graph(folder, engine, connection, kind, (relation, entry, key, told))
            model = entry.model or ""
            relation, nested = through(connection, relation, kind, (model, nested, redactor))
            rows = Rows(kind, model, relation, nested, entry.path, entry.ruled)
            return take_rows(folder, engine, connection, rows, key, told)
    except duckdb.Error as error:
        message = f"{path!r} cannot be read as {form}: {str(error).splitlines()[0]}"
        raise BadInput(message) from error


def _as_then(connection: duckdb.DuckDBPyConnection, kind: Kind, form: Format, path: str) -> Kind:
    """Leave out the columns that an older version of the package did not have yet, and so did not write."""
    if kind.rows or form == "jsonl":  # what a line lacks is NULL
        return kind
    if form == "csv":
        with Path(path).open(newline="", encoding="utf-8") as file:
            told = next(csv.reader(file), [])
    else:
        told = [str(row[0]) for row in connection.execute(f"DESCRIBE FROM read_parquet({literal(path)})").fetchall()]
    return replace(kind, columns=tuple(column for column in kind.columns if column[0] in told))


def opened(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    nested: tuple[tuple[str, tuple[tuple[str, str], ...]], ...],
    form: Format,
    path: str,
) -> tuple[str, list[Rejected]]:
    """Open a file of an export: the relation that has its rows typed, and what of it has no form or is of no type."""
    if form in ("parquet", "delta"):
        return f"({inward(kind, nested, form, f'read_parquet({literal(path)})')})", []
    name = Path(path).name
    if form == "csv":
        connection.execute(f"CREATE OR REPLACE TEMP TABLE said AS SELECT * FROM {csv_reader(kind, nested, path)}")
        told = _refused(connection, name)
    else:
        shape = literal(shape_of_lines(kind, nested))
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE said AS SELECT unnest(CASE WHEN good THEN json_transform(line, "
            f'{shape}) END), CASE WHEN NOT good THEN line END AS "wg broken" FROM (SELECT line, json_valid(line) AS good FROM {line_reader(path)})'
        )
        told = [*_refused(connection, name), *_broken(connection, name)]
    told += _unread(connection, kind, nested, form, name)
    good = 'WHERE "wg broken" IS NULL' if form == "jsonl" else ""
    return f"({inward(kind, nested, form, f'(SELECT * FROM said {good})')})", told


def _refused(connection: duckdb.DuckDBPyConnection, name: str) -> list[Rejected]:
    """Tell the lines that have no form: too few columns, a quote that does not end, bytes that are no text."""
    query = "SELECT DISTINCT line, any_value(error_message), any_value(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
    found = connection.execute(query).fetchall()
    return [
        Rejected(name, int(line), f"the line has no form: {str(why).splitlines()[0]}"[:500], str(raw)[:RAW_KEPT])
        for line, why, raw in found
    ]


def _broken(connection: duckdb.DuckDBPyConnection, name: str) -> list[Rejected]:
    query = 'SELECT count(*) FROM said WHERE "wg broken" IS NOT NULL'
    total = int(connection.execute(query).fetchall()[0][0])
    if not total:
        return []
    raws = connection.execute(f'SELECT "wg broken" FROM said WHERE "wg broken" IS NOT NULL LIMIT {_TOLD}').fetchall()
    return each_told(Rejected(name, None, "the line is not JSON", None, total), [str(raw) for (raw,) in raws])


def _unread(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    nested: Sequence[tuple[str, Sequence[tuple[str, str]]]],
    form: Format,
    name: str,
) -> list[Rejected]:
    """Count the values that are not of their column's type; they become NULL."""
    asked = [(column, of, identifier(column)) for column, of in kind.columns if of != "VARCHAR" and column != kind.time]
    asked += [
        (f"{role}.{column}", of, field_text(role, column, form))
        for role, fields in nested
        for column, of in fields
        if of != "VARCHAR"
    ]
    if not asked:
        return []
    counted = ", ".join(f"count({text}) - count({typed(text, of)})" for _, of, text in asked)
    found = connection.execute(f"SELECT {counted} FROM said").fetchall()[0]
    return [
        Rejected(name, None, f"{column}: value is not a {of}, kept as NULL", None, int(lost))
        for (column, of, _), lost in zip(asked, found, strict=True)
        if lost
    ]


def _take_graph(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    what: tuple[str, Entry, str, list[Rejected]],
) -> tuple[int, list[Rejected]]:
    """Write rows of the catalog's tables with the key of their file in one transaction."""
    relation, entry, key, told = what
    take_in(folder, engine)
    shown = ", ".join(
        f"epoch_us({identifier(name)}) AS {identifier(name)}" if of == "TIMESTAMP" else identifier(name)
        for name, of in kind.columns
    )
    found = connection.execute(f"SELECT {shown} FROM {relation}").fetchall()
    whole = [dict(zip(kind.names, row, strict=True)) for row in found]
    rows, left_out = redacted(kind.name, whole, redactor_of(folder), entry.path)
    with alone(engine) as lease, writing(engine) as transaction:
        lease.check(transaction)
        require_new(transaction, key)
        put = (
            partial(settings_rows.put, folder)
            if kind.name == "settings"
            else partial(graph_rows.put, transaction, kind)
        )
        count, bad = put(rows, entry.path)
        rejected = [*told, *left_out, *bad]
        mark(transaction, key, count, sum(item.rows for item in rejected))
        keep_aside(transaction, rejected, int(time.time() * 1e6))
    return count, rejected
