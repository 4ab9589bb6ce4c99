"""Columns that models announce, or that their lines show → those that are registered, and why others cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb
    from sqlalchemy.engine import Connection

    from watchglass.records import Json
    from watchglass.store.models import Columns

SQL_TYPES: Final = {"number": "DOUBLE", "boolean": "BOOLEAN", "text": "VARCHAR", "json": "VARCHAR"}
"""What each type of a column is in the tables."""
_TYPES: Final = {
    "VARCHAR": "text",
    "JSON": "text",
    "BOOLEAN": "boolean",
    "BIGINT": "number",
    "UBIGINT": "number",
    "DOUBLE": "number",
}


def admitted(connection: Connection, rows: Iterable[Mapping[str, Json]]) -> tuple[list[dict[str, Json]], list[str]]:
    """Part columns (model, role, name, type) into those that can be registered and the reasons why others cannot.

    SQL tells no names apart that differ in the case of letters alone, so the first one stays.
    """
    listed = [dict(row) for row in rows]
    known: dict[tuple[Json, Json, str], str] = {}
    models = sorted({str(row["model"]) for row in listed})
    for first in range(0, len(models), 10_000):
        chosen = c.columns.c.model.in_(models[first : first + 10_000])
        for model, role, name in connection.execute(
            sa.select(c.columns.c.model, c.columns.c.role, c.columns.c.name).where(chosen)
        ):
            known[model, role, _folded(name)] = name
    taken, refused = [], []
    for row in listed:
        name, column = row["name"], f"{row['role']} {row['name']!r:.80} of model {row['model']!r:.80}"
        about = f"{column} is not recorded, its values are kept as NULL"
        if not isinstance(name, str) or not name or "\0" in name:
            refused.append(f"{about}: a name that is a text, not empty and without a zero byte would do")
        elif known.setdefault((row["model"], row["role"], _folded(name)), name) != name:
            before = known[row["model"], row["role"], _folded(name)]
            refused.append(f"{about}: its name differs from {before!r} in the case of letters alone")
        else:
            taken.append(row)
    return taken, refused


def _folded(name: str) -> str:
    """Fold the case of ASCII letters, as DuckDB does."""
    return name.encode("utf-8", "replace").lower().decode("utf-8")


def unknown(connection: duckdb.DuckDBPyConnection, known: Mapping[str, Columns]) -> dict[tuple[str, str, str], str]:
    """Find every feature and tag in the lines (`raw_lines`, parsed as JSON) that is not known of its model, with its type.

    A column without any value waits for one; one with values of several types is text, which holds them all.
    """
    found: dict[tuple[str, str, str], str] = {}
    for role, source in (("feature", "features"), ("tag", "tags")):
        of = f"FROM raw_lines WHERE kind = 'prediction' AND json_type({source}) = 'OBJECT'"
        keys = connection.execute(f"SELECT DISTINCT model, unnest(json_keys({source})) {of}").fetchall()
        news = {(model, name) for model, name in keys if name and not known[model].has(role, name)}
        for model in sorted({model for model, _ in news}):
            query = f"SELECT json_group_structure({source})::VARCHAR {of} AND model = {literal(model)}"
            types = json.loads((connection.execute(query).fetchone() or ("{}",))[0])
            for name, kind in types.items():
                if (model, name) in news and kind != "NULL":
                    found[model, role, name] = "text" if role == "tag" else _type_of(kind)
    return found


def _type_of(structure: Json) -> str:
    return _TYPES.get(structure, "json") if isinstance(structure, str) else "json"
