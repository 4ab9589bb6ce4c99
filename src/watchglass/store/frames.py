"""A columnar segment and its sidecar → the SELECT that gives its rows in the shape of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import duckdb

from watchglass.errors import BadInput
from watchglass.store.columns import SQL_TYPES
from watchglass.store.lines import FIRST, Rejected, each_told, misfit
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watchglass.store.models import Columns
    from watchglass.store.segments import Segment


ROWS_TOLD: Final = 1000
BROKEN: Final = (duckdb.Error, UnicodeDecodeError)
"""What DuckDB raises on a file that is broken: its message may quote bytes that are no text."""


def _time(column: str, kind: str) -> str:
    name = identifier(column)
    if kind == "epoch_s":
        return f"make_timestamp(CAST(round({name} * 1000000) AS BIGINT))"
    return f"CAST(CAST({name} AS TIMESTAMPTZ) AS TIMESTAMP)" if kind == "text" else f"CAST({name} AS TIMESTAMP)"


def _struct(name: str, present: Sequence[str], registered: Sequence[tuple[str, str]]) -> str:
    if not registered:
        return ""
    fields = ", ".join(
        f"{identifier(column)} := {f'TRY_CAST({identifier(column)} AS {kind})' if column in present else f'NULL::{kind}'}"
        for column, kind in registered
    )
    return f", struct_pack({fields}) AS {name}"


def bounded(select: str, latest: int, *, beyond: bool = False) -> str:
    """Leave out the rows whose time cannot be (none, before year 1, a day ahead of the clock); `beyond` gives just those."""
    fits = f"time BETWEEN make_timestamp({FIRST}) AND make_timestamp({latest})"
    return f"SELECT * FROM ({select}) WHERE ({fits}) IS {'NOT ' if beyond else ''}TRUE"


def untimely(connection: duckdb.DuckDBPyConnection, segment: Segment, select: str, latest: int) -> list[Rejected]:
    """Tell the rows of a frame whose time cannot be, each with its values."""
    beyond = bounded(select, latest, beyond=True)
    total = int((connection.execute(f"SELECT count(*) FROM ({beyond})").fetchone() or (0,))[0])
    if not total:
        return []
    reason = "time is missing, outside the years 1 to 9999 or more than a day ahead of this machine's clock"
    lost = Rejected(segment.name, None, reason, None, total, model=str((segment.sidecar or {})["model"]))
    return each_told(lost, _raws(connection, f"({beyond})"))


def _raws(connection: duckdb.DuckDBPyConnection, rows: str) -> list[str]:
    """Write rows as JSON, as far as they are told one by one."""
    query = f"SELECT to_json(r)::VARCHAR FROM (FROM {rows} LIMIT {ROWS_TOLD}) AS r"
    return [str(row[0]) for row in connection.execute(query).fetchall()]


def _source(segment: Segment, where: str | None) -> str:
    return f"read_parquet({literal(where or segment.location)}, file_row_number = true)"


def predictions(segment: Segment, columns: Columns, where: str | None = None) -> str:
    """Write the SELECT of a frame of predictions; `where` is another path to its bytes."""
    about = cast("Mapping[str, object]", segment.sidecar)
    named = cast("Mapping[str, str | None]", about["columns"])
    ident = named.get("id")
    stem = segment.name.removesuffix(".parquet")
    row = f"CAST({identifier(ident)} AS VARCHAR)" if ident else f"{literal(stem + ':')} || file_row_number"
    prediction, score = identifier(named["prediction"] or "") if named.get("prediction") else "NULL", named.get("score")
    features, tags = cast("Sequence[str]", about.get("features") or ()), cast("Sequence[str]", about.get("tags") or ())
    run = about.get("run")
    return (
        f"SELECT {row} AS id, {_time(cast('str', named['time']), cast('str', about.get('time_type') or 'datetime'))} AS time,"
        f" {literal(cast('str', about['model']))} AS model, {_optional(about.get('version'))} AS version,"
        f" {literal(cast('str', about.get('environment') or 'live'))} AS environment, CAST({prediction} AS VARCHAR) AS prediction,"
        f" TRY_CAST({prediction} AS DOUBLE) AS prediction_number, {f'TRY_CAST({identifier(score)} AS DOUBLE)' if score else 'NULL::DOUBLE'} AS score,"
        f" NULL::VARCHAR AS scores, NULL::DOUBLE AS latency, {_optional(run)} AS run, NULL::VARCHAR AS trace,"
        " NULL::BIGINT AS weight, NULL::VARCHAR AS error"
        f"{_struct('features', features, columns.features)}{_struct('tags', tags, columns.tags)} FROM {_source(segment, where)}"
    )


def told(segment: Segment) -> dict[tuple[str, str, str], str]:
    """Give the columns, (model, role, name) → type, that a frame's sidecar tells; text where it does not say of what type."""
    about = segment.sidecar or {}
    model, types = str(about["model"]), cast("Mapping[str, str]", about.get("types") or {})
    found = {(model, "tag", name): "text" for name in cast("Sequence[str]", about.get("tags") or ())}
    for name in cast("Sequence[str]", about.get("features") or ()):
        kind = types.get(name)
        found[model, "feature", name] = kind if kind in SQL_TYPES else "text"
    return found


