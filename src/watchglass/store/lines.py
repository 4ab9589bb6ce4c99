"""A row segment's lines → tables of predictions and labels in DuckDB: strict first, line by line only where that fails.

What does not fit a column becomes NULL and is counted with the raw line kept; nothing is dropped in silence.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from watchglass.store.quoting import identifier, literal, struct_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from watchglass.store.models import Columns

_OUTER = {
    "kind": "VARCHAR",
    "model": "VARCHAR",
    "id": "VARCHAR",
    "time": "DOUBLE",  # a BIGINT would round 1.5 in silence; whole microseconds are exact in a double until 2255
    "version": "VARCHAR",
    "environment": "VARCHAR",
    "prediction": "JSON",
    "score": "JSON",
    "label": "JSON",
    "features": "JSON",
    "tags": "JSON",
    "latency": "DOUBLE",
    "run": "VARCHAR",
    "trace": "VARCHAR",
}
KINDS = ("prediction", "label")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line, or values of a column, that could not be taken."""

    segment: str
    line: int | None
    reason: str
    raw: str | None
    rows: int = 1


def _reader(paths: Sequence[str], columns: Mapping[str, str]) -> str:
    listed = ", ".join(literal(path) for path in paths)
    typed = ", ".join(f"{name}: {literal(kind)}" for name, kind in columns.items())
    return f"read_json([{listed}], columns = {{{typed}}}, format = 'newline_delimited', maximum_object_size = 67108864)"


@contextmanager
def in_memory(data: bytes) -> Iterator[str]:
    """Give lines a path that DuckDB can read, without a file."""
    handle = os.memfd_create("watchglass-lines")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _fault(raw: bytes) -> str | None:  # noqa: PLR0911 - one return a fault
    """Say what is wrong with a line, or None."""
    try:
        event = json.loads(raw)
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(event, dict):
        return f"not an object but {type(event).__name__}"
    if event.get("kind") not in KINDS:
        return f"unknown kind {event.get('kind')!r}; known: {', '.join(KINDS)}"
    if not isinstance(event.get("model"), str) or not isinstance(event.get("id"), str):
        return "model and id must be text"
    if type(event.get("time")) is not int:
        return f"time must be whole microseconds since the epoch, not {event.get('time')!r}"
    for name in ("features", "tags"):
        if not isinstance(event.get(name, {}), dict):
            return f"{name} must be an object"
    return None


def sift(segment: str, data: bytes) -> tuple[bytes, list[Rejected]]:
    """Part the lines that can be read from those that cannot, with the reason of each."""
    good, bad = [], []
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        reason = _fault(raw)
        if reason is None:
            good.append(raw)
        else:
            bad.append(Rejected(segment, number, reason, raw.decode("utf-8", "replace")[:100_000]))
    return b"\n".join([*good, b""]), bad


def load(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Parse whole-line segments into the temporary table `raw_lines`; raises on the first bad line."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE raw_lines AS SELECT * FROM {_reader(paths, _OUTER)}")
    odd = connection.execute(
        "SELECT count(*) FROM raw_lines WHERE kind IS NULL OR kind NOT IN ('prediction', 'label') OR model IS NULL OR id IS NULL OR time IS NULL OR time != floor(time)"
        " OR (features IS NOT NULL AND json_type(features) NOT IN ('OBJECT', 'NULL'))"
        " OR (tags IS NOT NULL AND json_type(tags) NOT IN ('OBJECT', 'NULL'))"
    ).fetchone()
    if odd and odd[0]:
        message = f"{odd[0]} lines lack kind, model, id or time"
        raise duckdb.InvalidInputException(message)


def predictions(columns: Columns, *, strict: bool = False) -> str:
    """Write the SELECT that gives a model's predictions from `raw_lines` in the shape of its files; one parameter: the model.

    Strict raises on a value that does not fit and on a key that is absent; else both become NULL.
    """
    transform = "json_transform_strict" if strict else "json_transform"
    text = "prediction->>'$'"
    structs = "".join(
        f", {transform}({source}, {literal(json.dumps(dict(kinds)))}) AS {source}"
        for source, kinds in (("features", columns.features), ("tags", columns.tags))
        if kinds
    )
    return (
        f"SELECT id, make_timestamp(time::BIGINT) AS time, model, version, coalesce(environment, 'live') AS environment, {text} AS prediction,"
        f" TRY_CAST({text} AS DOUBLE) AS prediction_number,"
        " CASE WHEN json_type(score) = 'OBJECT' THEN TRY_CAST(json_extract_string(score, '$.\"' || (prediction->>'$') || '\"') AS DOUBLE)"
        " ELSE TRY_CAST(score->>'$' AS DOUBLE) END AS score,"
        " CASE WHEN json_type(score) = 'OBJECT' THEN score::VARCHAR END AS scores,"
        f" latency, run, trace{structs} FROM raw_lines WHERE kind = 'prediction' AND model = ?"
    )


def labels() -> str:
    """Write the SELECT that gives a model's labels from `raw_lines` in the shape of its files; one parameter: the model."""
    return (
        "SELECT id, make_timestamp(time::BIGINT) AS time, model, coalesce(environment, 'live') AS environment, label->>'$' AS label"
        " FROM raw_lines WHERE kind = 'label' AND model = ?"
    )


def misfits(connection: duckdb.DuckDBPyConnection, model: str, columns: Columns, segment: str) -> list[Rejected]:
    """Count the values of a model that became NULL because they do not fit their column's type."""
    found = []
    for source, kinds in (("features", columns.features), ("tags", columns.tags)):
        numbers = [name for name, kind in kinds if kind != "VARCHAR"]
        if not numbers:
            continue
        typed = struct_type([(name, kind) for name, kind in kinds if kind != "VARCHAR"])
        lost = ", ".join(
            f"count(*) FILTER (json_extract_string({source}, {literal(json_path(name))}) IS NOT NULL AND typed.{identifier(name)} IS NULL)"
            for name in numbers
        )
        shape = literal(json.dumps({name: kind for name, kind in kinds if kind != "VARCHAR"}))
        row = connection.execute(
            f"SELECT {lost} FROM (SELECT {source}, json_transform({source}, {shape})::{typed} AS typed FROM raw_lines"
            " WHERE kind = 'prediction' AND model = ?)",
            [model],
        ).fetchone()
        for name, count in zip(numbers, row or (), strict=False):
            if count:
                found.append(
                    Rejected(
                        segment,
                        None,
                        f"{source[:-1]} {name!r} of model {model!r}: value is not a {dict(kinds)[name]}, kept as NULL",
                        None,
                        count,
                    )
                )
    return found


def json_path(name: str) -> str:
    """Give the JSON path of a key, whatever characters it holds."""
    return '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
