"""The id of a prediction, ours or another's → the prediction with everything that is known of it: features, tags, labels, run, trace."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import duckdb

from watchglass.errors import QueryRefused, StoreError, UnknownName
from watchglass.store.anew import planned_anew
from watchglass.store.asking.indexes import indexes_of
from watchglass.store.parquet import hashed
from watchglass.store.quoting import literal
from watchglass.store.reader import reader_of
from watchglass.store.snapshot import label_parts, prediction_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.reader import Moment
    from watchglass.store.snapshot import File

T = TypeVar("T")
_SERVED: Final = ("id", "environment", "model", "time", "version", "run")


@dataclass(frozen=True, slots=True)
class GivenLabel:
    """A truth that was given for a prediction, and when; None takes what was said before back."""

    time: datetime
    label: str | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction. `label` is the truth as known now, `labels` all that came, the latest first; `latency` is in seconds."""

    id: str
    time: datetime
    model: str
    version: str | None
    environment: str
    prediction: str | None
    score: float | None
    scores: dict[str, float] | None
    latency: float | None
    weight: int
    error: str | None
    run: str | None
    trace: str | None
    features: dict[str, object]
    tags: dict[str, str]
    label: str | None
    labels: tuple[GivenLabel, ...]


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: an id, of one model and environment or of any."""

    id: str
    model: str | None = None
    environment: str | None = None

    @property
    def condition(self) -> str:
        """Write what holds of its rows; its values go with it."""
        more = "" if self.environment is None else " AND environment = $environment"
        return f"id = $id{more}"

    @property
    def values(self) -> dict[str, object]:
        """The values of the condition."""
        return {"id": self.id, **({} if self.environment is None else {"environment": self.environment})}


def look_up(
    folder: Folder, engine: Engine, prediction: str, model: str | None = None, environment: str | None = None
) -> tuple[Prediction, ...]:
    """Give the predictions that have an id, the earliest first; more than one where it was repeated, or of several models.

    Reads of each file that has the id one row group. Raises `UnknownName` for a model that is not recorded; an id that
    nobody has gives none.
    """
    return _told(folder, engine, Sought(prediction, model, environment), None, _found)


def served_by(folder: Folder, engine: Engine, sought: Sought) -> tuple[str | None, str | None] | None:
    """Give the version and the run of the earliest prediction that is sought, None when there is none; raises as `look_up` does."""
    return _told(folder, engine, sought, frozenset(_SERVED), _served)


def _told(
    folder: Folder,
    engine: Engine,
    sought: Sought,
    needed: frozenset[str] | None,
    read: Callable[[Moment, Engine, Sought], T],
) -> T:
    @planned_anew
    def told() -> T:
        with reader_of(folder, engine).moment(engine, rows=True, needed=needed) as moment:
            known = moment.snapshot.columns
            if sought.model is not None and sought.model not in known:
                raise UnknownName.named("model", sought.model, known, step="watchglass models")
            indexes_of(engine).forget(moment.snapshot.files)
            return read(moment, engine, sought)

    try:
        return told()
    except duckdb.IOException as error:
        message = f"the prediction {sought.id!r:.200} cannot be read: {error}. Next: watchglass doctor"
        raise StoreError(message) from error
    except duckdb.Error as error:
        message = f"the prediction {sought.id!r:.200} cannot be read: {error}"
        raise QueryRefused(message) from error


def _found(moment: Moment, engine: Engine, sought: Sought) -> tuple[Prediction, ...]:
    rows = list(_rows(moment, engine, sought, "predictions"))
    labels = [
        label
        for name in sorted({str(row["model"]) for row in rows})
        for label in _rows(moment, engine, replace(sought, model=name), "labels")
    ]
    return tuple(_record(row, labels) for row in sorted(rows, key=lambda row: (str(row["time"]), str(row["model"]))))


def _served(moment: Moment, engine: Engine, sought: Sought) -> tuple[str | None, str | None] | None:
    rows = sorted(_rows(moment, engine, sought, "predictions", _SERVED), key=lambda row: str(row["time"]))
    if not rows:
        return None
    version, run = (None if rows[0][name] is None else str(rows[0][name]) for name in ("version", "run"))
    return version, run


def _hash(moment: Moment, text: str) -> int:
    row = moment.connection.execute(f"SELECT {hashed('v')} FROM (SELECT $id::VARCHAR AS v)", {"id": text}).fetchone()
    return int(row[0]) if row else 0


def _rows(
    moment: Moment, engine: Engine, sought: Sought, kind: str, names: Sequence[str] = ("*",)
) -> Iterator[dict[str, object]]:
    """Give the rows of a kind that are sought, as dicts: of files by their indexes, of the log's tail by looking through it."""
    snapshot, place = moment.snapshot, _hash(moment, sought.id)
    files = [file for file in snapshot.files if file.kind == kind and sought.model in (None, file.model)]
    found, untold = indexes_of(engine).places(files, snapshot.folder.tables, place)
    selects = [_of_files(moment, [file], rows) for file, rows in found]
    models = sorted({file.model for file in untold})
    selects += [_of_files(moment, [file for file in untold if file.model == name], []) for name in models]
    for select in (*selects, *_of_tail(moment, sought, kind)):
        yield from _dicts(
            moment.connection, f"SELECT {', '.join(names)} FROM ({select}) WHERE {sought.condition}", sought.values
        )


