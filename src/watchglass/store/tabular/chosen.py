"""Which predictions of a store are meant → a Parquet file of them: features, tags, prediction, score and latency as columns."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.times import micros
from watchglass.errors import BadInput, UnknownName
from watchglass.store.anew import planned_anew
from watchglass.store.models import Columns, moment, require_model
from watchglass.store.quoting import identifier, literal
from watchglass.store.reader import reader_of
from watchglass.store.snapshot import prediction_parts
from watchglass.store.tabular.counted import count, workshop
from watchglass.store.tabular.opened import Opened, described, opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder
    from watchglass.store.reader import Moment
    from watchglass.store.tabular.counted import Counted, Progress

NAMES: Final = ("model", "version", "environment", "start", "end")
TAG: Final = "tag."
_FORM: Final = "'model=fraud,version=3,start=2026-06-01,end=2026-07-01,environment=live,tag.site=harbour' would do"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Predictions of a model: of a version, an environment, with times in [start, end) in µs, with tags; None is any."""

    model: str
    version: str | None = None
    environment: str = "live"
    start: int | None = None
    end: int | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        text = f"predictions of model {self.model!r}"
        text += f", version {self.version!r}" if self.version is not None else ""
        text += f", {self.environment}" if self.environment != "live" else ""
        text += "".join(f", {name} = {value}" for name, value in self.tags)
        for word, edge in (("from", self.start), ("to", self.end)):
            text += f", {word} {moment(edge).isoformat(timespec='minutes')}" if edge is not None else ""
        return text


def chosen(given: object) -> Chosen | None:
    """Read which predictions are meant off a mapping or a text; None for what is a table of its own.

    Raises `BadInput` for a key that is not known.

    >>> str(chosen("model=fraud,version=3,tag.site=harbour"))
    "predictions of model 'fraud', version '3', site = harbour"
    """
    if isinstance(given, str) and given.startswith("model="):
        pairs = [part.partition("=") for part in given.split(",")]
        given = {name.strip(): value.strip() for name, _, value in pairs}
    if not isinstance(given, Mapping) or not isinstance(given.get("model"), str):
        return None
    told = {str(name): value for name, value in given.items() if value is not None}
    tags = {name.removeprefix(TAG): str(told.pop(name)) for name in list(told) if name.startswith(TAG)}
    for name in told:
        if name not in NAMES:
            message = f"predictions cannot be chosen by {name!r}: {', '.join(NAMES)} and {TAG}NAME are known. {_FORM}"
            raise BadInput(message)
    edges = [None if told.get(name) is None else micros(cast("Time", told[name]), name) for name in ("start", "end")]
    version = None if told.get("version") is None else str(told["version"])
    environment = str(told.get("environment", "live"))
    return Chosen(str(told["model"]), version, environment, edges[0], edges[1], tuple(tags.items()))


def required(text: str) -> Chosen:
    """Read which predictions are meant off a text that can mean nothing else; raises `BadInput`."""
    found = chosen(text)
    if found is None:
        message = f"{text!r} does not say which predictions are meant: {_FORM}"
        raise BadInput(message)
    return found


def count_chosen(
    folder: Folder,
    engine: Engine,
    tables: tuple[object, object],
    *,
    time: str | None = None,
    columns: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Counted:
    """Count two tables side by side, each chosen predictions of a store, a path or a frame.

    Raises `UnknownName` for a model, a tag or a version that is not recorded, `BadInput` as for any two tables.
    """
    meant = [chosen(table) for table in tables]
    with workshop() as (connection, folders):
        sides = tuple(
            opened(connection, table, name, room)
            if which is None
            else _of_store((folder, engine), connection, which, name, room)
            for table, which, name, room in zip(tables, meant, ("reference", "current"), folders, strict=True)
        )
        if time is None and all(which is not None for which in meant):
            time = "time"
        return count(connection, (sides[0], sides[1]), time=time, columns=columns, progress=progress)


def _of_store(
    store: tuple[Folder, Engine], connection: duckdb.DuckDBPyConnection, which: Chosen, name: str, room: Path
) -> Opened:
    require_model(*store, which.model)
    path = room / "predictions.parquet"
    weighted = written(*store, which, path)
    what = f"{name} table ({which})"
    if weighted:
        what = f"{what[:-1]}; {weighted} rows stand for more than themselves and count once)"
    return described(connection, [str(path)], what)


@planned_anew
def written(folder: Folder, engine: Engine, which: Chosen, path: Path) -> int:
    """Write chosen predictions, files and log tail together, as Parquet; gives how many rows of them stand for others too."""
    with reader_of(folder, engine).moment(engine, rows=True, needed=None) as found:
        columns = found.snapshot.columns.get(which.model, Columns((), ()))
        parts = prediction_parts(found.snapshot, found.tail, which.model)
        _require(which, columns, parts)
        listed = _listed(found, which, columns, parts)
        made = found.room / f"{uuid.uuid4().hex}.parquet"
        source = _source(parts, _where(which))
        found.connection.execute(f"COPY (SELECT {listed} FROM {source}) TO {literal(str(made))} (FORMAT parquet, COMPRESSION lz4_raw)")  # fmt: skip
        row = found.connection.execute(f"SELECT count(*) FROM {source} WHERE coalesce(weight, 1) != 1").fetchone()
        shutil.move(made, path)
    return int(row[0]) if row else 0


def _source(parts: Sequence[str], where: str) -> str:
    return "(" + " UNION ALL BY NAME ".join(f"(SELECT * FROM ({part}) WHERE {where})" for part in parts) + ")"


def _where(which: Chosen) -> str:
    found = [f"environment = {literal(which.environment)}"]
    found += [f"version = {literal(which.version)}"] if which.version is not None else []
    found += [f"time >= make_timestamp({which.start})"] if which.start is not None else []
    found += [f"time < make_timestamp({which.end})"] if which.end is not None else []
    found += [f"tags.{identifier(name)} = {literal(value)}" for name, value in which.tags]
    return " AND ".join(found)


def _require(which: Chosen, columns: Columns, parts: Sequence[str]) -> None:
    for name, _ in which.tags:
        if not columns.has("tag", name):
            noun = f"tag of model {which.model!r}"
            raise UnknownName.named(noun, name, [tag for tag, _ in columns.tags], step=f"watchglass quality {which.model}")  # fmt: skip
    if not parts:
        message = f"there are no {which}: nothing was recorded yet"
        raise BadInput(message)


def _listed(found: Moment, which: Chosen, columns: Columns, parts: Sequence[str]) -> str:
    """List the columns: a name that is taken gets its role before it."""
    source = _source(parts, _where(which))
    row = found.connection.execute(
        f"SELECT count(prediction) - count(prediction_number), count(prediction), count(score), count(latency) FROM {source}"
    ).fetchone() or (0, 0, 0, 0)
    listed = {"time": "time"}
    if row[1]:
        listed["prediction"] = "prediction" if row[0] else "prediction_number"
    listed |= {name: name for name, there in (("score", row[2]), ("latency", row[3])) if there}
    for role, fields in (("features", columns.features), ("tags", columns.tags)):
        for name, _ in fields:
            listed[name if name not in listed else f"{role}.{name}"] = f"{role}.{identifier(name)}"
    return ", ".join(f"{sql} AS {identifier(name)}" for name, sql in listed.items())
