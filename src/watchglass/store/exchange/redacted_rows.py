"""Typed rows of a file of an export and the rules of redaction in force → the relation that gives them as they may be written.

What a store under the same rules wrote stays as it is: redacted twice is the same as once.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeAlias

from duckdb.func import FunctionNullHandling

from watchglass.capture.encode import canonical
from watchglass.store.quoting import identifier
from watchglass.store.redacting import covered, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import duckdb

    from watchglass.capture.redaction import Redactor
    from watchglass.store.exchange.tables import Kind
    from watchglass.store.lines import Rejected

Nested: TypeAlias = "tuple[tuple[str, tuple[tuple[str, str], ...]], ...]"
_ROLES: Final[Mapping[str, Mapping[str, str]]] = {
    "predictions": {
        "id": "id",
        "prediction": "prediction",
        "score": "score",
        "scores": "score",
        "error": "error",
    },
    "labels": {"id": "id", "label": "label"},
    "feedback": {"id": "id"},
}
"""Columns of a table and the role by which rules know each."""
_OBJECTS: Final[Mapping[str, tuple[str, ...]]] = {"metrics": ("labels",), "logs": ("message", "tags")}
"""Columns of rows that have no model; those but the message hold JSON."""
_TEXT: Final = "VARCHAR"
_WHOLE: Final = r"'^(-?\d+)\.0$', '\1'"


def withheld(item: Rejected) -> Rejected:
    """Tell of a line that could not be read without what it held."""
    return replace(item, reason="the line has no form; rules of redaction withhold it", raw=None)


def reaches(redactor: Redactor, model: str, *roles: str) -> bool:
    """Say whether a rule may be about a field of a role, whatever its name."""
    return any(
        fnmatchcase(model, rule.model) and rule.field.partition(".")[0] in (*roles, "*") for rule in redactor.rules
    )


def through(
    connection: duckdb.DuckDBPyConnection, relation: str, kind: Kind, about: tuple[str, Nested, Redactor | None]
) -> tuple[str, Nested]:
    """Read rows of a model through the rules; gives the relation and the structs with the fields that are left."""
    model, nested, redactor = about
    if redactor is None:
        return relation, nested
    if kind.name in _OBJECTS:
        return _modelless(connection, relation, kind, redactor), nested
    chosen = [(role, column, "") for column, role in _ROLES[kind.name].items()]
    flat: dict[str, tuple[str, str, str]] = {}
    for role, fields in nested:
        for number, (name, of) in enumerate(fields):
            flat[f"wg {role} {number}"] = (role, name, of)
    chosen += [(role, column, name) for column, (role, name, _) in flat.items()]
    if not touched(redactor, model, chosen):
        return relation, nested
    source = _flat(relation, kind, flat, nested)
    how = covered(connection, source, model, chosen, redactor)
    left = tuple(
        (role, tuple((name, _TEXT if column in how.texts else of) for column, (name, of) in _of(role, flat, how.gone)))
        for role, _ in nested
    )
    listed = [_own(name, of, how.gone) for name, of in kind.columns]
    if kind.name == "predictions" and redactor.touches(model, "prediction"):
        parsed = "NULL::DOUBLE" if "prediction" in how.gone else "TRY_CAST(prediction AS DOUBLE)"
        place = kind.names.index("prediction_number")
        listed[place] = f"CASE WHEN isfinite({parsed}) THEN {parsed} END AS prediction_number"
    for role, fields in left:
        if fields:
            columns = [column for column, _ in _of(role, flat, how.gone)]
            packed = ", ".join(
                f"{identifier(name)} := {identifier(column)}" for column, (name, _) in zip(columns, fields, strict=True)
            )
            listed.append(f"CASE WHEN {identifier(f'wg {role}')} THEN struct_pack({packed}) END AS {role}")
    kept = tuple((role, fields) for role, fields in left if fields)
    return f"(SELECT {', '.join(listed)} FROM (SELECT {how.select} FROM {source}))", kept


def _of(role: str, flat: Mapping[str, tuple[str, str, str]], gone: frozenset[str]) -> list[tuple[str, tuple[str, str]]]:
    """List the fields of a struct that are left, each with the column that it is in."""
    return [(column, (name, of)) for column, (where, name, of) in flat.items() if where == role and column not in gone]


def _flat(relation: str, kind: Kind, flat: Mapping[str, tuple[str, str, str]], nested: Nested) -> str:
    """Give each field of the structs a column; 17.0 is 17, as a prediction or label that is hashed when it is recorded."""
    listed = [
        f"regexp_replace({name}, {_WHOLE}) AS {name}" if name in ("prediction", "label") else identifier(name)
        for name in kind.names
    ]
    listed += [f"{role}.{identifier(name)} AS {identifier(column)}" for column, (role, name, _) in flat.items()]
    listed += [f"{role} IS NOT NULL AS {identifier(f'wg {role}')}" for role, _ in nested]
    return f"(SELECT {', '.join(listed)} FROM {relation})"


def _own(name: str, of: str, gone: frozenset[str]) -> str:
    return f"NULL::{of} AS {identifier(name)}" if name in gone else identifier(name)


def _modelless(connection: duckdb.DuckDBPyConnection, relation: str, kind: Kind, redactor: Redactor) -> str:
    """Read log lines or metric points through the rules."""
    made: dict[str, str] = {}
    for role in _OBJECTS[kind.name]:
        if not reaches(redactor, "", role):
            continue
        verb = _message(redactor) if role == "message" else _object(redactor, role)
        connection.create_function(f"redacted_{role}", verb, [_TEXT], _TEXT, null_handling=FunctionNullHandling.SPECIAL)
        made[role] = f"redacted_{role}({role}) AS {role}"
    if not made:
        return relation
    return f"(SELECT {', '.join(made.get(name, identifier(name)) for name in kind.names)} FROM {relation})"


def _message(redactor: Redactor) -> Callable[[object], str | None]:
    def message(text: object) -> str | None:
        return None if text is None else str(redactor.event({"message": text}).get("message", ""))

    return message


def _object(redactor: Redactor, role: str) -> Callable[[object], str | None]:
    def of(text: object) -> str | None:
        return None if text is None else redacted_json(redactor, role, str(text))

    return of


def redacted_json(redactor: Redactor, role: str, text: str) -> str | None:
    """Redact what is held as JSON, as an event with it would be; None for what cannot be read, and so not be redacted."""
    try:
        told: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if told is None:
        return text
    kept = redactor.event({role: told}).get(role)
    if kept is None:
        return None
    return text if kept == told else canonical(kept)
