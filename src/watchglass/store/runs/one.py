"""A run's id → everything that is known of it: what it read and wrote, code, environment, resources, tests, children, predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.edges import producers
from watchglass.store.lineage.models import made_by
from watchglass.store.models import moment
from watchglass.store.query import Question, ask
from watchglass.store.runs.components import tags_of
from watchglass.store.runs.listing import COLUMNS, RunSummary, required_run, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Engine, Row

    from watchglass.records import Json
    from watchglass.store.folder import Folder

CHILDREN: Final = 200
COUNTED: Final = "SELECT count(*) AS predictions FROM predictions WHERE run = $run"


@dataclass(frozen=True, slots=True)
class Touched:
    """An artifact version that a run read or wrote.

    `version` is None where only the name is known; `rule` says by what the edge is known: content, time or declared.
    Of a read `producer` is the run that wrote it, None when nobody's write is known. `kept` names the kept bytes.
    """

    name: str
    version: str | None
    rule: str
    time: datetime
    producer: str | None
    kind: str | None
    rows: int | None
    columns: object
    bytes: int | None
    path: str | None
    kept: str | None
    profile: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run with all that is known of it.

    `environment` holds Python, packages, machine; `resources` CPU seconds, peak memory, bytes; `source` is the function's
    text as it ran. `upstream` are runs that it names without data. `left_out` says what capture left out and why. `children` are the first 200 runs within it,
    `more_children` whether there are others. `models` are the versions it made. `predictions` counts those recorded in
    it, None where it was not asked for.
    """

    id: str
    component: str
    description: str | None
    owner: str | None
    tags: tuple[str, ...]
    version: str | None
    parent: str | None
    trace: str | None
    started: datetime
    ended: datetime | None
    seconds: float | None
    status: str
    error: str | None
    params: dict[str, object]
    metrics: dict[str, object]
    code: dict[str, object]
    source: str | None
    environment: dict[str, object] | None
    resources: dict[str, object]
    tests: tuple[dict[str, object], ...]
    left_out: tuple[str, ...]
    links: dict[str, object]
    host: str | None
    pid: int | None
    notes: tuple[str, ...]
    reads: tuple[Touched, ...]
    writes: tuple[Touched, ...]
    upstream: tuple[str, ...]
    children: tuple[RunSummary, ...]
    more_children: bool
    models: tuple[tuple[str, str], ...]
    predictions: int | None


def run(folder: Folder, engine: Engine, ident: str, *, predictions: bool = True) -> RunRecord:
    """Give one run; raises `UnknownName`. Without `predictions` those recorded in it are not counted."""
    take_in(folder, engine)
    with engine.connect() as connection:
        row = required_run(connection, ident)
        found = record_of(connection, row)
        none = not predictions or _no_predictions(connection, folder)
    if none:
        return replace(found, predictions=0) if predictions else found
    rows = ask(folder, engine, Question(COUNTED, values={"run": found.id})).rows()
    return replace(found, predictions=int(str(rows[0]["predictions"])))


def _no_predictions(connection: Connection, folder: Folder) -> bool:
    """Say whether a store has none at all, neither in files nor in the log."""
    f = c.files.c
    listed = sa.select(f.seq).where(f.kind == "predictions", f.removed.is_(None)).limit(1)
    waiting = folder.row_log.is_dir() and next(folder.row_log.iterdir(), None) is not None
    return not waiting and connection.execute(listed).first() is None


