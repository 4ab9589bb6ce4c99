"""Lines of the graph log → the rows of the catalog's tables that they stand for, each value of its column's type.

What a line says becomes tuples first; their values are looked at by columns, which costs a tenth of looking at each.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from functools import cache
from types import NoneType
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
Row: TypeAlias = "tuple[Json, ...]"
Batch: TypeAlias = "dict[sa.Table, list[Row]]"
"""Rows of each table, their values in the order of its `names`."""
Refused: TypeAlias = "tuple[bytes, Exception]"
UNFIT = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What a line that is no graph event raises."""
_LARGEST: Final = 2**63
_decode: Final = json.JSONDecoder().raw_decode
_encode: Final = json.JSONEncoder(sort_keys=True).encode


@cache
def names(table: sa.Table) -> tuple[str, ...]:
    """List the columns that lines tell, `changed` left out."""
    return tuple(column.name for column in table.columns if column.name != "changed")


def named(table: sa.Table, rows: Sequence[Row]) -> list[dict[str, Json]]:
    """Give rows their columns' names."""
    return [dict(zip(names(table), row, strict=True)) for row in rows]


def _put(batch: Batch, table: sa.Table, values: Line) -> None:
    batch[table].append(tuple(map(values.get, names(table))))


def _fitted(table: sa.Table, rows: list[Row]) -> list[Row]:
    """Give rows that have their columns' types, those that are there already as they are; raises `ValueError`."""
    columns = [*zip(*rows, strict=True)]
    unlike = [place for place, name in enumerate(names(table)) if not _plain(table.c[name], columns[place])]
    for place in unlike:
        column = table.c[names(table)[place]]
        columns[place] = tuple(None if value is None else _fit(table, column, value) for value in columns[place])
    return [*zip(*columns, strict=True)] if unlike else rows


def _plain(column: sa.Column[object], values: Row) -> bool:
    """Say whether all values surely fit as they are."""
    kinds = {*map(type, values)} - {NoneType}
    if kinds == {str} and isinstance(column.type, sa.String):
        joined = "".join(filter(None, cast("Sequence[str]", values)))
        return joined.isascii() and "\0" not in joined
    if kinds == {int} and isinstance(column.type, sa.Integer):
        numbers = [*filter(None, cast("Sequence[int]", values))]
        return min(numbers, default=0) >= -_LARGEST and max(numbers, default=0) < _LARGEST
    return not kinds


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
    return None if value in (None, {}, []) else _encode(value)


def _component(batch: Batch, line: Line) -> None:
    plain = {name: line.get(name) for name in ("description", "owner", "time")}
    _put(batch, c.components, {"name": line["name"], "tags": _text(line.get("tags")), **plain})


_JSON: Final = ("params", "metrics", "code", "notes", "resources", "left_out", "tests", "links")
_RUN: Final = names(c.runs)
_STATUS: Final = _RUN.index("status")
_JSON_PLACES: Final = tuple(map(_RUN.index, _JSON))


def _run(batch: Batch, line: Line) -> None:
    run, component, started = line["id"], line["component"], line["started"]
    values = [*map(line.get, _RUN)]
    values[_STATUS] = values[_STATUS] or "running"
    for place in _JSON_PLACES:
        if values[place] is not None:
            values[place] = _text(values[place])
    batch[c.runs].append(tuple(values))
    time_of = line.get("ended") or started
    for edge in cast("Sequence[Line]", line.get("reads") or ()):
        _edge(batch, c.reads, run, edge, edge.get("time", time_of))
    for edge in cast("Sequence[Line]", line.get("writes") or ()):
        _edge(batch, c.writes, run, edge, edge.get("time", time_of))
    for upstream in cast("Sequence[Json]", line.get("upstream") or ()):
        batch[c.run_links].append((run, upstream, started))
    batch[c.components].append((component, None, None, None, started))


_ARTIFACT: Final = names(c.artifacts)


def _edge(batch: Batch, table: sa.Table, run: Json, line: Line, moment: Json) -> None:
    name, version = line["name"], line.get("version")
    rule = line.get("rule") or ("content" if version else "declared")
    batch[table].append((run, name, version or "", rule, moment))
    if version:
        about = cast("Line", line.get("artifact") or {})
        values = dict(zip(_ARTIFACT, map(about.get, _ARTIFACT), strict=True))
        more = {key: _text(values[key]) for key in ("columns", "profile")}
        values |= {"name": name, "version": version, "time": moment, **more}
        batch[c.artifacts].append(tuple(values.values()))
        if values["quarantined"] is not None:
            mark = {"name": name, "version": version, "time": values["quarantined"], "run": run}
            _put(batch, c.quarantines, mark)


def _read(batch: Batch, line: Line) -> None:
    _edge(batch, c.reads, line["run"], line, line["time"])


def _write(batch: Batch, line: Line) -> None:
    _edge(batch, c.writes, line["run"], line, line["time"])


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


def _rows(lines: Sequence[bytes]) -> Batch:
    """Read lines; raises one of `UNFIT` where one is no graph event."""
    batch: Batch = defaultdict(list)
    for raw in lines:
        line = _read_json(raw.decode())
        _TAKE[cast("str", line["kind"])](batch, line)
    return {table: _fitted(table, rows) for table, rows in batch.items()}


def _read_json(text: str) -> Line:
    try:
        line, end = _decode(text)  # a third of what `json.loads` costs around it
    except json.JSONDecodeError:
        end = -1
    return cast("Line", line if end == len(text) else json.loads(text))


def rows_of(lines: Sequence[bytes]) -> tuple[Batch, list[Refused]]:
    """Read lines; gives their rows, and each line that is no graph event with why."""
    try:
        return _rows(lines), []
    except UNFIT:
        fine: list[bytes] = []
        refused: list[Refused] = []
    for raw in lines:
        try:
            _rows([raw])
        except UNFIT as error:
            refused.append((raw, error))
        else:
            fine.append(raw)
    return _rows(fine), refused
