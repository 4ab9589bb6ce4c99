"""The graph log → the catalog: runs, artifacts, reads, writes, models, schemas and deployments, by byte offset.

Any query that needs the graph calls `take_in` first. Lines may come again or in any order: every line is an
upsert, so what is taken in twice is the same as once.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.capture.declaring import declared
from watchglass.capture.feedback import rule_of
from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES, SQL_TYPES, admitted, tell
from watchglass.store.lines import Rejected, model_in, shown
from watchglass.store.schemas.aside import keep_aside
from watchglass.store.segments import NAMES_AT_ONCE, delete, opened, sealed
from watchglass.store.transactions import next_change, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Json
    from watchglass.store.folder import Folder
    from watchglass.store.segments import Segment

Line: TypeAlias = "Mapping[str, Json]"
Batch: TypeAlias = "dict[sa.Table, list[dict[str, Json]]]"
_FIRST = {
    c.components: ("time",),
    c.models: ("time",),
    c.model_versions: ("time",),
    c.reads: ("time",),
    c.writes: ("time",),
    c.columns: ("type",),
    c.ingested: ("taken", "segment", "accepted", "rejected"),
}
"""Columns that stay as first written: a column's type never changes, values of another become NULL and are counted."""


@cache
def _upsert(table: sa.Table) -> Insert:
    """Insert or update by primary key; a NULL leaves what is there, and a run's start that comes late does not undo its end."""
    statement = insert(table)
    news = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    changed: dict[str, sa.ColumnElement[object]] = {}
    for name, new in news.items():
        if name not in _FIRST.get(table, ()):
            changed[name] = sa.func.coalesce(new, table.c[name])
    if table is c.artifacts:
        changed["time"] = sa.func.min(news["time"], table.c.time)
    if table is c.columns:
        changed["declared"] = sa.func.max(news["declared"], table.c.declared)
        changed["whole"] = sa.func.coalesce(table.c.whole, news["whole"])  # what was seen holds
    if table is c.drops:
        changed["rows"] = sa.func.max(news["rows"], table.c.rows)
    if table is c.runs:
        late = table.c.ended.is_not(None) & news["ended"].is_(None)
        changed = {name: sa.case((late, table.c[name]), else_=value) for name, value in changed.items()}
    keys = [column.name for column in table.primary_key]
    if not changed:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _put(batch: Batch, table: sa.Table, values: dict[str, Json]) -> None:
    chosen = [column for column in table.columns if column.name in values or column.server_default is None]
    fitting = {column.name: _fit(table, column, values.get(column.name)) for column in chosen}
    batch.setdefault(table, []).append(fitting)


def _fit(table: sa.Table, column: sa.Column[object], value: Json) -> Json:
    """Take a value for a column whose type it has; SQLite would take any, and every question about it would fail."""
    if value is None:
        if column.primary_key and not column.autoincrement:
            message = f"{column.name} of {table.name} is missing"
            raise ValueError(message)
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(column.type, sa.Integer):
        fits = isinstance(value, int) and number and -(2**63) <= value < 2**63
    elif isinstance(column.type, sa.Float):
        fits = number and math.isfinite(cast("float", value))
    else:
        value = str(value) if number else value
        fits = isinstance(value, str) and "\0" not in value and bool(value.encode() or True)
    if not fits:
        message = f"{column.name} of {table.name} cannot be {value!r:.80}"
        raise ValueError(message)
    return value


def _text(value: Json) -> str | None:
    return None if value in (None, {}, []) else json.dumps(value, sort_keys=True)


def _component(batch: Batch, line: Line) -> None:
    plain = {name: line.get(name) for name in ("description", "owner", "time")}
    _put(batch, c.components, {"name": line["name"], "tags": _text(line.get("tags")), **plain})


def _run(batch: Batch, line: Line) -> None:
    plain = ("version", "parent", "trace", "ended", "error", "host", "pid")
    values = {name: line.get(name) for name in plain}
    values.update({name: _text(line.get(name)) for name in ("params", "metrics", "code", "notes")})
    fixed = {
        "id": line["id"],
        "component": line["component"],
        "started": line["started"],
        "status": line.get("status") or "running",
    }
    _put(batch, c.runs, {**values, **fixed})
    for table, name in ((c.reads, "reads"), (c.writes, "writes")):
        for edge in cast("Sequence[Line]", line.get(name) or ()):
            _edge(batch, table, line["id"], {"time": line.get("ended") or line["started"], **edge})
    _put(batch, c.components, {"name": line["component"], "time": line["started"]})


