"""A text that somebody gives as a condition → checked by DuckDB's own parser: one expression over the columns, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.errors import BadInput
from watchglass.store.needed import nodes

if TYPE_CHECKING:
    from watchglass.records import Json

_REACHING: Final = {
    "SUBQUERY": "a question inside it",
    "STAR": "a star",
    "WINDOW": "a window function",
    "PARAMETER": "a parameter",
    "DEFAULT": "a default",
    "POSITIONAL_REFERENCE": "a column by its position",
}
_NEXT: Final = "such as: features.age > 90 AND environment = 'live'"


def condition(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """Give the condition, to be put after WHERE; raises `BadInput` unless it is exactly one expression over the columns."""
    wrapped = f"({text}\n)"  # the line's end ends a comment
    try:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [f"SELECT {wrapped}"]).fetchone()
        tree: Json = json.loads(row[0]) if row else None
    except (duckdb.Error, ValueError) as error:
        raise _refused(text, str(error).splitlines()[0]) from None
    if not isinstance(tree, dict) or tree.get("error"):
        said = tree.get("error_message") if isinstance(tree, dict) else "it cannot be read"
        raise _refused(text, str(said).splitlines()[0])
    if not _alone(tree):
        raise _refused(text, "it is more than one expression")
    for node in nodes(tree):
        if (kind := str(node.get("class"))) in _REACHING:
            raise _refused(text, f"it holds {_REACHING[kind]}")
    return wrapped


def _refused(text: str, why: str) -> BadInput:
    message = f"where cannot be {text[:200]!r}: {why}. Exactly one condition on a model's predictions would do, {_NEXT}"
    return BadInput(message)


def refused(text: str, error: Exception) -> BadInput:
    """Tell why a condition could not be asked."""
    return _refused(text, str(error).splitlines()[0])


def _alone(tree: dict[str, Json]) -> bool:
    """Say whether a tree is one SELECT of one expression from nothing, and no more."""
    statements = tree.get("statements")
    if not isinstance(statements, list) or len(statements) != 1 or not isinstance(statements[0], dict):
        return False
    node = statements[0].get("node")
    if not isinstance(node, dict) or node.get("type") != "SELECT_NODE":
        return False
    chosen, source = node.get("select_list"), node.get("from_table")
    more = ("where_clause", "group_expressions", "having", "qualify", "sample", "modifiers")
    return (
        isinstance(chosen, list)
        and len(chosen) == 1
        and isinstance(source, dict)
        and source.get("type") == "EMPTY"
        and not any(node.get(name) for name in more)
    )
