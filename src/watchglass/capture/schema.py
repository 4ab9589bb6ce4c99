"""The features and tags of a model's predictions → a schema event, before the first row in which one is new to this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from watchglass.capture.batches import write_lines
from watchglass.capture.encode import plain
from watchglass.capture.events import text_of
from watchglass.capture.times import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watchglass.capture.recorder import Recorder

ColumnType = Literal["number", "boolean", "text", "json"]
_TYPES: dict[type, ColumnType] = {int: "number", float: "number", bool: "boolean", str: "text"}
_KEYS_KEPT = 10_000


class Announced:
    """What was said of one model: its columns, the keys whose columns were said, as rows hold them, and whole sets of keys."""

    __slots__ = ("columns", "features", "shapes", "tags")

    def __init__(self) -> None:
        self.columns: set[tuple[str, str]] = set()
        self.features: set[str] = set()
        self.tags: set[str] = set()
        self.shapes: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()


def type_of(value: object) -> ColumnType | None:
    """Give the type that a value has as JSON; None when it does not tell.

    >>> type_of(True), type_of(0.5), type_of("a"), type_of([1]), type_of(None)
    ('boolean', 'number', 'text', 'json', None)
    """
    known = _TYPES.get(type(value))
    if known is not None or value is None:
        return known
    seen = plain(value)
    return None if seen is None else _TYPES.get(type(seen), "json")


def announce(recorder: Recorder, model: str, features: Mapping[str, object], tags: Mapping[str, object]) -> bool:
    """Write a schema event if a column of this row was not announced yet; a column without a value waits for one.

    Says whether the graph log tells every column of the row.
    """
    known = recorder.announced.get(model)
    if isinstance(known, Announced):
        if known.features.issuperset(features) and (not tags or known.tags.issuperset(tags)):
            return True
    else:
        known = recorder.announced[model] = Announced()
    types = [
        ("feature", text_of(key), type_of(value))
        for key, value in features.items()
        if ("feature", text_of(key)) not in known.columns
    ]
    types += [("tag", text_of(key), "text") for key in tags if ("tag", text_of(key)) not in known.columns]
    told = announce_columns(recorder, model, known, types)
    if told and len(known.features) + len(known.tags) < _KEYS_KEPT:
        known.features.update(key for key in features if ("feature", text_of(key)) in known.columns)
        known.tags.update(tags)
    return told


def put(recorder: Recorder, event: Mapping[str, object]) -> None:
    """Write a prediction after its columns were announced, as it may be written: one that is hashed is a text."""
    if recorder.redactor is not None and not (event := recorder.redactor.event(event)):
        return
    model, features, tags = event["model"], event["features"], event["tags"]
    if announce(recorder, model, features, tags):  # type: ignore[arg-type]  # a text and two mappings, as they were put there
        recorder.row(event)
    else:
        apart(recorder, event)


def apart(recorder: Recorder, event: Mapping[str, object]) -> None:
    """Write a prediction whose columns could not be announced as a segment of its own, in which they will be looked for."""
    if not recorder.has_room():
        return
    try:
        outcome = recorder.persist(lambda: write_lines(recorder.store, lambda _: [event], announced=False))
    except Exception:  # noqa: BLE001 - an odd value: the ordinary way counts it
        recorder.row(event)
    else:
        if isinstance(outcome, OSError):
            recorder.lost(outcome)


def announce_columns(
    recorder: Recorder, model: str, known: Announced, types: Iterable[tuple[str, str, ColumnType | None]]
) -> bool:
    """Write the columns whose type is known; says whether they are in the log."""
    told = [(role, column, kind) for role, column, kind in types if kind is not None]
    if not told:
        return True
    if not recorder.graph({"kind": "schema", "model": model, "columns": told, "time": now()}):
        return False
    known.columns.update((role, column) for role, column, _ in told)
    return True


def announced(recorder: Recorder, model: str) -> Announced:
    """Give what was said of a model in this process."""
    known = recorder.announced.get(model)
    if not isinstance(known, Announced):
        known = recorder.announced[model] = Announced()
    return known