def _edge(batch: Batch, table: sa.Table, run: Json, line: Line) -> None:
    version = line.get("version")
    rule = line.get("rule") or ("content" if version else "declared")
    _put(batch, table, {"run": run, "name": line["name"], "version": version or "", "rule": rule, "time": line["time"]})
    if version:
        about = cast("Line", line.get("artifact") or {})
        values = {name: about.get(name) for name in ("kind", "rows", "bytes", "path", "preview")}
        values["columns"] = _text(about.get("columns"))
        _put(batch, c.artifacts, {"name": line["name"], "version": version, "time": line["time"], **values})


def _read(batch: Batch, line: Line) -> None:
    _edge(batch, c.reads, line["run"], line)


def _write(batch: Batch, line: Line) -> None:
    _edge(batch, c.writes, line["run"], line)


def _model(batch: Batch, line: Line) -> None:
    name, artifact = line["name"], cast("Line", line.get("artifact") or {})
    values = {
        key: line.get(key) for key in ("task", "window", "label_delay", "false_alerts_per_year", "reference", "time")
    }
    if line.get("feedback") is not None:
        rule_of(cast("Line", line["feedback"]))  # a rule that cannot hold is refused here, with its line
        values["feedback"] = _text(line["feedback"])
    _put(batch, c.models, {"name": name, "slices": json.dumps(line.get("slices") or []), **values})
    _declared(batch, line)
    if line.get("version") is not None:
        version = {
            "model": name,
            "version": line["version"],
            "artifact": artifact.get("name"),
            "artifact_version": artifact.get("version"),
        }
        _put(batch, c.model_versions, {**version, "run": line.get("run"), "time": line.get("time")})


def _declared(batch: Batch, line: Line) -> None:
    """Take what a model's event says of its columns."""
    for entry in declared(line.get("schema")) or ():
        said = {key: entry.get(key) for key in ("role", "name", "type", "purpose", "unit")}
        whole, since = entry.get("whole"), None if entry["role"] in IN_FILES else line.get("time")
        more = {"model": line["name"], "whole": 1 if whole else None, "declared": 1, "since": since}
        _put(batch, c.columns, {**cast("dict[str, Json]", said), **more})


def _schema(batch: Batch, line: Line) -> None:
    _put(batch, c.models, {"name": line["model"], "time": line.get("time")})
    for role, name, kind in cast("Sequence[Sequence[Json]]", line["columns"]):
        if role not in IN_FILES or kind not in SQL_TYPES:
            message = f"a column cannot be a {role!r:.40} of type {kind!r:.40}"
            raise ValueError(message)
        _put(batch, c.columns, {"model": line["model"], "role": role, "name": name, "type": kind, "declared": 0})


def _deployment(batch: Batch, line: Line) -> None:
    named = {name: line.get(name) for name in ("model", "version", "time", "run")}
    _put(batch, c.deployments, {"environment": line.get("environment") or "live", **named})


def _drops(batch: Batch, line: Line) -> None:
    for reason, rows in cast("Mapping[str, Json]", line["reasons"]).items():
        _put(
            batch,
            c.drops,
            {"writer": line["writer"], "reason": reason, "rows": int(cast("int", rows)), "time": line["time"]},
        )


def _requests(batch: Batch, line: Line) -> None:
    """Take the header of a segment that a server wrote: the keys of the requests that are in it."""
    for key, lines, rejected in cast("Sequence[Sequence[Json]]", line["keys"]):
        values = {"accepted": int(cast("int", lines)), "rejected": int(cast("int", rejected))}
        _put(batch, c.ingested, {"key": key, "taken": time.time(), "segment": "graph", **values})


_TAKE: dict[str, Callable[[Batch, Line], None]] = {
    "component": _component,
    "run": _run,
    "read": _read,
    "write": _write,
    "model": _model,
    "schema": _schema,
    "deployment": _deployment,
    "drops": _drops,
    "batch": _requests,
}


def _store(connection: Connection, batch: Batch, segment: str) -> None:
    with connection.begin_nested():
        number = next_change(connection) if any("changed" in table.c for table in batch) else 0
        for table, rows in batch.items():
            if table is c.columns:
                _register(connection, rows, segment)
                continue
            if "changed" in table.c:
                rows = [{**row, "changed": number} for row in rows]  # noqa: PLW2901 - the same rows, numbered
            connection.execute(_upsert(table), rows)