def _of_files(moment: Moment, files: Sequence[File], rows: Sequence[int]) -> str:
    """Write the SELECT of some rows of a file, or of all rows of several of one model that no index tells of."""
    paths = ", ".join(literal(str(moment.snapshot.folder.tables / file.path)) for file in files)
    if not rows:
        return f"SELECT * FROM read_parquet([{paths}], union_by_name = true)"
    where = f"file_row_number IN ({', '.join(map(str, rows))})"
    return f"SELECT * EXCLUDE file_row_number FROM read_parquet({paths}, file_row_number = true) WHERE {where}"


def _of_tail(moment: Moment, sought: Sought, kind: str) -> Sequence[str]:
    log = replace(moment.snapshot, files=())
    if kind == "labels":
        return label_parts(log, moment.tail, sought.model)
    names = {sought.model} if sought.model is not None else _models_in_tail(moment, sought)
    return [part for name in sorted(names) for part in prediction_parts(log, moment.tail, name)]


def _models_in_tail(moment: Moment, sought: Sought) -> set[str]:
    found = {str(segment.sidecar["model"]) for segment in moment.snapshot.live if segment.sidecar is not None}
    for table in moment.tail.lines:
        query = f"SELECT DISTINCT model FROM {table} WHERE kind = 'prediction' AND id = $id"
        found |= {str(name) for (name,) in moment.connection.execute(query, {"id": sought.id}).fetchall()}
    return found


def _dicts(connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, object]) -> list[dict[str, object]]:
    result = connection.execute(query, values)
    names = [str(column[0]) for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _record(row: dict[str, object], labels: Sequence[dict[str, object]]) -> Prediction:
    mine = [one for one in labels if (one["model"], one["environment"]) == (row["model"], row["environment"])]
    told = sorted((_label(one) for one in mine), key=lambda one: (one.time, one.label is not None, one.label or ""))
    scores = row.get("scores")
    return Prediction(
        **{name: row.get(name) for name in ("id", "model", "version", "environment", "prediction", "score", "latency")},  # type: ignore[arg-type]
        **{name: row.get(name) for name in ("error", "run", "trace")},  # type: ignore[arg-type]
        time=_aware(row["time"]),
        scores=json.loads(scores) if isinstance(scores, str) else None,
        weight=int(str(row.get("weight") or 1)),
        features=_present(row.get("features")),
        tags={name: str(value) for name, value in _present(row.get("tags")).items()},
        label=told[-1].label if told else None,
        labels=tuple(reversed(told)),
    )


def _label(row: dict[str, object]) -> GivenLabel:
    label = row["label"]
    return GivenLabel(_aware(row["time"]), None if label is None else str(label))


def _aware(value: object) -> datetime:
    if not isinstance(value, datetime):
        message = f"a time cannot be {value!r:.80}"
        raise StoreError(message)
    return value.replace(tzinfo=UTC)


def _present(values: object) -> dict[str, object]:
    """Leave out what has no value; a struct has every name of its model."""
    return {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else {}
