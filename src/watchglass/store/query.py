"""One SELECT over the documented views → rows: everything recorded, files and log tail together, nothing else in reach."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa

from watchglass.errors import QueryRefused, UnknownName
from watchglass.store import catalog as c
from watchglass.store import lines
from watchglass.store.answers import Table
from watchglass.store.compact import engine_room
from watchglass.store.models import Columns
from watchglass.store.quoting import identifier, literal, struct_type
from watchglass.store.snapshot import label_parts, load_tail, prediction_parts, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.snapshot import Snapshot

_COMMON = "id, time, model, version, environment, prediction, prediction_number, score, scores"
_EMPTY_PREDICTIONS = (
    "SELECT NULL::VARCHAR AS id, NULL::TIMESTAMP AS time, NULL::VARCHAR AS model, NULL::VARCHAR AS version, NULL::VARCHAR AS environment,"
    " NULL::VARCHAR AS prediction, NULL::DOUBLE AS prediction_number, NULL::DOUBLE AS score, NULL::VARCHAR AS scores,"
    " NULL::DOUBLE AS latency, NULL::VARCHAR AS run, NULL::VARCHAR AS trace, NULL::JSON AS tags, NULL::JSON AS features WHERE false"
)
_EMPTY_LABELS = "SELECT NULL::VARCHAR AS id, NULL::TIMESTAMP AS time, NULL::VARCHAR AS model, NULL::VARCHAR AS environment, NULL::VARCHAR AS label WHERE false"
_TIMES = ("time", "started", "ended", "onset", "raised", "closed", "window", "judged")
_CATALOG_VIEWS = {
    "runs": (c.runs, None),
    "artifacts": (c.artifacts, None),
    "reads": (c.reads, None),
    "writes": (c.writes, None),
    "components": (c.components, None),
    "models": (c.models, None),
    "model_versions": (c.model_versions, None),
    "deployments": (c.deployments, None),
    "verdicts": (c.verdicts, "record"),
    "incidents": (c.incidents, "record"),
    "rejected": (c.rejected, None),
}
_SELECTS = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/)*(select|with|from|values|\()", re.IGNORECASE | re.DOTALL)
VIEWS = ("predictions", "labels", "label_history", *_CATALOG_VIEWS)
"""The names a question may use; every column of time is a TIMESTAMP in UTC."""


def _mentions(sql: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", sql, re.IGNORECASE) is not None


@contextmanager
def session(
    folder: Folder, engine: Engine, wanted: str, model: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give DuckDB with the views that the text `wanted` mentions, and nothing else of this machine in reach."""
    with engine_room() as connection, snapshot(folder, engine) as moment, ExitStack() as held:
        if model is not None and model not in moment.columns:
            raise UnknownName.named("model", model, moment.columns, step="watchglass models")
        if any(_mentions(wanted, name) for name in ("predictions", "labels", "label_history")):
            load_tail(connection, moment.live, held)
            _row_views(connection, moment, model)
        _catalog_views(connection, engine, wanted, held)
        paths = [*moment.paths("predictions"), *moment.paths("labels"), *(s.location for s in moment.live if s.sidecar)]
        connection.execute(f"SET allowed_paths = [{', '.join(literal(path) for path in paths)}]")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection


def _row_views(connection: duckdb.DuckDBPyConnection, moment: Snapshot, model: str | None) -> None:
    """Bind predictions and labels; with a model, its features and tags as typed structs."""
    tail = {row[0] for row in connection.execute("SELECT DISTINCT model FROM raw_lines").fetchall()}
    names = sorted(tail | set(moment.columns)) if model is None else [model]
    if model is None:
        predictions = [
            f"SELECT {_COMMON}, latency, run, trace, {_json(moment.columns.get(name))} FROM ({_union(prediction_parts(moment, name))})"
            for name in names
        ]
        connection.execute(f"CREATE TEMP VIEW predictions AS {_union([_EMPTY_PREDICTIONS, *predictions])}")
    else:
        typed = _typed(moment.columns[model])
        connection.execute(
            f"CREATE TEMP VIEW predictions AS SELECT {_COMMON}, latency, run, trace{typed} FROM ({_union(prediction_parts(moment, model))})"
        )
    labels = [part for name in names for part in label_parts(moment, name)]
    connection.execute(f"CREATE TEMP VIEW label_history AS {_union([_EMPTY_LABELS, *labels])}")
    latest = "row_number() OVER (PARTITION BY model, environment, id ORDER BY time DESC, label DESC) = 1"
    connection.execute(f"CREATE TEMP VIEW labels AS SELECT * FROM label_history QUALIFY {latest}")


