"""A frame of predictions or of labels → a segment of its own in the row log, columnar where the frame's engine writes Parquet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Literal

from watchglass.capture import batches, drops, recorder
from watchglass.capture.datasets import tables
from watchglass.capture.events import name as checked
from watchglass.capture.events import optional_name, present, text_of
from watchglass.capture.ids import new_hex
from watchglass.capture.models import run_id
from watchglass.capture.redaction_frames import redacted, sifted
from watchglass.capture.schema import announce_columns, announced
from watchglass.capture.sheet import TYPES, Sheet
from watchglass.capture.sheets import sheet as taken
from watchglass.capture.times import micros, now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from watchglass.capture.recorder import Recorder
    from watchglass.capture.runs import Run

TimeType = Literal["datetime", "date", "text", "epoch_s"]
_PLAIN_SORTS: Final = ("number", "boolean", "text", "empty")
_TIME_TYPES: Final[dict[str, TimeType]] = {"datetime": "datetime", "date": "date", "text": "text", "number": "epoch_s"}
# What every reader of times understands; Python's own reads more, which then goes line by line.
_PLAIN_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")


@dataclass(frozen=True, slots=True)
class Batch:
    """What is logged at once: the sheet, what its columns are, and what all rows share."""

    kind: Literal["predictions", "labels"]
    sheet: Sheet
    columns: dict[str, str | None]
    features: tuple[str, ...]
    tags: tuple[str, ...]
    shared: dict[str, object]
    retract: bool = False
    """Whether a row of labels that has none takes back what was said of its id."""

    @property
    def chosen(self) -> list[str]:
        """The columns that are written, each once."""
        return list(
            dict.fromkeys([*(name for name in self.columns.values() if name is not None), *self.features, *self.tags])
        )


def log_predictions(  # noqa: PLR0913 - the settled public face
    model: str,
    frame: object,
    *,
    version: str | None = None,
    prediction: str,
    score: str | None = None,
    id: str | None = None,  # noqa: A002 - the settled public face
    time: str,
    features: Iterable[str] | None = None,
    tags: Iterable[str] = (),
    environment: str = "live",
    run: Run | str | None = None,
) -> int:
    """Record a frame of predictions at once; gives how many rows are in the log.

    `prediction`, `score`, `id`, `time`, `features` and `tags` name columns; features are all the others unless named.
    Rows without an id get one each. The time column holds datetimes, dates, ISO 8601 texts or epoch seconds.
    Raises `BadInput` for a column that is not there, and for rows without time or id.
    """
    sheet = taken(frame)
    columns = {"prediction": prediction, "score": score, "id": id, "time": time}
    labels = _names(tags, "tags")
    named = {*columns.values(), *labels}
    chosen = (
        tuple(name for name in sheet.names if name not in named) if features is None else _names(features, "features")
    )
    shared = {
        "model": checked(model, "model"),
        "version": optional_name(version, "version"),
        "environment": checked(environment, "environment"),
        "run": run_id(run),
    }
    return _log(Batch("predictions", sheet, columns, chosen, labels, present(shared)))


def log_labels(  # noqa: PLR0913 - the settled public face
    model: str,
    frame: object,
    *,
    id: str = "id",  # noqa: A002 - the settled public face
    label: str = "label",
    time: str | None = None,
    environment: str = "live",
    retract_missing: bool = False,
) -> Taken:
    """Record a whole data set of labels; gives how many rows are in the log, and as `.missing` how many had no label.

    `frame` is a frame, a path (Parquet, CSV, JSON lines, Arrow; text may be packed with gzip), an iterable of dicts, or
    the answer of `store.sql`. `id`, `label` and `time` name columns; without `time` the labels become known now. A row
    without a label says nothing yet and is left out, unless `retract_missing`: then it takes back what was said of its id.
    The same labels may be logged again: the latest of each id counts. Raises `BadInput` as `log_predictions` does, and
    for a file or row that cannot be read; what was read before it is recorded, as the error says.
    """
    shared: dict[str, object] = {"model": checked(model, "model"), "environment": checked(environment, "environment")}
    columns: dict[str, str | None] = {"id": id, "label": label, "time": time}
    done = missing = 0
    table = None
    try:
        for table in tables(frame, [name for name in columns.values() if name is not None], time):
            batch = Batch("labels", taken(table), columns, (), (), shared, retract_missing)
            done += _log(batch)
            missing += batch.sheet.missing(label)
    except BadInput as error:
        if not done:
            raise
        message = f"{error} The {done} labels before it are recorded."
        raise BadInput(message) from error
    if table is None:
        _warn_of_nothing("labels", model)
    return Taken(done, missing)


def _warn_of_nothing(kind: str, model: object) -> None:
    drops.warn("empty frame", f"a frame of {kind} for model {model!r} has no rows: nothing is recorded")


class Taken(int):
    """How many labels are in the log; `missing` rows had none."""

    missing: int

    def __new__(cls, rows: int, missing: int) -> Self:
        """Keep both numbers."""
        made = super().__new__(cls, rows)
        made.missing = missing
        return made


def _names(names: Iterable[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        message = f"{what} cannot be {names!r} alone: a list of columns would do, [{names!r}]"
        raise BadInput(message)
    return tuple(names)


def _log(batch: Batch) -> int:
    """Check, announce the columns, and write; what the disk refuses is counted row by row."""
    _check_names(batch)
    if batch.sheet.rows == 0:
        _warn_of_nothing(batch.kind, batch.shared["model"])
        return 0
    columnar = _check_cells(batch)
    here = recorder.current()
    if not here.has_room(batch.sheet.rows):
        return 0
    raw = batch
    if here.redactor is not None:
        batch = redacted(batch, here.redactor)
        if not batch.sheet.rows:
            return 0
    told = _announce(here, batch)
    sampler = here.sampler if batch.kind == "predictions" else None
    if sampler is not None and sampler.rule(str(batch.shared["model"])) is not None:
        here.start()
        # Decided once, however often it is tried to write them, and by what was given, as for single predictions.
        kept = sifted(sampler.sift(_events(raw, new_hex())), here.redactor)
        return _counted(here, batch, lambda: batches.write_lines(here.store, lambda _: kept, announced=told), len(kept))
    if columnar and _columnar(batch):
        written = here.persist(
            lambda: batches.write_parquet(
                here.store, lambda path: batch.sheet.write(batch.chosen, path), _sidecar(batch)
            )
        )
        if written is not None:
            return _counted(here, batch, lambda: batch.sheet.rows if written == "written" else written)
    return _counted(
        here, batch, lambda: batches.write_lines(here.store, lambda name: _events(batch, name), announced=told)
    )


def _counted(here: Recorder, batch: Batch, write: Callable[[], OSError | int], rows: int | None = None) -> int:
    outcome = here.persist(write)
    if isinstance(outcome, OSError):
        here.lost(outcome, batch.sheet.rows if rows is None else rows)
        return 0
    return outcome


def _check_names(batch: Batch) -> None:
    known = batch.sheet.names
    wanted = [
        *batch.columns.items(),
        *(("features", name) for name in batch.features),
        *(("tags", name) for name in batch.tags),
    ]
    for role, name in wanted:
        if name is not None and name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"{role} names a column {name!r}, which the table does not have.{hint} It has: {', '.join(known) or 'none'}"
            raise BadInput(message)


def _check_cells(batch: Batch) -> bool:
    """Refuse rows without time or id; says whether any reader understands the times as they stand."""
    for role in ("time", "id"):
        name = batch.columns[role]
        empty = 0 if name is None else batch.sheet.missing(name)
        if empty:
            message = f"{role} column {name!r} holds nothing in {empty} of {batch.sheet.rows} rows: drop or fill them, each row needs its {role}"
            raise BadInput(message)
    name = batch.columns["time"]
    return name is None or _check_times(batch.sheet, name)


def _check_times(sheet: Sheet, name: str) -> bool:
    sort = sheet.sort(name)
    if sheet.columnar and sort in ("datetime", "date"):
        return True
    values: Iterable[object] = sheet.values(name)
    if sheet.columnar and sort == "number":
        values = (min(values), max(values))  # type: ignore[type-var]  # numbers
    elif sort == "text":
        values = set(values)
    for value in values:
        micros(value, f"a time in column {name!r}")  # type: ignore[arg-type]  # refused there with a clear error
    return sort != "text" or all(_PLAIN_TIME.fullmatch(str(value)) for value in values)


def _columnar(batch: Batch) -> bool:
    """Say whether the engine's own file says the same as lines would: plain columns, a time, no row to leave out."""
    time, sheet = batch.columns["time"], batch.sheet
    if not sheet.columnar or time is None or sheet.sort(time) not in _TIME_TYPES:
        return False
    label = batch.columns.get("label")
    if label is not None and sheet.missing(label):
        return False
    return all(sheet.sort(name) in _PLAIN_SORTS for name in batch.chosen if name != time)


