"""A line of the graph log → the rows of the catalog's tables that it stands for, each value of its column's type."""

from __future__ import annotations

import json
import math
import time
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import sqlalchemy as sa

from watchglass.capture.declaring import declared
from watchglass.capture.feedback import rule_of
from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES, SQL_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watchglass.records import Json

Line: TypeAlias = "Mapping[str, Json]"
Batch: TypeAlias = "dict[sa.Table, list[dict[str, Json]]]"
UNFIT = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What a line that is no graph event raises."""
_LARGEST: Final = 2**63


@cache
def _columns(table: sa.Table) -> tuple[tuple[str, type[str | int] | None, bool], ...]:
    """List a table's columns: each with the type that its values mostly are, and whether it may be left out."""
    found = []
    for column in table.columns:
        kind = int if isinstance(column.type, sa.Integer) else str if isinstance(column.type, sa.String) else None
        found.append((column.name, kind, column.server_default is not None))
    return tuple(found)


def _put(batch: Batch, table: sa.Table, values: dict[str, Json]) -> None:
    row: dict[str, Json] = {}
    for name, kind, optional in _columns(table):
        value = values.get(name)
        if value is None:
            if not optional or name in values:
                row[name] = None
        elif (kind is str and type(value) is str and value.isascii() and "\0" not in value) or (
            kind is int and type(value) is int and -_LARGEST <= value < _LARGEST
        ):
            row[name] = value
        else:
            row[name] = _fit(table, table.c[name], value)
    batch.setdefault(table, []).append(row)


def _fit(table: sa.Table, column: sa.Column[object], value: Json) -> Json:
    """Take a value for a column whose type it has; SQLite would take any, and every question about it would fail."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(column.type, sa.Integer):
        fits = isinstance(value, int) and number and -_LARGEST <= value < _LARGEST
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


_JSON: Final = ("params", "metrics", "code", "notes", "resources", "left_out", "tests", "links")


def _run(batch: Batch, line: Line) -> None:
    plain = ("version", "parent", "trace", "ended", "error", "host", "pid", "environment")
    values = {name: line.get(name) for name in plain}
    values.update({name: _text(line.get(name)) for name in _JSON})
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
    for upstream in cast("Sequence[Json]", line.get("upstream") or ()):
        _put(batch, c.run_links, {"run": line["id"], "upstream": upstream, "time": line["started"]})
    _put(batch, c.components, {"name": line["component"], "time": line["started"]})


_OF_ARTIFACT: Final = ("kind", "rows", "bytes", "path", "preview", "kept", "policy", "quarantined")


def _edge(batch: Batch, table: sa.Table, run: Json, line: Line) -> None:
    version = line.get("version")
    rule = line.get("rule") or ("content" if version else "declared")
    _put(batch, table, {"run": run, "name": line["name"], "version": version or "", "rule": rule, "time": line["time"]})
    if version:
        about = cast("Line", line.get("artifact") or {})
        values = {name: about.get(name) for name in _OF_ARTIFACT}
        values.update({name: _text(about.get(name)) for name in ("columns", "profile")})
        _put(batch, c.artifacts, {"name": line["name"], "version": version, "time": line["time"], **values})
        if values["quarantined"] is not None:
            mark = {"name": line["name"], "version": version, "time": values["quarantined"], "run": run}
            _put(batch, c.quarantines, mark)


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
        values["feedback"] = json.dumps(line["feedback"], sort_keys=True)  # {} strikes it
    _put(batch, c.models, {"name": name, "slices": json.dumps(line.get("slices") or []), **values})
    declare(batch, line)
    if line.get("version") is not None:
        version = {
            "model": name,
            "version": line["version"],
            "artifact": artifact.get("name"),
            "artifact_version": artifact.get("version"),
        }
        _put(batch, c.model_versions, {**version, "run": line.get("run"), "time": line.get("time")})


def declare(batch: Batch, line: Line) -> None:
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


def _environment(batch: Batch, line: Line) -> None:
    values = {"id": line["id"], "time": line.get("time")}
    _put(batch, c.environments, {**values, "record": json.dumps(line["record"], sort_keys=True)})


def _source(batch: Batch, line: Line) -> None:
    _put(batch, c.sources, {name: line.get(name) for name in ("id", "text", "name", "time")})


def _flag(batch: Batch, line: Line) -> None:
    values = {name: line.get(name) for name in ("name", "time", "who", "note")}
    _put(batch, c.flags, {"version": line.get("version") or "", **values})


def _unflag(batch: Batch, line: Line) -> None:
    """Take flags back, each by the time it has: the flag itself may come after this."""
    for flagged in cast("Sequence[Json]", line["flagged"]):
        values = {"time": flagged, "removed": line["time"], "removed_by": line.get("who")}
        _put(batch, c.flags, {"name": line["name"], "version": line.get("version") or "", **values})


def _release(batch: Batch, line: Line) -> None:
    """Take marks of quarantine back, each by the time it has: the mark itself may come after this."""
    said = {"released": line["time"], "released_by": line.get("who"), "reason": line.get("reason")}
    for marked in cast("Sequence[Json]", line["marked"]):
        _put(batch, c.quarantines, {"name": line["name"], "version": line["version"], "time": marked, **said})


def _subject_tag(batch: Batch, line: Line) -> None:
    values = {"version": line.get("version") or "", "run": line.get("run") or "", "time": line.get("time") or 0}
    _put(batch, c.subject_tags, {"name": line["name"], "tag": line["tag"], **values})


def _retraction(batch: Batch, line: Line) -> None:
    _put(batch, c.retractions, {name: line.get(name) for name in ("tag", "time", "block_after", "who")})


def _requests(batch: Batch, line: Line) -> None:
    """Take the header of a segment that a server wrote: the keys of the requests that are in it."""
    for key, lines, rejected in cast("Sequence[Sequence[Json]]", line["keys"]):
        values = {"accepted": int(cast("int", lines)), "rejected": int(cast("int", rejected))}
        _put(batch, c.ingested, {"key": key, "taken": time.time(), "segment": "graph", **values})


_TAKE: Final[dict[str, Callable[[Batch, Line], None]]] = {
    "component": _component,
    "run": _run,
    "read": _read,
    "write": _write,
    "model": _model,
    "schema": _schema,
    "deployment": _deployment,
    "environment": _environment,
    "source": _source,
    "flag": _flag,
    "unflag": _unflag,
    "release": _release,
    "subject_tag": _subject_tag,
    "retraction": _retraction,
    "drops": _drops,
    "batch": _requests,
}


def rows_of(raw: bytes) -> Batch:
    """Read a line; raises one of `UNFIT` where it is no graph event."""
    batch: Batch = {}
    line = json.loads(raw.decode())
    _TAKE[line["kind"]](batch, line)
    return batch