def _union(parts: list[str]) -> str:
    return " UNION ALL BY NAME ".join(parts)


def _json(columns: Columns | None) -> str:
    columns = columns or Columns((), ())
    return ", ".join(
        f"to_json({name}) AS {name}" if kinds else f"NULL::JSON AS {name}"
        for name, kinds in (("tags", columns.tags), ("features", columns.features))
    )


def _typed(columns: Columns) -> str:
    return "".join(
        f", {name}::{struct_type(kinds)} AS {name}"
        for name, kinds in (("tags", columns.tags), ("features", columns.features))
        if kinds
    )


def _catalog_views(connection: duckdb.DuckDBPyConnection, engine: Engine, wanted: str, held: ExitStack) -> None:
    """Copy the catalog's tables that the question mentions; graphs are small beside rows."""
    for name, (table, without) in _CATALOG_VIEWS.items():
        if not _mentions(wanted, name):
            continue
        kinds = {
            column.name: "TIMESTAMP" if _is_time(column) else _duck(column)
            for column in table.columns
            if column.name != without
        }
        with engine.connect() as catalog:
            rows = catalog.execute(sa.select(*[table.c[key] for key in kinds])).mappings().all()
        path = held.enter_context(lines.in_memory("".join(json.dumps(dict(row)) + "\n" for row in rows).encode()))
        columns = ", ".join(
            f"{literal(key)}: {literal(kind.replace('TIMESTAMP', 'BIGINT'))}" for key, kind in kinds.items()
        )
        shown = ", ".join(
            f"make_timestamp({identifier(key)}) AS {identifier(key)}" if kind == "TIMESTAMP" else identifier(key)
            for key, kind in kinds.items()
        )
        connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT {shown} FROM read_json({literal(path)}, columns = {{{columns}}}, format = 'newline_delimited')"
        )


def _is_time(column: sa.Column[object]) -> bool:
    return column.name in _TIMES and isinstance(column.type, sa.BigInteger)


def _duck(column: sa.Column[object]) -> str:
    if isinstance(column.type, sa.Float):
        return "DOUBLE"
    return "BIGINT" if isinstance(column.type, sa.Integer) else "VARCHAR"


def _one_select(sql: str) -> str:
    """Check that a text is exactly one SELECT; raises `QueryRefused`."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        message = f"this cannot be read as SQL: {str(error).splitlines()[0]}"
        raise QueryRefused(message) from error
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT] or not _SELECTS.match(sql):  # 1.5 calls some PRAGMAs a SELECT
        said = ", ".join(kind.name for kind in kinds) or "nothing"
        message = f"a question is exactly one SELECT; this is {said}. Views: {', '.join(VIEWS)}"
        raise QueryRefused(message)
    return statements[0].query


def ask(folder: Folder, engine: Engine, sql: str, *, model: str | None = None) -> Table:
    """Answer one SELECT over the views; with `model`, `predictions` has its features and tags as typed structs.

    Raises `QueryRefused` for anything but one SELECT, or for one that fails, with DuckDB's reason.
    """
    query = _one_select(sql)
    with session(folder, engine, sql, model) as connection:
        try:
            return Table.of(connection.execute(query))
        except duckdb.Error as error:
            message = f"{error}\nViews: {', '.join(VIEWS)}"
            raise QueryRefused(message) from error