def misfits(connection: duckdb.DuckDBPyConnection, segment: Segment, columns: Columns) -> list[Rejected]:
    """Tell, for each feature of a frame, the values that do not fit its registered type, with their rows; they become NULL."""
    about = cast("Mapping[str, Sequence[str]]", segment.sidecar)
    present = [(name, kind) for name, kind in columns.features if name in (about.get("features") or ())]
    if not present:
        return []
    counted = ", ".join(
        f"count({identifier(name)}) - count(TRY_CAST({identifier(name)} AS {kind}))" for name, kind in present
    )
    row = connection.execute(f"SELECT {counted} FROM {_source(segment, None)}").fetchone() or ()
    model, found = str((segment.sidecar or {})["model"]), []
    for (name, kind), lost in zip(present, row, strict=True):
        if lost:
            column = identifier(name)
            where = f"{column} IS NOT NULL AND TRY_CAST({column} AS {kind}) IS NULL"
            told = Rejected(
                segment.name, None, misfit("feature", name, model, kind), None, lost, model, "feature", name
            )
            found += each_told(told, _raws(connection, f"{_source(segment, None)} WHERE {where}"))
    return found


def rows_of(segment: Segment, columns: Columns, where: str | None = None) -> str:
    """Write the SELECT of a columnar segment of either kind."""
    if kind_of(segment) == "predictions":
        return predictions(segment, columns, where)
    return labels(segment, where)


def fault(connection: duckdb.DuckDBPyConnection, select: str) -> str | None:
    """Say why the rows of a columnar segment cannot be had: it lacks a column, holds what cannot be a time, or is broken."""
    try:
        connection.execute(f"SELECT max(hash(COLUMNS(*))) FROM ({select})").fetchone()
    except BROKEN as error:
        return str(error).splitlines()[0]
    return None


def labels(segment: Segment, where: str | None = None) -> str:
    """Write the SELECT of a frame of labels; a row without one says nothing yet, and takes nothing back."""
    about = cast("Mapping[str, object]", segment.sidecar)
    named = cast("Mapping[str, str]", about["columns"])
    said = identifier(named["label"])
    return (
        f"SELECT CAST({identifier(named['id'])} AS VARCHAR) AS id, {_time(named['time'], cast('str', about.get('time_type') or 'datetime'))} AS time,"
        f" {literal(cast('str', about['model']))} AS model, {literal(cast('str', about.get('environment') or 'live'))} AS environment,"
        f" CAST({said} AS VARCHAR) AS label FROM {_source(segment, where)} WHERE {said} IS NOT NULL"
        f" AND NOT (typeof({said}) IN ('DOUBLE', 'FLOAT') AND CAST({said} AS VARCHAR) = 'nan')"
    )


def _optional(text: object) -> str:
    return "NULL::VARCHAR" if text is None else literal(str(text))


def kind_of(segment: Segment) -> str:
    """Give the table that a columnar segment belongs to; raises `BadInput` on one that is not ours."""
    kind = (segment.sidecar or {}).get("kind")
    if kind not in ("predictions", "labels"):
        message = f"columnar segment {segment.name!r} is of kind {kind!r}; known: predictions, labels"
        raise BadInput(message)
    return kind
