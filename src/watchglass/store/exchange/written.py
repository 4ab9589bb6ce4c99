"""Rows in their typed shape ↔ what a format holds of them: Parquet as they are, CSV with dotted columns, JSON lines with nested objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from watchglass.store import parquet
from watchglass.store.lines import LONGEST
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.exchange.tables import Format, Kind

Fields = "Sequence[tuple[str, str]]"
OPTIONS: Final[dict[Format, str]] = {
    "parquet": parquet.OPTIONS,
    "delta": parquet.OPTIONS,
    "csv": "(FORMAT csv, HEADER, FORCE_QUOTE *)",  # so that an empty text is "" and NULL is nothing
    "jsonl": "(FORMAT json)",
}
THERE: Final = "present"
"""In the columns features and tags of a CSV file: the row has some, though each of them may be NULL."""


def _shown(name: str, kind: str, form: Format) -> str:
    """Write a value as text that is read back as it is: times with all digits, JSON's missing numbers as texts."""
    if kind == "TIMESTAMP":
        return f"replace(CAST({name} AS VARCHAR), ' ', 'T') || 'Z'"
    if kind == "DOUBLE" and form == "jsonl":
        return f"CASE WHEN isfinite({name}) THEN to_json({name}) ELSE to_json(CAST({name} AS VARCHAR)) END"
    return name


def outward(kind: Kind, nested: Sequence[tuple[str, Sequence[tuple[str, str]]]], select: str, form: Format) -> str:
    """Write the SELECT of a table's rows as a format has them; `nested` are the structs with their fields."""
    if form in ("parquet", "delta"):
        return select
    listed = [f"{_shown(identifier(name), of, form)} AS {identifier(name)}" for name, of in kind.columns]
    for role, fields in nested:
        parts = [(name, _shown(f"{role}.{identifier(name)}", of, form)) for name, of in fields]
        if form == "csv":
            listed += [f"{text} AS {identifier(f'{role}.{name}')}" for name, text in parts]
            listed.append(f"CASE WHEN {role} IS NOT NULL THEN {literal(THERE)} END AS {role}")
        else:
            packed = ", ".join(f"{identifier(name)} := {text}" for name, text in parts)
            listed.append(f"CASE WHEN {role} IS NOT NULL THEN struct_pack({packed}) END AS {role}")
    return f"SELECT {', '.join(listed)} FROM ({select})"


def csv_reader(kind: Kind, nested: Sequence[tuple[str, Sequence[tuple[str, str]]]], path: str) -> str:
    """Write the table function that reads a CSV file as texts; what has no form is told in `reject_errors`."""
    names = [*kind.names]
    for role, fields in nested:
        names += [*(f"{role}.{name}" for name, _ in fields), role]
    typed = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({literal(path)}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '',"
        f" allow_quoted_nulls = false, parallel = false, max_line_size = {LONGEST}, store_rejects = true, columns = {{{typed}}})"
    )


def line_reader(path: str) -> str:
    """Write the table function that gives the lines of a file as texts."""
    return (
        f"read_csv({literal(path)}, auto_detect = false, header = false, delim = E'\\x01', quote = '', escape = '',"
        f" parallel = false, strict_mode = false, max_line_size = {LONGEST}, store_rejects = true, columns = {{'line': 'VARCHAR'}})"
    )


def shape_of_lines(kind: Kind, nested: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Write what a line holds, all as texts, for DuckDB's json_transform."""
    shape: dict[str, object] = dict.fromkeys(kind.names, "VARCHAR")
    for role, fields in nested:
        shape[role] = {name: "JSON" if of == "JSON" else "VARCHAR" for name, of in fields}
    return json.dumps(shape)


def inward(kind: Kind, nested: Sequence[tuple[str, Sequence[tuple[str, str]]]], form: Format, source: str) -> str:
    """Write the SELECT that gives texts of a file their types again; what does not fit is NULL."""
    if form in ("parquet", "delta"):
        names = ", ".join(identifier(name) for name in [*kind.names, *(role for role, _ in nested)])
        return f"SELECT {names} FROM {source}"
    listed = [f"{typed(identifier(name), of)} AS {identifier(name)}" for name, of in kind.columns]
    for role, fields in nested:
        packed = ", ".join(f"{identifier(name)} := {typed(field_text(role, name, form), of)}" for name, of in fields)
        listed.append(f"CASE WHEN {role} IS NOT NULL THEN struct_pack({packed}) END AS {role}")
    return f"SELECT {', '.join(listed)} FROM {source}"


def field_text(role: str, name: str, form: Format) -> str:
    """Name the text of a field."""
    return identifier(f"{role}.{name}") if form == "csv" else f"{role}.{identifier(name)}"


def typed(text: str, kind: str) -> str:
    """Write the expression that reads a text as a type."""
    if kind == "VARCHAR":
        return text
    if kind == "TIMESTAMP":
        return f"CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP)"
    return f"TRY_CAST({text} AS {kind})"
