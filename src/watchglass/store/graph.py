"""The graph log → the catalog: runs, artifacts, reads, writes, models, schemas and deployments, by byte offset.

Any query that needs the graph calls `take_in` first. Lines may come again or in any order: every line is an
upsert, so what is taken in twice is the same as once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.catalog import writing
from watchglass.store.segments import delete, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Json
    from watchglass.store.folder import Folder
    from watchglass.store.segments import Segment

Line: TypeAlias = "Mapping[str, Json]"


def _put(connection: Connection, table: sa.Table, values: dict[str, Json], *, keep: Sequence[str] = ()) -> None:
    """Insert or update by primary key; a None leaves what is there, `keep` columns stay as first written."""
    values = {name: value for name, value in values.items() if value is not None}
    statement = insert(table).values(**values)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in values if name not in keys and name not in keep}
    if changed:
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))
    else:
        connection.execute(statement.on_conflict_do_nothing())


def _text(value: Json) -> str | None:
    return None if value in (None, {}, []) else json.dumps(value, sort_keys=True)


def _component(connection: Connection, line: Line) -> None:
    _put(
        connection,
        c.components,
        {
            "name": line["name"],
            "description": line.get("description"),
            "owner": line.get("owner"),
            "tags": _text(line.get("tags")),
            "time": line.get("time"),
        },
        keep=("time",),
    )


def _run(connection: Connection, line: Line) -> None:
    known = connection.execute(sa.select(c.runs.c.ended).where(c.runs.c.id == line["id"])).first()
    plain = ("id", "component", "version", "parent", "trace", "started", "ended", "status", "error", "host", "pid")
    values = {name: line.get(name) for name in plain}
    values.update({name: _text(line.get(name)) for name in ("params", "metrics", "code", "notes")})
    values["status"] = values["status"] or "running"
    if (
        known is None or known.ended is None or values["ended"] is not None
    ):  # a start that comes late does not undo the end
        _put(connection, c.runs, values)
    for table, name in ((c.reads, "reads"), (c.writes, "writes")):
        for edge in cast("Sequence[Line]", line.get(name) or ()):
            _edge(connection, table, line["id"], {"time": line.get("ended") or line["started"], **edge})
    _put(connection, c.components, {"name": line["component"], "time": line["started"]}, keep=("time",))


def _edge(connection: Connection, table: sa.Table, run: Json, line: Line) -> None:
    version = line.get("version")
    rule = line.get("rule") or ("content" if version else "declared")
    _put(
        connection,
        table,
        {"run": run, "name": line["name"], "version": version or "", "rule": rule, "time": line["time"]},
        keep=("time",),
    )
    about = cast("Line", line.get("artifact") or {})
    if version:
        values = {name: about.get(name) for name in ("kind", "rows", "bytes", "path", "preview")}
        values["columns"] = _text(about.get("columns"))
        _put(
            connection,
            c.artifacts,
            {"name": line["name"], "version": version, "time": line["time"], **values},
            keep=("time",),
        )
        earlier = c.artifacts.update().where(
            c.artifacts.c.name == line["name"], c.artifacts.c.version == version, c.artifacts.c.time > line["time"]
        )
        connection.execute(earlier.values(time=line["time"]))


def _read(connection: Connection, line: Line) -> None:
    _edge(connection, c.reads, line["run"], line)


def _write(connection: Connection, line: Line) -> None:
    _edge(connection, c.writes, line["run"], line)


def _model(connection: Connection, line: Line) -> None:
    name, artifact = line["name"], cast("Line", line.get("artifact") or {})
    values = {
        key: line.get(key) for key in ("task", "window", "label_delay", "false_alerts_per_year", "reference", "time")
    }
    _put(connection, c.models, {"name": name, "slices": json.dumps(line.get("slices") or []), **values}, keep=("time",))
    if line.get("version") is not None:
        version = {
            "model": name,
            "version": line["version"],
            "artifact": artifact.get("name"),
            "artifact_version": artifact.get("version"),
        }
        _put(
            connection, c.model_versions, {**version, "run": line.get("run"), "time": line.get("time")}, keep=("time",)
        )


def _schema(connection: Connection, line: Line) -> None:
    _put(
        connection, c.models, {"name": line["model"], "slices": "[]", "time": line.get("time")}, keep=("slices", "time")
    )
    for role, name, kind in cast("Sequence[Sequence[Json]]", line["columns"]):
        # the first type stays; values of another become NULL and are counted, never a changed column
        _put(connection, c.columns, {"model": line["model"], "role": role, "name": name, "type": kind}, keep=("type",))


def _deployment(connection: Connection, line: Line) -> None:
    names = ("model", "version", "environment", "time", "run")
    _put(
        connection,
        c.deployments,
        {"environment": "live", **{name: line.get(name) for name in names if line.get(name) is not None}},
    )


_TAKE: dict[str, Callable[[Connection, Line], None]] = {
    "component": _component,
    "run": _run,
    "read": _read,
    "write": _write,
    "model": _model,
    "schema": _schema,
    "deployment": _deployment,
}


def _apply(connection: Connection, name: str, raw: bytes) -> None:
    try:
        line = json.loads(raw)
        with connection.begin_nested():
            _TAKE[line["kind"]](connection, line)
    except (ValueError, KeyError, TypeError, sa.exc.StatementError) as error:
        reason = f"not a graph event: {type(error).__name__}: {error}"[:500]
        connection.execute(
            c.rejected.insert().values(segment=name, reason=reason, raw=raw.decode("utf-8", "replace"), rows=1)
        )


def _take_segment(engine: Engine, segment: Segment) -> int:
    query = sa.select(c.graph_segments.c.offset).where(c.graph_segments.c.name == segment.name)
    with engine.connect() as connection:
        known = connection.execute(query).scalar() or 0
    if not segment.lines(known):
        return int(known)
    with writing(engine) as connection:
        offset = connection.execute(query).scalar() or 0  # another process may have taken it in meanwhile
        data = segment.lines(offset)
        for raw in data.splitlines():
            if raw:
                _apply(connection, segment.name, raw)
        end = int(offset) + len(data)
        statement = insert(c.graph_segments).values(name=segment.name, offset=end)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"offset": end}))
        return end


def take_in(folder: Folder, engine: Engine) -> None:
    """Bring the catalog up to the end of the graph log."""
    with opened(folder.graph_log) as held:
        for segment in held:
            _take_segment(engine, segment)


def sweep(folder: Folder, engine: Engine) -> int:
    """Delete graph segments whose writer is gone and whose every line is in the catalog; gives how many."""
    gone = 0
    with opened(folder.graph_log) as held:
        for segment in held:
            if sealed(segment) and len(segment.lines(_take_segment(engine, segment))) == 0:
                delete(segment)
                gone += 1
    return gone