def _announce(here: Recorder, batch: Batch) -> bool:
    if batch.kind == "labels":
        return True
    model = str(batch.shared["model"])
    known = announced(here, model)
    told = [
        ("feature", name, TYPES[batch.sheet.sort(name)])
        for name in batch.features
        if ("feature", name) not in known.columns
    ]
    tags = [("tag", name, TYPES["text"]) for name in batch.tags if ("tag", name) not in known.columns]
    return announce_columns(here, model, known, [*told, *tags])


def _sidecar(batch: Batch) -> dict[str, object]:
    """Say what the columns of a Parquet segment are."""
    time = batch.columns["time"]
    about: dict[str, object] = {"kind": batch.kind, **batch.shared, "columns": batch.columns}
    if batch.kind == "predictions":
        types = {name: TYPES[batch.sheet.sort(name)] for name in batch.features}
        about |= {"features": list(batch.features), "tags": list(batch.tags), "types": present(types)}
    return about | {"time_type": _TIME_TYPES[batch.sheet.sort(time)] if time is not None else None, "written": now()}


def _events(batch: Batch, segment: str) -> Iterator[dict[str, object]]:
    """Write a row event for each row; one without an id is known by its segment and its place in it."""
    values = {name: batch.sheet.values(name) for name in batch.chosen}
    times = _micros(batch, values)
    ids = batch.columns["id"]
    for row in range(batch.sheet.rows):
        event: dict[str, object] = {"kind": batch.kind[:-1], **batch.shared}
        event["id"] = f"{segment}:{row}" if ids is None else text_of(values[ids][row])
        event["time"] = times[row]
        for role in ("prediction", "score", "label"):
            column = batch.columns.get(role)
            if column is not None and (values[column][row] is not None or (batch.retract and role == "label")):
                event[role] = values[column][row]
        if batch.kind == "labels":
            if "label" in event:
                yield event
            continue
        event["features"] = {name: values[name][row] for name in batch.features}
        event["tags"] = {name: text_of(values[name][row]) for name in batch.tags if values[name][row] is not None}
        yield event


def _micros(batch: Batch, values: dict[str, Sequence[object]]) -> Sequence[int]:
    name = batch.columns["time"]
    if name is None:
        return [now()] * batch.sheet.rows
    return [micros(value, f"a time in column {name!r}") for value in values[name]]  # type: ignore[arg-type]  # refused there
