"""The parsed lines of a batch (`raw_lines`) → for each kind of row, the SELECT that gives it in the shape of its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.store.lines import EXACT_UNTIL, FIRST, HEADER, KINDS, LAST, LONGEST
from watchglass.store.quoting import identifier, literal, pointer, struct_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watchglass.store.models import Columns

OUTER: Final[Mapping[str, str]] = {
    "kind": "VARCHAR",
    "model": "VARCHAR",
    "id": "VARCHAR",
    "time": "DOUBLE",  # a BIGINT would round 1.5 in silence; whole microseconds are exact in a double until 2255
    "version": "VARCHAR",
    "environment": "VARCHAR",
    "prediction": "VARCHAR",
    "score": "VARCHAR",
    "label": "VARCHAR",
    "latency": "DOUBLE",
    "run": "VARCHAR",
    "trace": "VARCHAR",
    "weight": "DOUBLE",
    "error": "VARCHAR",
    "name": "VARCHAR",
    "value": "DOUBLE",
    "step": "DOUBLE",
    "labels": "JSON",
    "message": "VARCHAR",
    "level": "VARCHAR",
    "logger": "VARCHAR",
}
_TABLES: Final = {"prediction": "predictions", "label": "labels", "metric": "metrics", "log": "logs"}
MODELLESS: Final = ("metrics", "logs")
_SCORE_OF_CLASS: Final = f"TRY_CAST(json_extract_string(score, {pointer('prediction')}) AS DOUBLE)"
WIDEST: Final = 4000


@dataclass(frozen=True, slots=True)
class Layout:
    """How features are parsed: as a struct that holds every feature of some models, or, without, as JSON."""

    fields: tuple[tuple[str, str], ...] = ()
    models: frozenset[str] = frozenset()

    @classmethod
    def joint(cls, known: Mapping[str, Columns]) -> Layout:
        """Join the features of models; JSON where one name has two types, where there are too many, or none."""
        joined: dict[str, str] = {}
        for columns in known.values():
            for name, kind in columns.features:
                if joined.setdefault(name, kind) != kind:
                    return cls()
        if not joined or len(joined) > WIDEST or _alike(joined):
            return cls()
        return cls(tuple(sorted(joined.items())), frozenset(known))

    @property
    def features(self) -> str:
        """The type of the column features."""
        return struct_type(self.fields) if self.fields else "JSON"


def _alike(names: Iterable[str]) -> bool:
    """Say whether names differ in case alone, which SQL does not tell apart."""
    listed = list(names)
    return len({name.lower() for name in listed}) != len(listed)


def table_of(kind: str) -> str:
    """Name the table that a kind of line belongs to."""
    return _TABLES[kind]


def reader(paths: Sequence[str], layout: Layout, *, rows: bool = True, named: bool = False) -> str:
    """Write the table function that parses whole lines; without `rows` features and tags are left alone.

    With `named` each row says which file it is from.
    """
    columns = {**OUTER, **({"features": layout.features, "tags": "JSON"} if rows else {})}
    listed = ", ".join(literal(path) for path in paths)
    typed = ", ".join(f"{name}: {literal(kind)}" for name, kind in columns.items())
    options = f"format = 'newline_delimited', maximum_object_size = {LONGEST}" + (", filename = true" if named else "")
    return f"read_json([{listed}], columns = {{{typed}}}, {options})"


def odd(table: str, layout: Layout | None, latest: int) -> str:
    """Write the SELECT that counts rows which lack what their kind needs, or whose time cannot be; None: features and tags are not there."""
    shapes = ("labels",) if layout is None else ("labels", "tags") if layout.fields else ("labels", "tags", "features")
    objects = "".join(f" OR ({name} IS NOT NULL AND json_type({name}) NOT IN ('OBJECT', 'NULL'))" for name in shapes)
    named = "({0} IS NULL OR {0} = '' OR {0}[1] IN ('[', '{{'))"
    return (
        f"SELECT count(*) FROM {table} WHERE kind IS NULL OR kind NOT IN ({', '.join(map(literal, (*KINDS, HEADER)))})"
        f" OR (kind != {literal(HEADER)} AND (time IS NULL OR time != floor(time) OR time > {min(latest, LAST, EXACT_UNTIL)} OR time < {max(FIRST, -EXACT_UNTIL)}"
        f" OR CASE kind WHEN 'metric' THEN {named.format('name')} WHEN 'log' THEN message IS NULL"
        f" ELSE {named.format('model')} OR {named.format('id')} END OR weight < 1 OR weight != floor(weight) OR weight > {EXACT_UNTIL}"
        f" OR step != floor(step) OR abs(step) > {EXACT_UNTIL}{objects}))"
    )


def _finite(number: str) -> str:
    """Write a number that is NULL where it is NaN or infinite."""
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def predictions(columns: Columns, layout: Layout, model: str | None = None, *, table: str = "raw_lines") -> str:
    """Write the SELECT of a model's predictions (of any, with None and no features) in the shape of its files."""
    of = "" if model is None else f" AND model = {literal(model)}"
    return (
        "SELECT id, make_timestamp(time::BIGINT) AS time, model, version, coalesce(environment, 'live') AS environment, prediction,"
        f" {_finite('TRY_CAST(prediction AS DOUBLE)')} AS prediction_number,"
        f" CASE WHEN score[1] = '{{' THEN {_finite(_SCORE_OF_CLASS)} ELSE {_finite('TRY_CAST(score AS DOUBLE)')} END AS score,"
        f" CASE WHEN score[1] = '{{' THEN score END AS scores, {_finite('latency')} AS latency, run, trace, weight::BIGINT AS weight, error"
        f"{_structs(columns, layout)} FROM {table} WHERE kind = 'prediction'{of}"
    )


def _structs(columns: Columns, layout: Layout) -> str:
    parts = []
    if columns.features and not layout.fields:
        parts.append(_transformed("features", columns.features))
    elif columns.features == layout.fields and columns.features:
        parts.append("features")
    elif columns.features:
        packed = ", ".join(f"{identifier(name)} := features.{identifier(name)}" for name, _ in columns.features)
        parts.append(f"struct_pack({packed}) AS features")
    if columns.tags:
        parts.append(_transformed("tags", columns.tags))
    return "".join(f", {part}" for part in parts)


def _transformed(source: str, fields: Sequence[tuple[str, str]]) -> str:
    return f"json_transform({source}, {literal(json.dumps(dict(fields)))}) AS {source}"


def labels(model: str | None = None, *, table: str = "raw_lines") -> str:
    """Write the SELECT of a model's labels in the shape of its files."""
    of = "" if model is None else f" AND model = {literal(model)}"
    return (
        "SELECT id, make_timestamp(time::BIGINT) AS time, model, coalesce(environment, 'live') AS environment, label"
        f" FROM {table} WHERE kind = 'label'{of}"
    )


def metrics(*, table: str = "raw_lines") -> str:
    """Write the SELECT of metric points in the shape of their files."""
    return f"SELECT make_timestamp(time::BIGINT) AS time, name, {_finite('value')} AS value, step::BIGINT AS step, labels::VARCHAR AS labels, run, trace FROM {table} WHERE kind = 'metric'"


def logs(*, table: str = "raw_lines") -> str:
    """Write the SELECT of log lines in the shape of their files."""
    return (
        "SELECT make_timestamp(time::BIGINT) AS time, coalesce(level, 'info') AS level, logger, message, tags::VARCHAR AS tags, run, trace"
        f" FROM {table} WHERE kind = 'log'"
    )