def _register(connection: Connection, rows: Sequence[dict[str, Json]], segment: str) -> None:
    """Register columns; of what a model has one of (its label), the one that was said last stays."""
    found = admitted(connection, sorted(rows, key=lambda row: not row.get("declared")), segment)
    for row in found.taken:
        if row["role"] not in IN_FILES:
            same = (c.columns.c.model == row["model"]) & (c.columns.c.role == row["role"])
            connection.execute(c.columns.delete().where(same))
            connection.execute(_upsert(c.columns), [row])
    in_files = [row for row in found.taken if row["role"] in IN_FILES]
    if in_files:
        connection.execute(_upsert(c.columns), in_files)
    tell(connection, found, int(time.time() * 1e6))


def _apply(connection: Connection, name: str, lines: Sequence[bytes]) -> None:
    """Take lines in together; where that fails, one by one, so that a bad line costs only itself."""
    batch: Batch = {}
    bad: list[tuple[bytes, Exception]] = []
    for raw in lines:
        one: Batch = {}
        try:
            line = json.loads(raw.decode())
            _TAKE[line["kind"]](one, line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            bad.append((raw, error))
            continue
        for table, rows in one.items():
            batch.setdefault(table, []).extend(rows)
    try:
        _store(connection, batch, name)
    except (sa.exc.SQLAlchemyError, OverflowError, UnicodeEncodeError) as error:
        if len(lines) > 1:
            for raw in lines:
                _apply(connection, name, [raw])
            return
        bad.append((lines[0], error))
    for raw, fault in bad:
        reason = f"not a graph event: {type(fault).__name__}: {fault}"[:500]
        text = shown(raw)
        keep_aside(connection, [Rejected(name, None, reason, text, model=model_in(text))], int(time.time() * 1e6))


def _take_segment(engine: Engine, segment: Segment) -> int:
    query = sa.select(c.graph_segments.c.offset).where(c.graph_segments.c.name == segment.name)
    with engine.connect() as connection:
        known = connection.execute(query).scalar() or 0
    if segment.size == known or not segment.lines(known):
        return int(known)
    with writing(engine) as connection:
        offset = connection.execute(query).scalar() or 0  # another process may have taken it in meanwhile
        data = segment.lines(offset)
        _apply(connection, segment.name, [raw for raw in data.split(b"\n") if raw.strip()])
        end = int(offset) + len(data)
        statement = insert(c.graph_segments).values(name=segment.name, offset=end)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"offset": end}))
        return end


def take_in(folder: Folder, engine: Engine) -> None:
    """Bring the catalog up to the end of the graph log."""
    with opened(folder.graph_log) as held:
        if len(held) > 1:
            _declare(engine, held)
        for segment in held:
            _take_segment(engine, segment)


def _declare(engine: Engine, held: Sequence[Segment]) -> None:
    """Register what several segments declare before what any of them shows: one may be older than the declaration that came first.

    Their lines are taken in as ever after this; what is wrong with one is told then.
    """
    known: dict[str, int] = {}
    with engine.connect() as connection:
        for first in range(0, len(held), NAMES_AT_ONCE):
            names = [segment.name for segment in held[first : first + NAMES_AT_ONCE]]
            query = sa.select(c.graph_segments.c.name, c.graph_segments.c.offset)
            found = connection.execute(query.where(c.graph_segments.c.name.in_(names)))
            known |= {name: int(offset) for name, offset in found}
    behind = [segment for segment in held if segment.size > known.get(segment.name, 0)]
    batch: Batch = {}
    for segment in behind if len(behind) > 1 else ():
        for raw in segment.lines(known.get(segment.name, 0)).split(b"\n"):
            if b'"schema":' in raw:
                with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
                    _declared(batch, json.loads(raw.decode()))
    rows = [row for row in batch.get(c.columns, ()) if row["role"] in IN_FILES]
    if rows:
        with writing(engine) as connection:
            taken = admitted(connection, rows, "").taken
            if taken:
                connection.execute(_upsert(c.columns), taken)


def sweep(folder: Folder, engine: Engine) -> int:
    """Delete graph segments whose writer is gone and whose every line is in the catalog; gives how many."""
    gone = 0
    with opened(folder.graph_log) as held:
        for segment in held:
            if sealed(segment) and len(segment.lines(_take_segment(engine, segment))) == 0:
                delete(segment)
                gone += 1
    return gone
