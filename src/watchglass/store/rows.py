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

_ALWAYS: Final[Mapping[str, str]] = {
    "kind": "VARCHAR",
    "model": "VARCHAR",
    "id": "VARCHAR",
    "time": "DOUBLE",  # a BIGINT would round 1.5 in silence; whole microseconds are exact in a double until 2255
    "version": "VARCHAR",
    "environment": "VARCHAR",
    "run": "VARCHAR",
    "trace": "VARCHAR",
}
_OF_KIND: Final[Mapping[str, Mapping[str, str]]] = {
    "prediction": {
        "prediction": "VARCHAR",
        "score": "VARCHAR",
        "latency": "DOUBLE",
        "weight": "DOUBLE",
        "error": "VARCHAR",
    },
    "label": {"label": "VARCHAR"},
    "metric": {"name": "VARCHAR", "value": "DOUBLE", "step": "DOUBLE", "labels": "JSON"},
    "log": {"message": "VARCHAR", "level": "VARCHAR", "logger": "VARCHAR"},
}
_TABLES: Final = {"prediction": "predictions", "label": "labels", "metric": "metrics", "log": "logs"}
MODELLESS: Final = ("metrics", "logs")
_SCORE_OF_CLASS: Final = f"TRY_CAST(json_extract_string(score, {pointer('prediction')}) AS DOUBLE)"
_NESTED: Final = "(({0} >= '[' AND {0} < '\\') OR ({0} >= '{{' AND {0} < '|'))"
"""Whether a text begins like a list or an object; comparing texts costs less than taking them apart."""
_UNNAMED: Final = f"({{0}} IS NULL OR {{0}} = '' OR {_NESTED})"
_NAMELESS: Final[Mapping[str, str]] = {
    "prediction": f"{_UNNAMED.format('model')} OR {_UNNAMED.format('id')}",
    "label": f"{_UNNAMED.format('model')} OR {_UNNAMED.format('id')}",
    "metric": _UNNAMED.format("name"),
    "log": "message IS NULL",
}
WIDEST: Final = 4000


@dataclass(frozen=True, slots=True)
class Layout:
    """How lines are parsed: for which kinds there are columns, and features as a struct of all those of some models, or as JSON."""

    fields: tuple[tuple[str, str], ...] = ()
    models: frozenset[str] = frozenset()
    kinds: tuple[str, ...] = KINDS
    plain_scores: bool = False
    """Whether scores are numbers; one that is none makes the parsing fail."""

    @classmethod
    def joint(cls, known: Mapping[str, Columns], kinds: tuple[str, ...] = KINDS) -> Layout:
        """Join the features of models; JSON where one name has two types, where there are too many, or none."""
        joined: dict[str, str] = {}
        for columns in known.values():
            for name, kind in columns.features:
                if joined.setdefault(name, kind) != kind:
                    return cls()
        if not joined or len(joined) > WIDEST or _alike(joined):
            return cls()
        return cls(tuple(sorted(joined.items())), frozenset(known), kinds)

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
    columns = {**_ALWAYS, **{name: kind for each in layout.kinds for name, kind in _OF_KIND[each].items()}}
    if layout.plain_scores:
        columns["score"] = "DOUBLE"
    if rows:
        columns |= {"features": layout.features, "tags": "JSON"}
    listed = ", ".join(literal(path) for path in paths)
    typed = ", ".join(f"{name}: {literal(kind)}" for name, kind in columns.items())
    options = f"format = 'newline_delimited', maximum_object_size = {LONGEST}" + (", filename = true" if named else "")
    return f"read_json([{listed}], columns = {{{typed}}}, {options})"


def odd(layout: Layout, latest: int, *, rows: bool = True) -> str:
    """Write the condition that a row lacks what its kind needs, or its time cannot be; `rows`: features and tags are there."""
    whole = "({0} < 1 OR {0} != floor({0}) OR {0} >= {1})"
    shapes = ["labels"] if "metric" in layout.kinds else []
    shapes += ["tags", *([] if layout.fields else ["features"])] if rows else []
    faults = [
        f"time IS NULL OR time != floor(time) OR time > {min(latest, LAST, EXACT_UNTIL)} OR time < {max(FIRST, -EXACT_UNTIL)}",
        f"CASE kind {' '.join(f'WHEN {literal(kind)} THEN {_NAMELESS[kind]}' for kind in layout.kinds)} END",
        *(f"({name} IS NOT NULL AND json_type({name}) NOT IN ('OBJECT', 'NULL'))" for name in shapes),
    ]
    if "prediction" in layout.kinds:
        faults.append(whole.format("weight", EXACT_UNTIL))
    if "metric" in layout.kinds:
        faults.append(f"step != floor(step) OR abs(step) >= {EXACT_UNTIL}")
    known = ", ".join(map(literal, (*layout.kinds, HEADER)))
    return f"(kind IS NULL OR kind NOT IN ({known}) OR (kind != {literal(HEADER)} AND ({' OR '.join(faults)})))"


def _finite(number: str) -> str:
    """Write a number that is NULL where it is NaN or infinite."""
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def predictions(columns: Columns, layout: Layout, model: str | None = None, *, table: str = "raw_lines") -> str:
    """Write the SELECT of a model's predictions (of any, with None and no features) in the shape of its files."""
    of = "" if model is None else f" AND model = {literal(model)}"
    score, scores = _finite("score"), "NULL::VARCHAR"
    if not layout.plain_scores:
        nested = _NESTED.format("score")
        scores = f"CASE WHEN {nested} THEN score END"
        score = f"CASE WHEN {nested} THEN {_finite(_SCORE_OF_CLASS)} ELSE {_finite('TRY_CAST(score AS DOUBLE)')} END"
    return (
        "SELECT id, make_timestamp(time::BIGINT) AS time, model, version, coalesce(environment, 'live') AS environment, prediction,"
        f" {_finite('TRY_CAST(prediction AS DOUBLE)')} AS prediction_number,"
        f" {score} AS score, {scores} AS scores, {_finite('latency')} AS latency, run, trace, weight::BIGINT AS weight, error"
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