def record_of(connection: Connection, row: Row[*tuple[object, ...]]) -> RunRecord:
    """Make the record of a row of `runs`, its predictions not counted."""
    told = connection.execute(sa.select(c.components).where(c.components.c.name == row.component)).first()
    children, upstream = _children(connection, row.id), producers(connection, [row.id])
    brief = summary(row)
    code = object_of(row.code)
    return RunRecord(
        id=row.id,
        component=row.component,
        description=None if told is None else told.description,
        owner=None if told is None else told.owner,
        tags=() if told is None else tags_of(told.tags),
        version=row.version,
        parent=row.parent,
        trace=row.trace,
        started=brief.started,
        ended=brief.ended,
        seconds=brief.seconds,
        status=row.status,
        error=row.error,
        params=object_of(row.params),
        metrics=object_of(row.metrics),
        code=code,
        source=_source(connection, code.get("source_hash")),
        environment=_environment(connection, row.environment),
        resources=object_of(row.resources),
        tests=tuple(one for one in list_of(row.tests) if isinstance(one, dict)),
        left_out=tuple(str(one) for one in list_of(row.left_out)),
        links=object_of(row.links),
        host=row.host,
        pid=row.pid,
        notes=tuple(str(one) for one in list_of(row.notes)),
        reads=_touched(connection, c.reads, row.id, {(one.name, one.version): one.producer for one in upstream}),
        writes=_touched(connection, c.writes, row.id, {}),
        upstream=tuple(one.producer for one in upstream if not one.name and one.producer is not None),
        children=children[:CHILDREN],
        more_children=len(children) > CHILDREN,
        models=_models(connection, row.id),
        predictions=None,
    )


def object_of(text: str | None) -> dict[str, object]:
    """Read a JSON object of the catalog; nothing where there is none.

    >>> object_of('{"lr": 0.1}'), object_of(None)
    ({'lr': 0.1}, {})
    """
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def list_of(text: str | None) -> list[object]:
    """Read a JSON list of the catalog; a value alone is a list of one."""
    found = json.loads(text) if text else []
    return found if isinstance(found, list) else [found]


def _source(connection: Connection, key: object) -> str | None:
    if not isinstance(key, str):
        return None
    return connection.execute(sa.select(c.sources.c.text).where(c.sources.c.id == key)).scalar()


def _environment(connection: Connection, key: str | None) -> dict[str, object] | None:
    if key is None:
        return None
    text = connection.execute(sa.select(c.environments.c.record).where(c.environments.c.id == key)).scalar()
    return None if text is None else object_of(text)


def _touched(
    connection: Connection, edges: sa.Table, run: str, made: Mapping[tuple[str, str | None], str | None]
) -> tuple[Touched, ...]:
    about = c.artifacts.c
    joined = edges.outerjoin(c.artifacts, (about.name == edges.c.name) & (about.version == edges.c.version))
    query = (
        sa.select(
            edges.c.name,
            edges.c.version,
            edges.c.rule,
            edges.c.time,
            *(about[name] for name in ("kind", "rows", "columns", "bytes", "path", "kept", "profile")),
        )
        .select_from(joined)
        .where(edges.c.run == run)
        .order_by(edges.c.time, edges.c.name, edges.c.version)
    )
    return tuple(
        Touched(
            name=row.name,
            version=row.version or None,
            rule=row.rule,
            time=moment(row.time),
            producer=made.get((row.name, row.version or None)),
            kind=row.kind,
            rows=row.rows,
            columns=_columns(row.columns),
            bytes=row.bytes,
            path=row.path,
            kept=row.kept or None,
            profile=object_of(row.profile) or None,
        )
        for row in connection.execute(query)
    )


def _columns(text: str | None) -> Json:
    found: Json = json.loads(text) if text else None
    return found


def _children(connection: Connection, run: str) -> tuple[RunSummary, ...]:
    table = c.runs.c
    query = sa.select(*COLUMNS).where(table.parent == run).order_by(table.started, table.id).limit(CHILDREN + 1)
    return tuple(summary(row) for row in connection.execute(query))


def _models(connection: Connection, run: str) -> tuple[tuple[str, str], ...]:
    """Name the versions of models that a run declared, or whose artifact it wrote."""
    made = made_by(connection, [run])
    table = c.model_versions.c
    found = sa.select(table.model, table.version).where(sa.tuple_(table.model, table.version).in_(made))
    return tuple((row.model, row.version) for row in connection.execute(found.order_by(table.model, table.time)))
