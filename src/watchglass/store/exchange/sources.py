"""One moment of a store → the parts of an export: for each file to be written, the SELECT of its rows."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store import frames, loading, rows
from watchglass.store.exchange import settings_rows
from watchglass.store.exchange.ruled import OF, points
from watchglass.store.lines import KINDS, latest_time
from watchglass.store.models import Columns
from watchglass.store.quoting import identifier, literal, struct_type
from watchglass.store.snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.store.exchange.tables import Kind
    from watchglass.store.folder import Folder
    from watchglass.store.snapshot import Snapshot

FILE_ROWS: Final = 1_000_000
_KIND_OF: Final = {
    "predictions": "prediction",
    "labels": "label",
    "feedback": "feedback",
    "metrics": "metric",
    "logs": "log",
}
_NONE: Final = Columns((), ())


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows: of a model, an environment, and a stretch of time in µs, its end not in it; None is any."""

    model: str | None = None
    environment: str | None = None
    start: int | None = None
    end: int | None = None

    def where(self, kind: Kind) -> str:
        """Write the condition that a table's rows meet."""
        found = []
        if self.model is not None and kind.model is not None:
            found.append(f"{kind.model} = {literal(self.model)}")
        if self.environment is not None and kind.model is not None and "environment" in kind.names:
            found.append(f"environment = {literal(self.environment)}")
        if kind.time is not None:
            found += [f"{kind.time} >= make_timestamp({self.start})"] if self.start is not None else []
            found += [f"{kind.time} < make_timestamp({self.end})"] if self.end is not None else []
        return " AND ".join(found) or "true"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that become one file: of which table and model, the SELECT, how many there may be, the fields of their structs."""

    kind: Kind
    model: str | None
    select: str
    rows: int
    columns: Columns = _NONE
    ruled: int | None = None
    """Until when predictions have expired, where a rule of feedback looked at all of these rows."""

    @property
    def nested(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """The structs of its rows with their fields."""
        found = (("features", self.columns.features), ("tags", self.columns.tags)) if self.kind.nested else ()
        return tuple((role, fields) for role, fields in found if fields)


@contextmanager
def parts(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, kinds: Sequence[Kind], chosen: Chosen
) -> Iterator[list[Part]]:
    """Hold one moment of a store, with what of the log is not in its files yet, and list what is to be written."""
    whole = (
        chosen.start is None and chosen.end is None and {"predictions", "labels", "feedback"} <= {k.name for k in kinds}
    )
    looked = points(engine) if whole else {}  # before the moment: what was looked at has its labels in it
    with snapshot(folder, engine) as moment, ExitStack() as stack:
        wanted = [kind for kind in kinds if kind.rows]
        if wanted:
            texts = [segment for segment in moment.live if segment.sidecar is None]
            loading.load(connection, texts, {}, KINDS, stack)
        found = [_of_catalog(folder, engine, kind, chosen, stack) for kind in kinds if not kind.rows]
        for kind in wanted:
            found += _of_rows(connection, moment, kind, chosen, looked)
        yield found


def nothing(kind: Kind) -> Part:
    """Give a table without rows."""
    return Part(kind, None, _shaped(kind, _NONE, "SELECT 1 WHERE false", Chosen()), 0)


def _of_rows(
    connection: duckdb.DuckDBPyConnection,
    moment: Snapshot,
    kind: Kind,
    chosen: Chosen,
    looked: Mapping[str, tuple[int, int]],
) -> list[Part]:
    found = []
    models = [chosen.model] if chosen.model is not None else sorted(_models(connection, moment, kind))
    for model in models if kind.model is not None else [None]:
        columns = moment.columns.get(model, _NONE) if kind.nested and model is not None else _NONE
        point = looked.get(str(model)) if kind.name in OF else None
        for paths, size, seen in _groups(moment, kind, model, chosen, 0 if point is None else point[0]):
            listed = ", ".join(literal(str(moment.folder.tables / path)) for path in paths)
            until = point[1] if seen and point is not None else None
            source = f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"
            found.append(Part(kind, model, _shaped(kind, columns, source, chosen), size, columns, until))
        for source, size in _tail(connection, moment, kind, model, columns):
            found.append(Part(kind, model, _shaped(kind, columns, source, chosen), size, columns))
    return found


def _models(connection: duckdb.DuckDBPyConnection, moment: Snapshot, kind: Kind) -> set[str]:
    query = f"SELECT DISTINCT model FROM raw_lines WHERE kind = {literal(_KIND_OF[kind.name])}"
    found = {str(model) for (model,) in connection.execute(query).fetchall()}
    found |= {file.model for file in moment.files if file.kind == kind.name}
    framed = moment.framed(kind.name) if kind.name in ("predictions", "labels") else ()
    return found | {str((segment.sidecar or {})["model"]) for segment in framed}


def _groups(
    moment: Snapshot, kind: Kind, model: str | None, chosen: Chosen, point: int
) -> list[tuple[list[str], int, bool]]:
    """Put small files together until they come to a million rows, those up to a point of the manifest apart; files of another time are left out."""
    found: list[tuple[list[str], int, bool]] = []
    for file in moment.files:
        if file.kind != kind.name or (model is not None and file.model != model):
            continue
        rows, first, last = file.rows, file.first or 0, file.last or 0
        seen = (file.origin or file.seq) <= point
        if (chosen.start is not None and last < chosen.start) or (chosen.end is not None and first >= chosen.end):
            continue
        if found and found[-1][1] + rows <= FILE_ROWS and found[-1][2] == seen:
            found[-1] = ([*found[-1][0], file.path], found[-1][1] + rows, seen)
        else:
            found.append(([file.path], rows, seen))
    return found


def _tail(
    connection: duckdb.DuckDBPyConnection, moment: Snapshot, kind: Kind, model: str | None, columns: Columns
) -> list[tuple[str, int]]:
    """Write the SELECTs of rows that are in the log alone."""
    found = []
    select = _of_lines(kind.name, model, columns)
    counted = connection.execute(f"SELECT count(*) FROM ({select})").fetchall()[0][0]
    if counted:
        found.append((select, int(counted)))
    if kind.name in ("predictions", "labels"):
        for segment in moment.framed(kind.name, model):
            framed = frames.bounded(frames.rows_of(segment, columns), latest_time())
            size = connection.execute(f"SELECT count(*) FROM ({framed})").fetchall()[0][0]
            found.append((framed, int(size)))
    return found


def _of_lines(name: str, model: str | None, columns: Columns) -> str:
    if name == "predictions":
        return rows.predictions(columns, rows.Layout(), str(model))
    if name == "labels":
        return rows.labels(str(model))
    if name == "feedback":
        return rows.feedback(str(model))
    return rows.metrics() if name == "metrics" else rows.logs()


def _shaped(kind: Kind, columns: Columns, source: str, chosen: Chosen) -> str:
    """Give rows the shape of their table whatever their file lacks: structs of all registered fields, a weight of 1."""
    fields = [(role, kinds) for role, kinds in (("features", columns.features), ("tags", columns.tags)) if kinds]
    empty = [f"NULL::{of} AS {identifier(name)}" for name, of in kind.columns]
    empty += [f"NULL::{struct_type(kinds)} AS {role}" for role, kinds in fields]
    listed = ["coalesce(weight, 1) AS weight" if name == "weight" else identifier(name) for name in kind.names]
    listed += [f"{role}::{struct_type(kinds)} AS {role}" for role, kinds in fields]
    whole = f"SELECT {', '.join(empty)} WHERE false UNION ALL BY NAME {source}"
    return f"SELECT {', '.join(listed)} FROM ({whole}) WHERE {chosen.where(kind)}"


def _of_catalog(folder: Folder, engine: Engine, kind: Kind, chosen: Chosen, stack: ExitStack) -> Part:
    """Copy a table of the catalog to lines that DuckDB reads; they go when the export is over."""
    folder.scratch.mkdir(exist_ok=True)
    path = folder.scratch / f"{uuid4().hex}.jsonl"
    stack.callback(path.unlink, missing_ok=True)
    size = _copy(folder, engine, kind, path)
    kinds = {name: "BIGINT" if of == "TIMESTAMP" else of for name, of in kind.columns}
    typed = ", ".join(f"{literal(name)}: {literal(of)}" for name, of in kinds.items())
    shown = ", ".join(
        f"make_timestamp({identifier(name)}) AS {identifier(name)}" if of == "TIMESTAMP" else identifier(name)
        for name, of in kind.columns
    )
    source = f"SELECT {shown} FROM read_json({literal(str(path))}, columns = {{{typed}}}, format = 'newline_delimited')"
    return Part(kind, None, f"SELECT * FROM ({source}) WHERE {chosen.where(kind)}", size)


def _copy(folder: Folder, engine: Engine, kind: Kind, path: Path) -> int:
    size = 0
    with path.open("w") as file:
        for row in _catalog_rows(folder, engine, kind):
            file.write(json.dumps(dict(row)) + "\n")
            size += 1
    return size


def _catalog_rows(folder: Folder, engine: Engine, kind: Kind) -> Iterator[Mapping[str, object]]:
    if kind.name == "settings":
        yield from settings_rows.rows_of(folder)
        return
    table = c.META.tables[kind.name]
    with engine.connect() as catalog:
        for row in catalog.execute(sa.select(*[table.c[name] for name in kind.names])).mappings():
            yield {str(name): value for name, value in row.items()}
