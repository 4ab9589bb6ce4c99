"""Names and texts → SQL identifiers and literals, for the places where DuckDB takes no parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def identifier(name: str) -> str:
    """Quote a name.

    >>> identifier("two words")
    '"two words"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def pointer(name: str) -> str:
    """Write the expression of the JSON pointer (RFC 6901) to a key; unlike a path it takes any name, empty ones and stars too.

    >>> pointer("prediction")
    "'/' || replace(replace(prediction, '~', '~0'), '/', '~1')"
    """
    return f"'/' || replace(replace({name}, '~', '~0'), '/', '~1')"


def struct_type(fields: Iterable[tuple[str, str]]) -> str:
    """Give the type of a STRUCT with these names and types.

    >>> struct_type([("ink", "DOUBLE")])
    'STRUCT("ink" DOUBLE)'
    """
    return "STRUCT(" + ", ".join(f"{identifier(name)} {kind}" for name, kind in fields) + ")"
