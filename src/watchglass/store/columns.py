"""Columns that models announce, or that their lines show → those that are registered, and why others cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.capture.declaring import IN_ROWS
from watchglass.store import catalog as c
from watchglass.store.lines import Rejected
from watchglass.store.quoting import literal, pointer
from watchglass.store.schemas.aside import keep_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb
    from sqlalchemy.engine import Connection

    from watchglass.records import Json
    from watchglass.store.models import Columns

IN_FILES: Final = IN_ROWS
"""The roles of columns whose values lie in the files as structs."""
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


@dataclass(frozen=True, slots=True)
class Admitted:
    """Columns that can be registered, and what is told of the others; `clashes` are the types that were declared too late."""

    taken: list[dict[str, Json]]
    refused: list[Rejected]
    clashes: list[dict[str, Json]]


def admitted(connection: Connection, rows: Iterable[Mapping[str, Json]], segment: str) -> Admitted:
    """Part columns (model, role, name, type) into those that can be registered and the reasons why others cannot.

    SQL tells no names apart that differ in the case of letters alone, so the first one stays. A type that is registered
    stays too: one that is declared and another is told, once.
    """
    listed = [dict(row) for row in rows]
    known, found = _known(connection, {str(row["model"]) for row in listed}), Admitted([], [], [])
    for row in listed:
        model, role, name, kind = (row[key] for key in ("model", "role", "name", "type"))
        column = f"{role} {name!r:.80} of model {model!r:.80}"
        about = f"{column} is not recorded, its values are kept as NULL"
        if not isinstance(name, str) or not name or "\0" in name or name.startswith("\x1f"):
            reason = f"{about}: a name that is a text, not empty, without a zero byte and not begun by a unit separator would do"
            found.refused.append(_refused(segment, row, reason))
            continue
        first, before = known.setdefault((model, role, _folded(name)), (name, str(kind)))
        if first != name:
            reason = f"{about}: its name differs from {first!r} in the case of letters alone"
            found.refused.append(_refused(segment, row, reason))
        elif before != kind and row.get("declared") and role in IN_FILES:
            clash = {"model": model, "role": role, "name": name, "change": "conflict", "before": before, "after": kind}
            if clash not in found.clashes and not _is_told(connection, clash):
                found.clashes.append(clash)
                reason = (
                    f"{column} is declared as {kind}, but was registered as {before} before: it stays {before}. "
                    f"To have {kind}, log it under another name, and declare that before its first row"
                )
                found.refused.append(_refused(segment, row, reason))
        else:
            found.taken.append(row)
    return found


def tell(transaction: Connection, found: Admitted, now: int) -> None:
    """Write why columns were not registered as they were said; `now` in µs."""
    keep_aside(transaction, found.refused, now)
    if found.clashes:
        transaction.execute(c.column_changes.insert(), [{**clash, "time": now, "seq": 0} for clash in found.clashes])


def _known(connection: Connection, models: set[str]) -> dict[tuple[Json, Json, str], tuple[str, str]]:
    """Give name and type of the columns that are registered, by model, role and folded name."""
    known: dict[tuple[Json, Json, str], tuple[str, str]] = {}
    listed, columns = sorted(models), c.columns.c
    for first in range(0, len(listed), 10_000):
        query = sa.select(columns.model, columns.role, columns.name, columns.type)
        for model, role, name, kind in connection.execute(
            query.where(columns.model.in_(listed[first : first + 10_000]))
        ):
            known[model, role, _folded(name)] = (name, kind)
    return known


def _is_told(connection: Connection, clash: Mapping[str, Json]) -> bool:
    changes = c.column_changes
    same = sa.and_(*(changes.c[key] == value for key, value in clash.items()))
    return connection.execute(sa.select(changes.c.id).where(same).limit(1)).first() is not None


def _refused(segment: str, row: Mapping[str, Json], reason: str) -> Rejected:
    name = row["name"]
    shown = name if isinstance(name, str) and "\0" not in name else None
    return Rejected(segment, None, reason, None, 1, str(row["model"]), str(row["role"]), shown)


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
            shape = f"SELECT json_group_structure({source}) AS s {of} AND model = {literal(model)}"
            # taken apart in SQL: a value may be nested deeper than Python reads
            query = (
                f"SELECT name, if(json_type(t) = 'VARCHAR', t ->> '$', NULL) FROM (SELECT name, json_extract(s, {pointer('name')}) AS t"
                f" FROM (SELECT s, unnest(json_keys(s)) AS name FROM ({shape})))"
            )
            for name, kind in connection.execute(query).fetchall():
                if (model, name) in news and kind != "NULL":
                    found[model, role, name] = "text" if role == "tag" else _TYPES.get(kind, "json")
    return found
