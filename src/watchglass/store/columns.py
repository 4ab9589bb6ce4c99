"""Columns that models announce, or that their lines show → those that are registered, and why others cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.quoting import literal, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb
    from sqlalchemy.engine import Connection

    from watchglass.records import Json

SQL_TYPES: Final = {"number": "DOUBLE", "boolean": "BOOLEAN", "text": "VARCHAR", "json": "VARCHAR"}
"""What each type of a column is in the tables."""
_TYPES: Final = {"VARCHAR": "text", "BOOLEAN": "boolean", "BIGINT": "number", "UBIGINT": "number", "DOUBLE": "number"}


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
        name, about = row["name"], f"{row['role']} {row['name']!r:.80} of model {row['model']!r:.80} is not recorded"
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


def shown(connection: duckdb.DuckDBPyConnection, models: Sequence[str]) -> dict[tuple[str, str, str], str]:
    """Find every feature and tag in the lines (`raw_lines`, parsed as JSON) of models that nobody announced, with its type."""
    found: dict[tuple[str, str, str], str] = {}
    if not models:
        return found
    of = f"kind = 'prediction' AND model IN ({', '.join(map(literal, models))})"
    for role, source in (("feature", "features"), ("tag", "tags")):
        keys = f"SELECT model, {source}, unnest(json_keys({source})) AS name FROM raw_lines WHERE {of} AND json_type({source}) = 'OBJECT'"
        query = f"SELECT model, name, max(nullif(json_type({source}, {pointer('name')}), 'NULL')) FROM ({keys}) WHERE name != '' GROUP BY ALL"
        for model, name, kind in connection.execute(query).fetchall():
            found[model, role, name] = "text" if role == "tag" else _TYPES.get(kind or "DOUBLE", "json")
    return found
