"""A question's syntax tree, as DuckDB gives it → the columns it may name; None where it may mean columns it does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from watchglass.records import Json

_UNNAMED: Final = ("STAR", "POSITIONAL_REFERENCE")
_LISTS: Final = ("column_name_alias", "column_aliases")


def names_of(tree: Json, tables: Collection[str]) -> frozenset[str] | None:
    """Give the names of all columns in one SELECT, in small letters; None for a star, a position, a row taken whole and the like.

    `tables` are the views: a column of such a name is a whole row.
    """
    names: set[str] = set()
    alone: set[str] = set()
    whole = {name.lower() for name in tables}
    for node in nodes(tree):
        alias = node.get("alias")
        if "table_name" in node or node.get("type") in ("SUBQUERY", "TABLE_FUNCTION"):
            whole.add(str(alias).lower())
        if node.get("error") is True or node.get("class") in _UNNAMED or node.get("ref_type") == "NATURAL":
            return None
        if node.get("type") == "PIVOT":  # it groups by every column that it does not name
            return None
        if any(node.get(name) for name in _LISTS):
            return None
        parts = [str(name).lower() for name in _listed(node.get("column_names"))]
        if len(parts) == 1:
            alone.update(parts)
        names.update(parts, (str(name).lower() for name in _listed(node.get("using_columns"))))
    return None if alone & whole else frozenset(names)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def nodes(value: Json) -> Iterator[dict[str, Json]]:
    """Give every object in a tree."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield here
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
