"""One SELECT over the documented views → rows: everything recorded, files and log tail together, nothing else in reach."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa

from watchglass.errors import QueryRefused, UnknownName
from watchglass.store import catalog as c
from watchglass.store.answers import Table
from watchglass.store.models import Columns
from watchglass.store.needed import names_in
from watchglass.store.quoting import identifier, literal, struct_type
from watchglass.store.reader import reader_of
from watchglass.store.rows import LABEL, METRIC, PREDICTION
from watchglass.store.snapshot import label_parts, log_parts, metric_parts, prediction_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.reader import Moment

_COMMON = "id, time, model, version, environment, prediction, prediction_number, score, scores, latency, run, trace, coalesce(weight, 1) AS weight, error"
_EMPTY_PREDICTIONS = (
    "SELECT NULL::VARCHAR AS id, NULL::TIMESTAMP AS time, NULL::VARCHAR AS model, NULL::VARCHAR AS version, NULL::VARCHAR AS environment,"
    " NULL::VARCHAR AS prediction, NULL::DOUBLE AS prediction_number, NULL::DOUBLE AS score, NULL::VARCHAR AS scores,"
    " NULL::DOUBLE AS latency, NULL::VARCHAR AS run, NULL::VARCHAR AS trace, NULL::BIGINT AS weight, NULL::VARCHAR AS error"
)
_EMPTY_LABELS = "SELECT NULL::VARCHAR AS id, NULL::TIMESTAMP AS time, NULL::VARCHAR AS model, NULL::VARCHAR AS environment, NULL::VARCHAR AS label WHERE false"
_EMPTY_METRICS = (
    "SELECT NULL::TIMESTAMP AS time, NULL::VARCHAR AS name, NULL::DOUBLE AS value, NULL::BIGINT AS step, NULL::VARCHAR AS labels,"
    " NULL::VARCHAR AS run, NULL::VARCHAR AS trace WHERE false"
)
_EMPTY_LOGS = (
    "SELECT NULL::TIMESTAMP AS time, NULL::VARCHAR AS level, NULL::VARCHAR AS logger, NULL::VARCHAR AS message, NULL::VARCHAR AS tags,"
    " NULL::VARCHAR AS run, NULL::VARCHAR AS trace WHERE false"
)
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
    "drops": (c.drops, None),
}
_ALWAYS = {"labels": LABEL, "label_history": LABEL, "metrics": METRIC}
_PLANS = 3
_SELECTS = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/)*(select|with|from|values|\()", re.IGNORECASE | re.DOTALL)
_ROW_VIEWS = ("predictions", "labels", "label_history", "metrics", "logs")
VIEWS = (*_ROW_VIEWS, *_CATALOG_VIEWS)
"""The names a question may use; every column of time is a TIMESTAMP in UTC."""


def _mentions(sql: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", sql, re.IGNORECASE) is not None


def _needed(folder: Folder, engine: Engine, sql: str) -> frozenset[str] | None:
    """Name the columns of predictions that a question needs; None: all, features and tags too."""
    found = names_in(reader_of(folder, engine).cursor(), sql, VIEWS)
    if found is None or found & {"features", "tags"} or _mentions(sql, "logs"):
        return None
    more = {name for view, names in _ALWAYS.items() if _mentions(sql, view) for name in names}
    return frozenset((found | more | {"model"}) & {*PREDICTION, *LABEL, *METRIC})


@contextmanager
def session(
    folder: Folder, engine: Engine, wanted: str, model: str | None = None, *, needed: frozenset[str] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give DuckDB with the views that the text `wanted` mentions, and nothing else of this machine in reach.

    With `needed` the view of predictions has only these columns, and what of the log was not parsed yet costs less.
    """
    asked = {name for name in VIEWS if _mentions(wanted, name)}
    with reader_of(folder, engine).moment(engine, rows=bool(asked & set(_ROW_VIEWS)), needed=needed) as moment:
        if model is not None and model not in moment.snapshot.columns:
            raise UnknownName.named("model", model, moment.snapshot.columns, step="watchglass models")
        if "predictions" in asked:
            _view(moment, "predictions", _predictions(moment, model))
        if asked & {"labels", "label_history"}:
            _view(moment, "label_history", [_EMPTY_LABELS, *label_parts(moment.snapshot, moment.tail, model)])
            latest = "row_number() OVER (PARTITION BY model, environment, id ORDER BY time DESC, label DESC) = 1"
            moment.connection.execute(f"CREATE TEMP VIEW labels AS SELECT * FROM label_history QUALIFY {latest}")
        if "metrics" in asked:
            _view(moment, "metrics", [_EMPTY_METRICS, *metric_parts(moment.snapshot, moment.tail)])
        if "logs" in asked:
            _view(moment, "logs", [_EMPTY_LOGS, *log_parts(moment.snapshot, moment.tail)])
        _catalog_views(moment, engine, asked)
        yield moment.connection


