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
    "feedback": {"event": "VARCHAR"},
    "metric": {"name": "VARCHAR", "value": "DOUBLE", "step": "DOUBLE", "labels": "JSON"},
    "log": {"message": "VARCHAR", "level": "VARCHAR", "logger": "VARCHAR"},
}
_TABLES: Final = {
    "prediction": "predictions",
    "label": "labels",
    "feedback": "feedback",
    "metric": "metrics",
    "log": "logs",
}
_TIME: Final = "make_timestamp(time::BIGINT)"
_OF_METRICS: Final = {
    "time": _TIME,
    "value": "CASE WHEN isfinite(value) THEN value END",
    "step": "step::BIGINT",
    "labels": "labels::VARCHAR",
}
_OF_LOGS: Final = {"time": _TIME, "level": "coalesce(level, 'info')", "tags": "tags::VARCHAR"}
MODELLESS: Final = ("metrics", "logs")
_SCORE_OF_CLASS: Final = f"TRY_CAST(json_extract_string(score, {pointer('prediction')}) AS DOUBLE)"
_NESTED: Final = "(({0} >= '[' AND {0} < '\\') OR ({0} >= '{{' AND {0} < '|'))"
"""Whether a text begins like a list or an object; comparing texts costs less than taking them apart."""
PREDICTION: Final = (
    *("id", "time", "model", "version", "environment", "prediction", "prediction_number", "score", "scores"),
    *("latency", "run", "trace", "weight", "error"),
)
LABEL: Final = ("id", "time", "model", "environment", "label")
FEEDBACK: Final = ("id", "time", "model", "environment", "event")
METRIC: Final = ("time", "name", "value", "step", "labels", "run", "trace")
LOG: Final = ("time", "level", "logger", "message", "tags", "run", "trace")
FINISHED: Final = tuple(
    name
    for name in dict.fromkeys((*PREDICTION, *LABEL, *FEEDBACK, *METRIC, *LOG, "features", "tags"))
    if name != "model"  # always there
)
_SHAPES: Final = {"prediction": PREDICTION, "label": LABEL, "feedback": FEEDBACK, "metric": METRIC, "log": LOG}
_UNNAMED: Final = f"({{0}} IS NULL OR {{0}} = '' OR {_NESTED})"
_NAMELESS: Final[Mapping[str, str]] = {
    "prediction": f"{_UNNAMED.format('model')} OR {_UNNAMED.format('id')}",
    "label": f"{_UNNAMED.format('model')} OR {_UNNAMED.format('id')}",
    "feedback": " OR ".join(_UNNAMED.format(name) for name in ("model", "id", "event")),
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


def reader(paths: Sequence[str], layout: Layout, *, needed: frozenset[str] | None = None, named: bool = False) -> str:
    """Write the table function that parses whole lines, `needed` values of them, or all, features and tags too.

    With `named` each row says which file it is from.
    """
    columns = {**_ALWAYS, **{name: kind for each in layout.kinds for name, kind in _OF_KIND[each].items()}}
    if layout.plain_scores:
        columns["score"] = "DOUBLE"
    if needed is None:
        columns |= {"features": layout.features, "tags": "JSON"}
    else:
        wanted = needed_of(needed)
        columns = {name: kind for name, kind in columns.items() if name in wanted}
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


def values(layout: Layout) -> dict[str, str]:
    """Write the expressions of a prediction's time, numbers and scores, as they stand in its files."""
    nested = _NESTED.format("score")
    score, scores = _finite("score"), "NULL::VARCHAR"
    if not layout.plain_scores:
        scores = f"CASE WHEN {nested} THEN score END"
        score = f"CASE WHEN {nested} THEN {_finite(_SCORE_OF_CLASS)} ELSE {_finite('TRY_CAST(score AS DOUBLE)')} END"
    return {
        "time": _TIME,
        "environment": "coalesce(environment, 'live')",
        "prediction_number": _finite("TRY_CAST(prediction AS DOUBLE)"),
        "score": score,
        "scores": scores,
        "latency": _finite("latency"),
        "weight": "weight::BIGINT",
    }


def shaped(expressions: Mapping[str, str], names: Iterable[str]) -> str:
    """Write the list of a SELECT: each name with its expression, or as it is."""
    return ", ".join(f"{expressions[name]} AS {name}" if name in expressions else name for name in names)


def predictions(columns: Columns, layout: Layout, model: str, *, table: str = "raw_lines") -> str:
    """Write the SELECT of a model's predictions in the shape of its files."""
    listed = shaped(values(layout), PREDICTION)
    return f"SELECT {listed}{_structs(columns, layout)} FROM {table} WHERE kind = 'prediction' AND model = {literal(model)}"


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


def labels(model: str) -> str:
    """Write the SELECT of a model's labels in the shape of its files."""
    return f"SELECT {shaped(values(Layout()), LABEL)} FROM raw_lines WHERE kind = 'label' AND model = {literal(model)}"


def feedback(model: str) -> str:
    """Write the SELECT of what users did about a model's predictions in the shape of its files."""
    listed = shaped(values(Layout()), FEEDBACK)
    return f"SELECT {listed} FROM raw_lines WHERE kind = 'feedback' AND model = {literal(model)}"


def metrics() -> str:
    """Write the SELECT of metric points in the shape of their files."""
    return f"SELECT {shaped(_OF_METRICS, METRIC)} FROM raw_lines WHERE kind = 'metric'"


def logs() -> str:
    """Write the SELECT of log lines in the shape of their files."""
    return f"SELECT {shaped(_OF_LOGS, LOG)} FROM raw_lines WHERE kind = 'log'"


def finished(source: str, needed: frozenset[str] | None, *, after: int, latest: int) -> str:
    """Write the SELECT that gives lines of all kinds with every value as it stands in the files, to be asked many times.

    `needed` names the values that are wanted, None all, features and tags too. `odd` says of a row that it is not what
    its kind needs. Segments are numbered on `after` so many.
    """
    expressions = {**values(Layout()), **_OF_METRICS, **_OF_LOGS, "segment": f"segment + {after}"}
    names = [name for name in FINISHED if needed is None or name in needed]
    wrong = f"coalesce({odd(Layout(), latest, rows=needed is None)}, false) AS odd"
    return f"SELECT {shaped(expressions, ('kind', 'model', 'segment', *names))}, {wrong} FROM {source} WHERE kind IS DISTINCT FROM {literal(HEADER)}"


def needed_of(names: Iterable[str]) -> set[str]:
    """Name the keys of lines that must be parsed for some values, and to tell whether a line is what its kind needs."""
    more = {"score": ("prediction",), "scores": ("score",), "prediction_number": ("prediction",)}
    found = {"kind", "model", "id", "time", "event", "name", "message", "weight", "step", "labels"}
    for name in names:
        found |= {name, *more.get(name, ())}
    return found


def of_finished(
    table: str,
    kind: str,
    columns: Columns | None = None,
    model: str | None = None,
    names: Sequence[str] | None = None,
) -> str:
    """Write the SELECT of the rows of a kind from such a table: of a model, or of any; features and tags with `columns`.

    `names` are the values that the table has, None all.
    """
    shape = [name for name in _SHAPES[kind] if names is None or name in names]
    structs = "" if columns is None else _structs(columns, Layout())
    of = "" if model is None else f" AND model = {literal(model)}"
    return f"SELECT {', '.join(shape)}{structs} FROM {table} WHERE kind = {literal(kind)}{of}"