def _view(moment: Moment, name: str, parts: list[str]) -> None:
    moment.connection.execute(f"CREATE TEMP VIEW {name} AS {_union(parts)}")


def _predictions(moment: Moment, model: str | None) -> list[str]:
    """Write the SELECTs of the view: without features and tags, or with them, typed for one model and as JSON for all."""
    found, tail = moment.snapshot, moment.tail
    if tail.names is not None:
        listed = ", ".join("coalesce(weight, 1) AS weight" if name == "weight" else name for name in tail.names)
        parts = [f"{_EMPTY_PREDICTIONS} WHERE false", *prediction_parts(found, tail, model)]
        return [f"SELECT {listed} FROM ({part})" for part in parts]
    if model is not None:
        columns = found.columns[model]
        parts = prediction_parts(found, tail, model)
        empty = f"{_EMPTY_PREDICTIONS}{_typed(columns, empty=True)} WHERE false"
        return [empty, *([f"SELECT {_COMMON}{_typed(columns)} FROM ({_union(parts)})"] if parts else [])]
    empty = f"{_EMPTY_PREDICTIONS}, NULL::JSON AS tags, NULL::JSON AS features WHERE false"
    selects = [empty]
    for name in sorted(_tail_models(moment) | set(found.columns)):
        parts = prediction_parts(found, tail, name)
        if parts:
            selects.append(f"SELECT {_COMMON}, {_json(found.columns.get(name))} FROM ({_union(parts)})")
    return selects


def _tail_models(moment: Moment) -> set[str]:
    """Name the models that the log's tail has predictions of, registered or not."""
    if not moment.tail.lines:
        return set()
    union = " UNION ".join(
        f"SELECT DISTINCT model FROM {table} WHERE kind = 'prediction'" for table in moment.tail.lines
    )
    return {row[0] for row in moment.connection.execute(union).fetchall()}


def _union(parts: list[str]) -> str:
    return " UNION ALL BY NAME ".join(parts)


def _json(columns: Columns | None) -> str:
    columns = columns or Columns((), ())
    return ", ".join(
        f"to_json({name}) AS {name}" if kinds else f"NULL::JSON AS {name}"
        for name, kinds in (("tags", columns.tags), ("features", columns.features))
    )


def _typed(columns: Columns, *, empty: bool = False) -> str:
    return "".join(
        f", {'NULL' if empty else name}::{struct_type(kinds)} AS {name}"
        for name, kinds in (("tags", columns.tags), ("features", columns.features))
        if kinds
    )


def _catalog_views(moment: Moment, engine: Engine, asked: set[str]) -> None:
    """Copy the catalog's tables that the question mentions; graphs are small beside rows."""
    for name, (table, without) in _CATALOG_VIEWS.items():
        if name not in asked:
            continue
        kinds = {
            column.name: "TIMESTAMP" if _is_time(column) else _duck(column)
            for column in table.columns
            if column.name not in (without, "changed")
        }
        columns = ", ".join(
            f"{literal(key)}: {literal(kind.replace('TIMESTAMP', 'BIGINT'))}" for key, kind in kinds.items()
        )
        shown = ", ".join(
            f"make_timestamp({identifier(key)}) AS {identifier(key)}" if kind == "TIMESTAMP" else identifier(key)
            for key, kind in kinds.items()
        )
        path = moment.room / f"{uuid.uuid4().hex}.jsonl"
        try:
            with engine.connect() as catalog, path.open("w") as file:
                for row in catalog.execute(sa.select(*[table.c[key] for key in kinds])).mappings():
                    file.write(json.dumps(dict(row)) + "\n")
            moment.connection.execute(
                f"CREATE TEMP TABLE {name} AS SELECT {shown} FROM read_json({literal(str(path))}, columns = {{{columns}}}, format = 'newline_delimited')"
            )
        finally:
            path.unlink(missing_ok=True)


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
    needed = _needed(folder, engine, sql)
    for _ in range(_PLANS):
        try:
            with session(folder, engine, sql, model, needed=needed) as connection:
                return Table.of(connection.execute(query))
        except duckdb.IOException as error:  # a file was replaced, and gone before it was read: plan anew
            fault: duckdb.Error = error
        except duckdb.Error as error:
            fault = error
            if needed is None:
                break
            needed = None  # a column may be meant that no word of the question names
    raise _refused(fault) from fault


def _refused(error: duckdb.Error) -> QueryRefused:
    return QueryRefused(f"{error}\nViews: {', '.join(VIEWS)}")
